//! What is not sent: where clients may not go either, and what the record has not whole.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::json;
use weir_testkit::{
    agent::AgentOptions,
    binaries::filter,
    client::Alpn,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

use super::{id, replay, response_body, sent, start};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_to_clients_is_denied_here() -> anyhow::Result<()> {
    let setup = start("replay-denied").await?;
    let own = [setup.agent.proxy, setup.agent.admin].map(|own| format!("http://{own}/metrics"));
    let denied = ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://0.0.0.0/", &own[0], &own[1]];
    for url in denied {
        let made = json!({"url": url});
        let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
        ensure!(status == 201, "{url}: {status} {answer}");
        let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(&answer["items"][0])?)).await?;
        let refused = exchange["outcome"] != "complete" && exchange["upstream_address"].is_null();
        ensure!(refused && exchange["status"].as_u64() >= Some(400), "{url}: {exchange}");
    }
    // What `Host` says changes nothing about where it goes.
    let made = json!({"url": "http://169.254.169.254/", "headers": [["Host", "localhost"]]});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201, "{status} {answer}");
    let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(&answer["items"][0])?)).await?;
    ensure!(exchange["upstream_address"].is_null() && exchange["outcome"] != "complete", "{exchange}");

    // A filter that decides about tunnels decides about this one.
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&[&setup.tls("/tunnelled")]).await?;
    let recorded = setup.recorded("/tunnelled").await?;
    let config = r#"{"deny":["localhost"]}"#;
    setup.orchestrator.push(&filter("tunnel-guard")?, &["--name", "tunnel-guard", "--config", config]).await?;
    setup.agent.active("tunnel-guard", 1).await?;
    let (status, refused) = replay(&setup, id(&recorded)?, json!({})).await?;
    ensure!(status == 409 && refused["type"] == "urn:weir:problem:refused-by-filter", "{status} {refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_again_is_told_with_what_to_do() -> anyhow::Result<()> {
    let setup = Setup::start_with("replay-cannot", |options| {
        options.with("--allow", "replay").with("--capture-body-bytes", "1KiB")
    })
    .await?;
    let ca = setup.agent.ca_file();
    let long = "x".repeat(5000);
    setup.agent.curl(&ca).get(&["--data", &long, &setup.plain("/length?long")]).await?;
    let recorded = setup.recorded("/length?long").await?;
    let (status, refused) = replay(&setup, id(&recorded)?, json!({})).await?;
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(status == 422 && detail.contains("1024 were recorded: give a body"), "{status} {refused}");
    let whole = sent(&setup, id(&recorded)?, json!({"body": long})).await?;
    assert_eq!(response_body(&setup, &whole).await?, "5000");

    let tls = setup.client()?.tls(&setup.tls_authority(), Alpn::Http1).await?;
    let mut socket = weir_testkit::websocket::WebSocket::open(tls, "/ws?again", &setup.tls_authority()).await?;
    socket.echo(b"hello").await?;
    socket.close().await?;
    let recorded = setup.recorded("/ws?again").await?;
    let (status, refused) = replay(&setup, id(&recorded)?, json!({})).await?;
    ensure!(
        status == 422 && refused["detail"].as_str().unwrap_or_default().contains("WebSocket"),
        "{status} {refused}"
    );

    // An agent whose operator did not allow it is passed over, and refuses when it is named.
    let strict = AgentOptions::new(&setup.scratch, "strict")
        .with("--orchestrator", setup.orchestrator.grpc_url())
        .with("--join-token", setup.orchestrator.join_token().await?)
        .start()
        .await?;
    let agents = eventually(PATIENCE, "two agents", || async {
        let agents = setup.orchestrator.list("/agents").await?;
        let connected = agents.iter().filter(|agent| agent["state"] == "connected").count();
        Ok((connected == 2).then_some(agents))
    })
    .await?;
    let named = agents.iter().find(|agent| agent["allowed"] == json!(["connections"])).context("the strict one")?;
    let made = json!({"url": setup.plain("/made"), "agent": named["id"]});
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(status == 409 && detail.contains("--allow connections,replay"), "{status} {refused}");
    let made = json!({"url": setup.plain("/made")});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201 && answer["items"][0]["agent"] != named["id"], "{status} {answer}");
    assert_eq!(setup.origin.heard().iter().filter(|heard| heard.uri.path() == "/made").count(), 1);
    drop(strict);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_out_of_the_record_is_not_sent_as_a_mark() -> anyhow::Result<()> {
    let setup = Setup::start_with("replay-redacted", |options| {
        options.with("--allow", "replay").with("--redact-headers", "authorization").with("--redact-query", "token")
    })
    .await?;
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&["--header", "Authorization: Bearer mine", &setup.plain("/text/x?token=mine")]).await?;
    let recorded = setup.recorded("/text/x?token=%5Bredacted%5D").await?;
    let heard = || setup.origin.heard().len();
    let before = heard();
    for (edits, says) in [
        (json!({}), "`authorization` is hidden"),
        (json!({"set_headers": [["Authorization", "[redacted]"]]}), "`authorization` is hidden"),
        (json!({"remove_headers": ["authorization"]}), "give the URL"),
    ] {
        let (status, refused) = replay(&setup, id(&recorded)?, edits).await?;
        let detail = refused["detail"].as_str().unwrap_or_default();
        ensure!(status == 422 && detail.contains(says), "{status} {refused}");
    }
    ensure!(heard() == before, "nothing was sent");
    let edits = json!({"url": "/text/x?token=other", "set_headers": [["authorization", "Bearer other"]]});
    sent(&setup, id(&recorded)?, edits).await?;
    let heard = setup.origin.heard_for("/text/x?token=other").context("it was sent")?;
    ensure!(heard.headers["authorization"] == "Bearer other");
    Ok(())
}
