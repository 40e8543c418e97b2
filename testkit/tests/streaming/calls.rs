//! A filter with streams that asks servers, and uses secrets that it cannot read.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use anyhow::ensure;
use serde_json::Value;
use weir_testkit::{
    body::{self, Pattern},
    client::{Http, Reply},
    scratch::Scratch,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

use super::{figure, push, setup, told, ways};

const VALUE: &str = "s3cr3t-4b7c09e1";

/// The origin is the oracle, too.
async fn asking(name: &str, further: &[&str]) -> anyhow::Result<Setup> {
    let setup = Setup::start(name).await?;
    let oracle = format!("oracle={}", setup.plain("/"));
    push(&setup, &[&["--upstream", &oracle], further].concat()).await?;
    Ok(setup)
}

/// One exchange that asks for this path.
async fn ask(http: &mut Http, url: &str, question: &str) -> anyhow::Result<Reply> {
    let mut request = http.request("GET", url, body::empty())?;
    request.headers_mut().insert("x-streaming", "ask".parse()?);
    request.headers_mut().insert("x-question", question.parse()?);
    http.exchange(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_in_both_hooks_over_every_protocol() -> anyhow::Result<()> {
    let setup = asking("streaming-calls", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        for round in 0..3 {
            let reply = ask(&mut http, &format!("{base}/heard"), "/echo").await?;
            let heard: Value = serde_json::from_slice(&reply.body)?;
            let asked = heard["headers"].as_array().into_iter().flatten().find(|field| field[0] == "x-asked");
            ensure!(reply.status == 200 && reply.header("x-answer") == "200, 8 bytes", "{round}: {reply:?}");
            ensure!(asked.is_some_and(|field| field[1] == "200, 8 bytes"), "{round}: {heard}");
        }
    }
    Ok(())
}

/// Each chunk is asked about while the next one waits; whoever leaves in the midst of it takes the guest along.
#[tokio::test(flavor = "multi_thread")]
async fn it_asks_while_bodies_pass() -> anyhow::Result<()> {
    let setup = asking("streaming-calls-bodies", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        let text = "each chunk by way of the oracle ".repeat(10_000);
        let reply = told(&mut http, "ask-each", "POST", &format!("{base}/echo"), body::full(text.clone())).await?;
        ensure!(reply.status == 200 && reply.text() == text, "{} bytes", reply.body.len());
    }
    let mut http = setup.client()?.forward().await?;
    let endless = Pattern::new(1, 1 << 30).by(1000).paced(Duration::from_millis(5)).boxed();
    let mut request = http.request("POST", &setup.plain("/echo"), endless)?;
    request.headers_mut().insert("x-streaming", "ask-each".parse()?);
    let response = http.send(request).await?;
    ensure!(response.status() == 200, "{response:?}");
    drop((response, http));
    let instances = async || figure(&setup, "instances").await;
    eventually(PATIENCE, "the guest to go", || async { Ok((instances().await? == 0.0).then_some(())) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_told() -> anyhow::Result<()> {
    let setup = asking("streaming-calls-bad", &[]).await?;
    let mut http = setup.client()?.forward().await?;
    let url = setup.plain("/text/x");
    for (question, said) in [
        ("/status/503", "503, 0 bytes"),
        ("no-path", "the request or the time is not valid"),
        ("/../up", "the request or the time is not valid"),
        ("/bytes/2000000", "no response: TooLarge"),
    ] {
        let reply = ask(&mut http, &url, question).await?;
        ensure!(reply.status == 200 && reply.header("x-answer") == said, "{question}: {:?}", reply.headers);
    }
    let many = told(&mut http, "ask-many", "GET", &url, body::empty()).await?;
    ensure!(many.text() == "200, the filter has started all that it may for this exchange", "{many:?}");
    let nobody = self::setup("streaming-calls-nobody", &[]).await?;
    let reply = ask(&mut nobody.client()?.forward().await?, &nobody.plain("/text/x"), "/echo").await?;
    ensure!(reply.header("x-answer") == "the publication names no such upstream", "{:?}", reply.headers);
    Ok(())
}

/// It is the server that takes its time, for as long as the publication lets it, and not the filter that stalls.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_is_no_stall() -> anyhow::Result<()> {
    let setup = asking("streaming-calls-slow", &["--limit", "stall_ms=100"]).await?;
    let reply = ask(&mut setup.client()?.forward().await?, &setup.plain("/text/x"), "/bytes/500?pace=10&by=8").await?;
    ensure!(reply.status == 200 && reply.header("x-answer") == "200, 500 bytes", "{reply:?}");
    Ok(())
}

/// Calls, and idleness, that last for a moment.
async fn hasty(name: &str, further: &[&str]) -> anyhow::Result<Setup> {
    let setup = Setup::start(name).await?;
    let oracle = format!("oracle={},timeout_ms=200", setup.plain("/"));
    push(&setup, &[&["--upstream", &oracle, "--limit", "stall_ms=300"], further].concat()).await?;
    Ok(setup)
}

/// Each call has its end, and all of them together.
#[tokio::test(flavor = "multi_thread")]
async fn calls_without_end_are_a_stall() -> anyhow::Result<()> {
    let setup = hasty("streaming-calls-endless", &[]).await?;
    let stalls = async || setup.agent.metric("weir_agent_filter_failures_total", "kind=\"stalled\"").await;
    let (alive, dead) = (setup.plain("/text/x"), "http://127.0.0.1:9/");
    let faults = [
        ("ask-forever", alive.as_str(), "on-request", "nothing but call servers for 3000 ms"),
        ("response-ask-forever", &alive, "on-response", "nothing but call servers for 3000 ms"),
        ("ask-forever-error", dead, "on-upstream-error", "nothing but call servers for 3000 ms"),
        ("oversleep-error", dead, "on-upstream-error", "did nothing for 300 ms"),
    ];
    for (what, url, hook, words) in faults {
        let before = stalls().await?;
        let reply = told(&mut setup.client()?.forward().await?, what, "GET", url, body::empty()).await?;
        let problem = reply.problem(500, "filter").map_err(|error| error.context(what))?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains(words) && detail.contains(hook), "{what}: {problem}");
        ensure!(stalls().await? == before + 1.0, "{what} is counted once");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_end_end_by_the_policy() -> anyhow::Result<()> {
    let setup = hasty("streaming-calls-open", &["--on-failure", "open"]).await?;
    for (mut http, base) in ways(&setup).await? {
        let reply = told(&mut http, "ask-forever", "POST", &format!("{base}/echo"), body::full("a body")).await?;
        ensure!(reply.status == 200 && reply.text() == "a body", "{base}: {reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_used_and_not_seen() -> anyhow::Result<()> {
    let own = Scratch::new("streaming-secrets-file")?;
    let text = format!("[key]\nvalue = \"{VALUE}\"\nhosts = [\"localhost\", \"127.0.0.1\"]\ncleartext = true\n");
    let file = own.write("secrets.toml", &text)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let setup = Setup::start_with("streaming-secrets", |options| options.with("--secrets", file)).await?;
    let oracle = format!("oracle={}", setup.plain("/asked/"));
    push(&setup, &["--upstream", &oracle, "--secret", "key"]).await?;
    let bearer = Some(format!("Bearer {VALUE}"));
    let authorized = |path: &str| {
        let heard = setup.origin.heard_for(path)?;
        heard.headers.get("authorization").map(|value| value.to_str().unwrap_or("?").to_owned())
    };
    for (number, (mut http, base)) in ways(&setup).await?.into_iter().enumerate() {
        let path = format!("/signed-{number}");
        let reply = told(&mut http, "sign", "POST", &format!("{base}{path}"), body::full("a body")).await?;
        ensure!(reply.status == 200 && authorized(&path) == bearer, "{path}: {:?}", authorized(&path));
        let reply = ask(&mut http, &format!("{base}/unsigned-{number}"), &format!("/call-{number}")).await?;
        let (asked, unsigned) = (format!("/asked/call-{number}"), format!("/unsigned-{number}"));
        ensure!(reply.header("x-answer").starts_with("200, ") && authorized(&asked) == bearer, "{reply:?}");
        ensure!(authorized(&unsigned).is_none(), "only where it is asked for");
    }
    let record = setup.recorded("/signed-0").await?.to_string();
    ensure!(!record.contains(VALUE), "the record has it");
    Ok(())
}
