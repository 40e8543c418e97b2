//! Who is connected to an agent, told by an orchestrator, which closes connections where the agent's operator lets it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::Value;
use weir_testkit::{
    raw::Raw,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

async fn connections(setup: &Setup) -> anyhow::Result<Vec<Value>> {
    setup.orchestrator.list("/connections").await
}

async fn count(setup: &Setup, expected: usize) -> anyhow::Result<Vec<Value>> {
    eventually(PATIENCE, &format!("{expected} connections"), || async {
        Ok(Some(connections(setup).await?).filter(|items| items.len() == expected))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_seen_and_closed() -> anyhow::Result<()> {
    let setup = Setup::start("connections").await?;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Raw::dial(setup.agent.proxy).await?;
        client.say(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", setup.plain("/hello"))).await?;
        ensure!(client.response().await?.status == 200);
        clients.push(client);
    }
    let items = count(&setup, 5).await?;
    ensure!(items.iter().all(|item| item["sent_bytes"].as_u64() > Some(50)), "{items:?}");
    ensure!(items.windows(2).all(|two| two[0]["id"].as_str() < two[1]["id"].as_str()), "{items:?}");
    let page = setup.orchestrator.get("/connections?limit=2").await?;
    ensure!(page["items"] == Value::Array(items[..2].to_vec()) && page["next"].is_string(), "{page}");
    ensure!(setup.orchestrator.list("/connections?limit=2").await? == items);

    let id = items[0]["id"].as_str().context("an id")?;
    let path = format!("/connections/{id}");
    let (status, body) = setup.orchestrator.request(Method::DELETE, &path, None).await?;
    ensure!(status == 204, "{status} {body}");
    ensure!(clients[0].hear_all().await?.is_empty(), "it is closed");
    count(&setup, 4).await?;
    ensure!(setup.orchestrator.request(Method::DELETE, &path, None).await?.0 == 404, "once");

    let (status, body) = setup.orchestrator.request(Method::DELETE, "/connections?client=192.0.2.1", None).await?;
    ensure!(status == 200 && body["closed"] == 0, "{status} {body}");
    let (status, body) = setup.orchestrator.request(Method::DELETE, "/connections?client=127.0.0.1", None).await?;
    ensure!(status == 200 && body["closed"] == 4, "{status} {body}");
    for mut client in clients.into_iter().skip(1) {
        ensure!(client.hear_all().await?.is_empty());
    }
    count(&setup, 0).await?;
    setup.agent.stop(Duration::from_secs(10)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_not_allow_is_not_done() -> anyhow::Result<()> {
    let setup = Setup::start_with("not-allowed", |options| options.with("--allow", "none")).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    let agent = setup.connected().await?;
    ensure!(agent["allowed"].as_array().is_some_and(Vec::is_empty), "{agent}");
    let path = format!("/connections?agent={}", agent["id"].as_str().context("an id")?);
    for method in [Method::GET, Method::DELETE] {
        let (status, body) = setup.orchestrator.request(method, &path, None).await?;
        let detail = body["detail"].as_str().unwrap_or_default();
        ensure!(status == 409 && detail.contains("start the agent with --allow connections"), "{status} {body}");
    }
    client.say(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", setup.plain("/hello"))).await?;
    ensure!(client.response().await?.status == 200, "it is there");
    Ok(())
}
