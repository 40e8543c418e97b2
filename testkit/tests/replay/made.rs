//! Requests that nobody recorded: what servers hear of them, and what is told while one is under way.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::json;
use weir_testkit::{
    debian,
    wait::{PATIENCE, eventually},
};

use super::{id, response_body, start, trailers_of};

#[tokio::test(flavor = "multi_thread")]
async fn nginx_hears_a_request_that_nobody_recorded() -> anyhow::Result<()> {
    let setup = start("replay-made").await?;
    let nginx = debian::nginx(&setup.scratch, &setup.ca.leaf(&["localhost"])?).await?;
    let url = format!("https://localhost:{}/index.html", nginx.address.port());
    let made = json!({"url": url, "headers": [["X-Made", "yes"]], "count": 3});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201, "{status} {answer}");
    let items = answer["items"].as_array().context("items")?;
    assert_eq!(items.len(), 3);
    for item in items {
        let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(item)?)).await?;
        assert_eq!(exchange["replay_of"], "00000000-0000-0000-0000-000000000000");
        assert_eq!(response_body(&setup, &exchange).await?, "nginx says hello\n");
        assert_eq!(exchange["request"]["headers"], json!([["x-made", "yes"], ["host", url[8..].split('/').next()]]));
    }
    // openssl's own server, too.
    let server = debian::s_server(&setup.scratch, &setup.ca.leaf(&["localhost"])?, &["-www"]).await?;
    let made = json!({"url": format!("https://localhost:{}/", server.address.port())});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201 && answer["items"][0]["status"] == 200, "{status} {answer}");
    Ok(())
}

/// The edits are those of a recorded one, and a request that nobody recorded has some too.
#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_request_that_nobody_recorded_are_sent() -> anyhow::Result<()> {
    let setup = start("replay-new-trailers").await?;
    for url in [setup.plain("/echo"), setup.tls("/echo")] {
        for method in ["POST", "GET"] {
            let made = json!({"url": url, "method": method, "body": "b", "trailers": [["X-Sum", "9"]],
                "headers": [["TE", "trailers"], ["Trailer", "x-other"]]});
            let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
            ensure!(status == 201, "{status} {answer}");
            let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(&answer["items"][0])?)).await?;
            ensure!(trailers_of(&exchange["request"]) == [("x-sum", "9")], "{exchange}");
            ensure!(trailers_of(&exchange["response"]) == [("x-sum", "9")], "{method} {url}: {exchange}");
        }
    }
    let made = json!({"url": setup.plain("/echo"), "trailers": [["Content-Length", "9"]]});
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 422 && refused["detail"].as_str().is_some_and(|it| it.contains("`content-length`")), "{refused}");

    let url = setup.plain("/echo?cli");
    let body = ["--body", "b", "-X", "POST", "--header", "TE: trailers"];
    let all = [&["replay", "--url", &url, "--trailer", "X-Sum: 7"][..], &body].concat();
    let shown = setup.orchestrator.command(all).await?.ok()?;
    ensure!(shown.contains("x-sum: 7"), "{shown}");
    let recorded = setup.recorded("/echo?cli").await?;
    let edit = ["replay", id(&recorded)?, "--trailer", "x-new: 1", "--remove-trailer", "x-sum"];
    let shown = setup.orchestrator.command(edit).await?.ok()?;
    ensure!(shown.contains("x-new: 1") && !shown.contains("x-sum: 7"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_go_in_the_midst_of_it() -> anyhow::Result<()> {
    let mut setup = start("replay-killed").await?;
    // It takes long: the answer says that it goes on, and the record comes when it has ended.
    let made = json!({"url": setup.plain("/bytes/400?chunked&by=8&pace=50"), "wait_seconds": 1});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 202 && answer["items"][0]["recorded"] == false, "{status} {answer}");
    let path = format!("/exchanges/{}", id(&answer["items"][0])?);
    let ended = eventually(PATIENCE, "the record", || async {
        let (status, exchange) = setup.orchestrator.request(Method::GET, &path, None).await?;
        Ok((status == 200).then_some(exchange))
    })
    .await?;
    assert_eq!((&ended["outcome"], &ended["response_bytes"]), (&json!("complete"), &json!(400)));

    let made = json!({"url": setup.plain("/bytes/9000?chunked&by=8&pace=50")});
    let asked = setup.orchestrator.request(Method::POST, "/replays", Some(&made));
    let killed = async {
        let heard = || async { Ok(setup.origin.heard_for("/bytes/9000?chunked&by=8&pace=50")) };
        eventually(PATIENCE, "the request", heard).await?;
        setup.agent.process.kill().await
    };
    let (asked, killed) = tokio::join!(asked, killed);
    killed?;
    let (status, lost) = asked?;
    let detail = lost["detail"].as_str().unwrap_or_default();
    ensure!(status == 502 && detail.contains("may have done it or not"), "{status} {lost}");
    let made = json!({"url": setup.plain("/")});
    let (status, away) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 409 && away["detail"].as_str().unwrap_or_default().contains("--allow"), "{status} {away}");
    Ok(())
}
