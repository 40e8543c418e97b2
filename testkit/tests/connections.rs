//! Who is connected to an agent, told by an orchestrator, which closes connections where the agent's operator lets it.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};
use weir_testkit::{
    client::Alpn,
    raw::Raw,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
    websocket::{TEXT, WebSocket},
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
    // a client may have its answer before the agent has noted that it gave it
    let items = eventually(PATIENCE, "5 connections that are answered", || async {
        let items = connections(&setup).await?;
        let is_answered = |item: &Value| item["sent_bytes"].as_u64() > Some(50) && item["exchanges_active"] == 0;
        Ok(Some(items).filter(|items| items.len() == 5 && items.iter().all(is_answered)))
    })
    .await?;
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
    setup.agent.stop(PATIENCE).await
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

/// The connection that is like this, as the orchestrator tells it.
async fn one(setup: &Setup, what: &str, is_it: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    eventually(PATIENCE, what, || async { Ok(connections(setup).await?.into_iter().find(&is_it)) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_says_what_it_is_at_and_with_whom() -> anyhow::Result<()> {
    let setup = Setup::start("at").await?;
    let authority = setup.tls_authority();
    let mut http = setup.client()?.intercepted(&authority, Alpn::Http2).await?;
    for _ in 0..3 {
        http.get(&setup.tls("/text/at")).await?;
    }
    let http2 = one(&setup, "HTTP/2", |it| it["stage"] == "http2" && it["exchanges_active"] == 0).await?;
    assert_eq!((&http2["exchanges"], &http2["tunnels"]), (&json!(3), &json!(1)), "{http2}");
    assert_eq!((&http2["entry"], &http2["intercepted"]), (&json!("connect"), &json!(true)));
    assert_eq!((&http2["target"], &http2["server_name"]), (&json!(authority), &json!("localhost")));
    assert_eq!((&http2["tls"]["version"], &http2["tls"]["alpn"]), (&json!("TLS 1.3"), &json!("h2")));
    assert_eq!((&http2["upstream"]["tls_version"], &http2["upstream"]["alpn"]), (&json!("TLS 1.3"), &json!("h2")));
    let port = http2["upstream"]["address"].as_str().and_then(|address| address.rsplit_once(':'));
    assert_eq!(port.map(|(_, port)| port.to_owned()), Some(setup.origin.tls().port().to_string()));

    let _silent = Raw::dial(setup.agent.proxy).await?;
    let silent = one(&setup, "a client that says nothing", |it| it["stage"] == "detecting").await?;
    assert_eq!((&silent["target"], &silent["tls"], &silent["exchanges"]), (&Value::Null, &Value::Null, &json!(0)));

    let mut plain = Raw::dial(setup.agent.proxy).await?;
    plain.say(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", setup.plain("/hello"))).await?;
    plain.response().await?;
    let plain_target = setup.origin.plain().to_string();
    let forward = one(&setup, "a forward proxy's client", |it| it["target"] == plain_target.as_str()).await?;
    assert_eq!((&forward["stage"], &forward["entry"]), (&json!("http1"), &json!("forward")));
    assert_eq!(forward["upstream"], json!({"address": plain_target, "tls_version": null, "alpn": null}));

    // an exchange that waits for its answer, and bytes that nobody reads
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let slow = listener.local_addr()?.to_string();
    plain.say(format!("GET http://{slow}/ HTTP/1.1\r\nHost: x\r\n\r\n")).await?;
    one(&setup, "an exchange that goes on", |it| it["target"] == slow.as_str() && it["exchanges_active"] == 1).await?;
    let mut tunnel = setup.client()?.tunnel(&slow).await?;
    tunnel.write_all(b"\x00\x01binary").await?;
    let opaque = one(&setup, "a tunnel", |it| it["stage"] == "tunnel").await?;
    assert_eq!((&opaque["tunnel_target"], &opaque["upstream"]["address"]), (&json!(slow), &json!(slow)));

    // the agent itself says the same, a page at a time
    let own: Value = serde_json::from_str(&setup.agent.admin("/connections?limit=1").await?)?;
    assert_eq!((&own["total"], &own["items"][0]["id"]), (&json!(4), &http2["id"]), "{own}");
    assert_eq!((&own["items"][0]["stage"], &own["items"][0]["upstream"]), (&json!("http2"), &http2["upstream"]));
    let next = own["next"].as_str().context("there are more")?;
    let rest: Value = serde_json::from_str(&setup.agent.admin(&format!("/connections?cursor={next}")).await?)?;
    assert_eq!((rest["items"].as_array().map(Vec::len), &rest["next"]), (Some(3), &Value::Null), "{rest}");

    // a name may be a page's that leads here
    let mut rebound = Raw::dial(setup.agent.admin).await?;
    rebound.say("GET /connections HTTP/1.1\r\nHost: rebound.example\r\n\r\n").await?;
    assert_eq!(rebound.response().await?.status, 403);

    let table = setup.orchestrator.command(["connections"]).await?.ok()?;
    ensure!(["http2", "detecting", "tunnel", "1.3 h2"].iter().all(|text| table.contains(text)), "{table}");
    let cut = setup.orchestrator.command(["connections", "--limit", "2"]).await?;
    ensure!(cut.stderr.contains("the oldest 2 of 4"), "{}", cut.stderr);
    Ok(())
}

/// The task that accepted it ends when the protocol changes; the connection does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_a_connection_as_long_as_it_lasts() -> anyhow::Result<()> {
    let setup =
        Setup::start_with("lasts", |options| options.with("--workers", "1").with("--client-connections", "1")).await?;
    let origin = setup.tls_authority();
    let tls = setup.client()?.tls(&origin, Alpn::Http1).await?;
    let mut socket = WebSocket::open(tls, "/ws", &origin).await?;
    socket.say(TEXT, "hello").await?;
    socket.hear(TEXT, "hello").await?;
    let live = one(&setup, "the WebSocket", |it| it["stage"] == "websocket").await?;
    ensure!(setup.agent.metric("weir_agent_connections_active", "").await? == 1.0);
    let mut other = Raw::dial(setup.agent.proxy).await?;
    assert_eq!(other.response().await?.status, 503, "there is room for one");
    let long = vec![0xfe; 40_000];
    for _ in 0..3 {
        socket.echo(&long).await?;
    }
    let ended = setup.orchestrator.list("/connections/ended").await?;
    ensure!(ended.is_empty(), "it goes on: {ended:?}");
    socket.close().await?;
    socket_is_gone(&setup, &live["id"]).await?;
    let mut next = Raw::dial(setup.agent.proxy).await?;
    next.say(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", setup.plain("/hello"))).await?;
    assert_eq!(within(PATIENCE, "the next client", next.response()).await??.status, 200);
    Ok(())
}

/// Waits until it is recorded, with all that passed.
async fn socket_is_gone(setup: &Setup, id: &Value) -> anyhow::Result<()> {
    let ended = eventually(PATIENCE, "the end of the WebSocket", || async {
        let ended = setup.orchestrator.list("/connections/ended").await?;
        Ok(ended.into_iter().find(|connection| connection["id"] == *id))
    })
    .await?;
    ensure!(
        ended["received_bytes"].as_u64() > Some(100_000) && ended["sent_bytes"].as_u64() > Some(100_000),
        "{ended}"
    );
    assert_eq!((&ended["exchanges"], &ended["tls"]["version"]), (&json!(1), &json!("TLS 1.3")));
    Ok(())
}
