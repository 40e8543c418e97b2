//! How it is asked for: on the command line, of which agent, and what is wrong with a request for it.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use weir_testkit::{
    agent::AgentOptions,
    wait::{PATIENCE, eventually},
};

use super::{id, replay, start};

#[tokio::test(flavor = "multi_thread")]
async fn people_ask_for_it_on_the_command_line() -> anyhow::Result<()> {
    let setup = start("replay-cli").await?;
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&["--data", "one", &setup.tls("/echo?cli")]).await?;
    let recorded = setup.recorded("/echo?cli").await?;
    let id = id(&recorded)?;
    let short = &id[id.len() - 8..];
    let shown = setup.orchestrator.command(["replay", short, "--header", "X-B: 2", "--body", "two"]).await?.ok()?;
    assert!(shown.contains(&format!("replay of {id}, by admin")), "{shown}");
    assert!(shown.contains("x-b: 2") && shown.contains("\ntwo"), "{shown}");
    let file = setup.scratch.write("body", "three")?;
    let file = format!("@{}", file.display());
    let diff = setup.orchestrator.command(["replay", id, "--body", &file, "--diff"]).await?.ok()?;
    assert!(diff.contains("- one") && diff.contains("+ three"), "{diff}");
    let made = setup.orchestrator.command(["replay", "--url", &setup.plain("/status/418"), "-n", "2"]).await?.ok()?;
    assert_eq!(made.matches("418").count(), 2, "{made}");
    let wrong = setup.orchestrator.command(["replay", id, "--header", "nothing"]).await?;
    assert!(!wrong.success && wrong.stderr.contains("NAME: VALUE"), "{}", wrong.stderr);
    Ok(())
}

/// What is sent may hold credentials, and an agent says itself what it is called.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_several_agents_bear_is_no_agent() -> anyhow::Result<()> {
    let setup = start("replay-same-name").await?;
    let _twin = AgentOptions::new(&setup.scratch, "twin")
        .with("--orchestrator", setup.orchestrator.grpc_url())
        .with("--join-token", setup.orchestrator.join_token().await?)
        .with("--allow", "connections,replay")
        .start()
        .await?;
    let twins = eventually(PATIENCE, "two agents", || async {
        let mut agents = setup.orchestrator.list("/agents").await?;
        agents.retain(|agent| agent["state"] == "connected");
        Ok((agents.len() == 2).then_some(agents))
    })
    .await?;
    // Both are called as the machine is.
    let name = twins[0]["name"].as_str().context("a name")?;
    ensure!(twins[1]["name"] == name, "{twins:?}");
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&[&setup.plain("/text/twins")]).await?;
    let recorded = setup.recorded("/text/twins").await?;
    let heard = || setup.origin.heard().iter().filter(|heard| heard.uri.path() == "/text/twins").count();
    let made = json!({"url": setup.plain("/text/twins"), "agent": name});
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(
        status == 409 && refused["detail"] == format!("2 agents are called `{name}`: give the id of one"),
        "{status} {refused}"
    );
    let (status, refused) = replay(&setup, id(&recorded)?, json!({"agent": name})).await?;
    ensure!(status == 409, "{status} {refused}");
    ensure!(heard() == 1, "nothing was sent");
    let (status, answer) = replay(&setup, id(&recorded)?, json!({"agent": twins[1]["id"]})).await?;
    ensure!(status == 201 && answer["items"][0]["agent"] == twins[1]["id"], "{status} {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_replay_is_pointed_at() -> anyhow::Result<()> {
    let setup = start("replay-members").await?;
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&[&setup.plain("/text/x")]).await?;
    let recorded = setup.recorded("/text/x").await?;
    let again = format!("/exchanges/{}/replay", id(&recorded)?);
    for (path, wanted) in [
        (&*again, json!({"set_header": [["a", "b"]]})),
        (&again, json!({"headers": [["a", "b"]]})),
        ("/replays", json!({"url": setup.plain("/"), "set_headers": []})),
    ] {
        let (status, problem) = setup.orchestrator.request(Method::POST, path, Some(&wanted)).await?;
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        ensure!(status == 400 && wanted.pointer(pointer).is_some_and(Value::is_array), "{status} {problem}");
    }
    ensure!(setup.orchestrator.list("/exchanges?query=is:replay").await?.is_empty(), "nothing was sent");

    // the bounds are those in force, not those of the agent's start
    let headers: Vec<_> = (0..30).map(|at| json!([format!("x-{at}"), "y"])).collect();
    let made = json!({"url": setup.plain("/"), "headers": headers});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201, "{status} {answer}");
    let keys = setup.orchestrator.keys().display().to_string();
    let file = setup.scratch.write("bounds.toml", "client.headers = 20\n")?.display().to_string();
    setup.orchestrator.command(["config", "push", &file, "--yes", "--key-dir", &keys]).await?.ok()?;
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(status == 422 && detail.contains("20 fields"), "{status} {refused}");
    Ok(())
}
