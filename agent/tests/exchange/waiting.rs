//! Expect: 100-continue, and connections that change protocol.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_testkit::client::Alpn;
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, eventually, within};
use weir_testkit::websocket::WebSocket;

use crate::agent::Setup;

fn expecting(origin: impl std::fmt::Display) -> String {
    format!("POST http://{origin}/ HTTP/1.1\r\nHost: {origin}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
}

/// A client that has sent its head, and the agent's connection to the upstream, where that head was read.
async fn asked(setup: &Setup) -> anyhow::Result<(Raw, TcpStream)> {
    let origin = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(expecting(origin.local_addr()?)).await?;
    let (mut upstream, _) = within(PATIENCE, "the agent's connection", origin.accept()).await??;
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        heard.push(upstream.read_u8().await?);
    }
    Ok((client, upstream))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_the_head_alone_spares_the_upload() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let origin = RawOrigin::start(Script::Answer(refusal.into())).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(expecting(origin.address())).await?;
    assert_eq!(client.response().await?.status, 403, "no 100 before it");
    assert!(origin.heard()[0].contains("Expect: 100-continue\r\n"), "{:?}", origin.heard());
    Ok(())
}

/// What the client sends after such an answer is for whom it says, not a body for the upstream that did not want one.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_refusal_nothing_is_taken_for_the_body() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let (mut client, mut upstream) = asked(&setup).await?;
    upstream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await?;
    let response = client.response().await?;
    assert!(response.head.to_ascii_lowercase().contains("connection: close"), "{}", response.head);
    let _ = client.say("GET http://secret.example/ HTTP/1.1\r\nHost: secret.example\r\n\r\n").await;
    client.hear_all().await?;
    let mut more = String::new();
    let _ = within(PATIENCE, "the end of the agent's connection", upstream.read_to_string(&mut more)).await?;
    assert_eq!(more, "");
    let stats = &setup.agent.shared.stats;
    eventually(PATIENCE, "the end of the exchange", async || Ok((stats.exchanges_total() == 1).then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_go_on_is_the_clients() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let (mut client, mut upstream) = asked(&setup).await?;
    upstream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    assert_eq!(client.response().await?.status, 100);
    client.say("hello").await?;
    let mut body = [0; 5];
    upstream.read_exact(&mut body).await?;
    assert_eq!(&body, b"hello");
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
    assert_eq!(client.response().await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_knows_no_100_is_not_waited_for() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(expecting(silent.address())).await?;
    assert_eq!(client.response().await?.status, 100);
    client.say("hello").await?;
    let heard = async || Ok(silent.heard().iter().any(|heard| heard.ends_with("\r\n\r\nhello")).then_some(()));
    eventually(PATIENCE, "the body's arrival", heard).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_lives_through_the_agent_and_is_counted_until_it_ends() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = setup.origin.plain().to_string();
    let stats = &setup.agent.shared.stats;
    let stream = setup.agent.client()?.dial().await?;
    let mut socket = WebSocket::open(stream, &format!("http://{origin}/ws"), &origin).await?;
    for size in [0, 1, 100, 60_000] {
        socket.echo(&vec![7; size]).await?;
    }
    assert_eq!((stats.exchanges_active(), stats.exchanges_total()), (1, 0));
    socket.close().await?;
    eventually(PATIENCE, "the end of the exchange", async || Ok((stats.exchanges_total() == 1).then_some(()))).await?;
    let text = weir_agent::stats::text(&setup.agent.shared);
    assert!(text.contains("upgraded"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_lives_inside_intercepted_tls() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let authority = setup.tls_http1();
    let stream = setup.agent.client()?.tls(&authority, Alpn::Http1).await?;
    let mut socket = WebSocket::open(stream, "/ws", &authority).await?;
    socket.echo(b"hello").await?;
    socket.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_side_of_an_upgraded_connection_may_end_before_the_other() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = TcpListener::bind("127.0.0.1:0").await?;
    let address = origin.local_addr()?;
    let mut client = setup.agent.client()?.dial().await?;
    let request =
        format!("GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    client.write_all(request.as_bytes()).await?;
    let (mut upstream, _) = within(PATIENCE, "the agent's connection", origin.accept()).await??;
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        heard.push(upstream.read_u8().await?);
    }
    upstream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly").await?;
    client.write_all(b"request").await?;
    client.shutdown().await?;
    let mut all = String::new();
    within(PATIENCE, "the client's end", upstream.read_to_string(&mut all)).await??;
    assert_eq!(all, "request");
    upstream.write_all(b" response").await?;
    drop(upstream);
    let mut all = String::new();
    within(PATIENCE, "the upstream's end", client.read_to_string(&mut all)).await??;
    assert!(all.ends_with("\r\n\r\nearly response"), "{all}");
    Ok(())
}
