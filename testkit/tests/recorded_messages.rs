//! What is said in WebSockets, streams of events and gRPC calls, through a real agent into a real orchestrator, while it goes
//! on and when it has ended.

use anyhow::{Context as _, ensure};
use http::{Request, header::CONTENT_TYPE};
use serde_json::Value;
use tokio::net::TcpStream;
use weir_testkit::{
    binaries::filter,
    body,
    client::Alpn,
    raw::Raw,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
    websocket::{BINARY, CLOSE, ENDS, PING, TEXT, TEXT_BEGINS, WebSocket},
};

/// The recorded messages, once there are so many, the oldest first; of whatever exchange.
async fn recorded(setup: &Setup, count: usize) -> anyhow::Result<Vec<Value>> {
    eventually(PATIENCE, &format!("{count} messages in the record"), || async {
        let mut messages = setup.orchestrator.list("/messages?limit=500").await?;
        messages.reverse();
        messages.sort_by_key(|message| message["number"].as_u64());
        Ok((messages.len() >= count).then_some(messages))
    })
    .await
}

fn said(message: &Value) -> (&str, &str, &str) {
    let text = |name: &str| message[name].as_str().unwrap_or_default();
    (text("from"), text("kind"), text("text"))
}

async fn show(setup: &Setup, id: &str) -> anyhow::Result<String> {
    setup.orchestrator.command(["traffic", "show", id]).await?.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_shows_what_is_said_while_it_goes_on() -> anyhow::Result<()> {
    let setup = Setup::start("said").await?;
    let origin = setup.tls_authority();
    let tls = setup.client()?.tls(&origin, Alpn::Http1).await?;
    let mut socket = WebSocket::open(tls, "/ws", &origin).await?;
    socket.say(TEXT, "hello").await?;
    socket.hear(TEXT, "hello").await?;
    let long = vec![0xfe; 40_000];
    socket.say(BINARY, &long).await?;
    socket.hear(BINARY, &long).await?;
    let messages = recorded(&setup, 4).await?;
    let id = messages[0]["exchange"].as_str().context("exchange")?.to_owned();
    assert_eq!(
        messages.iter().map(said).collect::<Vec<_>>(),
        [
            ("client", "text", "hello"),
            ("upstream", "text", "hello"),
            ("client", "binary", ""),
            ("upstream", "binary", ""),
        ]
    );
    assert_eq!((&messages[2]["size"], &messages[2]["captured"]), (&40_000.into(), &(16 << 10).into()));
    let listed = setup.orchestrator.list("/exchanges").await?;
    ensure!(listed.is_empty(), "it goes on: {listed:?}");
    let shown = show(&setup, &id).await?;
    ensure!(shown.contains("it has not ended") && shown.contains("text 5 B  hello"), "{shown}");

    socket.close().await?;
    let exchange = setup.recorded("/ws").await?;
    assert_eq!(exchange["id"], id.as_str());
    let messages = setup.orchestrator.list(&format!("/exchanges/{id}/messages")).await?;
    assert_eq!((messages.len(), said(&messages[5])), (6, ("upstream", "close", "")));
    let shown = show(&setup, &id).await?;
    ensure!(shown.contains("--- messages") && shown.contains("binary 40.0 kB  (not text)"), "{shown}");
    let har = setup.orchestrator.command(["traffic", "show", &id, "--format", "har"]).await?.ok()?;
    let har: Value = serde_json::from_str(&har)?;
    let entry = &har["log"]["entries"][0];
    assert_eq!(entry["_webSocketMessages"][0]["data"], "hello");
    assert_eq!(entry["_webSocketMessages"].as_array().map(Vec::len), Some(4));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_closes_and_what_is_no_websocket_at_all() -> anyhow::Result<()> {
    let setup = Setup::start("fragments").await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let dialed = TcpStream::connect(setup.agent.proxy).await?;
    let target = format!("http://{host}/fragments");
    let accept = async {
        let (stream, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
        WebSocket::accept(stream, "").await
    };
    let ((mut client, _), (mut origin, _)) =
        tokio::try_join!(WebSocket::open_with(dialed, &target, &host, ""), accept)?;
    client.say(TEXT_BEGINS, "ba").await?;
    client.say(PING, "?").await?;
    client.say(ENDS, "sic").await?;
    origin.hear(TEXT_BEGINS, "ba").await?;
    origin.hear(PING, "?").await?;
    origin.hear(ENDS, "sic").await?;
    recorded(&setup, 2).await?;
    // What is no frame passes all the same.
    origin.say_raw(b"\xff\xffnonsense").await?;
    recorded(&setup, 3).await?;
    client.say(CLOSE, b"\x0f\xa1bye").await?;
    origin.hear(CLOSE, b"\x0f\xa1bye").await?;
    drop((client, origin));
    let exchange = setup.recorded("/fragments").await?;
    assert_eq!(exchange["response"]["body"]["size"], 10, "{exchange}");
    let id = exchange["id"].as_str().context("id")?;
    let messages = setup.orchestrator.list(&format!("/exchanges/{id}/messages")).await?;
    assert_eq!(
        messages.iter().map(said).collect::<Vec<_>>(),
        [("client", "ping", "?"), ("client", "text", "basic"), ("upstream", "unread", ""), ("client", "close", "bye"),]
    );
    assert_eq!(messages[3]["code"], 4001);
    ensure!(messages[2]["note"].as_str().is_some_and(|note| note.contains("reserved")), "{}", messages[2]);
    Ok(())
}

/// RFC 7692 section 7.2.3.1: "Hello".
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// Section 7.2.3.2: "Hello", by what was said before.
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_is_told_as_what_it_says() -> anyhow::Result<()> {
    let setup = Setup::start("compressed").await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let dialed = TcpStream::connect(setup.agent.proxy).await?;
    let target = format!("http://{host}/compressed");
    let agreed = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let accept = async {
        let (stream, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
        WebSocket::accept(stream, agreed).await
    };
    let ((mut client, answered), (mut origin, _)) =
        tokio::try_join!(WebSocket::open_with(dialed, &target, &host, agreed), accept)?;
    ensure!(answered.contains("permessage-deflate"), "what they agree on is theirs: {answered}");
    for payload in [HELLO, AGAIN] {
        client.say(TEXT | 0x40, payload).await?;
        origin.hear(TEXT | 0x40, payload).await?;
    }
    let messages = recorded(&setup, 2).await?;
    assert_eq!(messages.iter().map(said).collect::<Vec<_>>(), [("client", "text", "Hello"); 2]);
    assert_eq!((&messages[1]["size"], &messages[1]["compressed"]), (&5.into(), &false.into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_filters_did_to_a_message_stands_with_it() -> anyhow::Result<()> {
    let rules = r#"{"rules": [{"regex": "card=[0-9]+", "then": "replace", "replacement": "card=?"},
        {"literal": "noise", "then": "drop"}, {"literal": "attack", "then": "close", "code": 4001, "reason": "not here"}]}"#;
    let setup = Setup::start("judged").await?;
    setup.orchestrator.push(&filter("message-guard")?, &["--config", rules]).await?;
    setup.agent.active("message-guard", 1).await?;
    let origin = setup.origin.plain().to_string();
    let mut socket = WebSocket::open(setup.client()?.dial().await?, &setup.plain("/ws?judged"), &origin).await?;
    socket.say(TEXT, "card=4111").await?;
    socket.hear(TEXT, "card=?").await?;
    socket.say(TEXT, "noise").await?;
    socket.say(PING, "?").await?;
    socket.hear(PING, "?").await?;
    socket.say(TEXT, "attack").await?;
    socket.hear_close(4001).await?;
    drop(socket);
    let exchange = setup.recorded("/ws?judged").await?;
    let id = exchange["id"].as_str().context("id")?;
    let messages = setup.orchestrator.list(&format!("/exchanges/{id}/messages")).await?;
    let fate = |text: &str| {
        let found = messages.iter().find(|message| said(message) == ("client", "text", text));
        found.and_then(|message| message["fate"].as_str()).unwrap_or("none").to_owned()
    };
    assert_eq!([fate("card=4111"), fate("noise"), fate("attack")], ["replaced", "dropped", "stopped"], "{messages:?}");
    assert_eq!(messages[0]["sent"]["text"], "card=?");
    let shown = show(&setup, id).await?;
    ensure!(shown.contains("card=4111 (replaced by a filter)\n  sent as 6 B  card=?"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_calls_are_told_one_by_one() -> anyhow::Result<()> {
    let setup = Setup::start("events").await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("GET http://{host}/events HTTP/1.1\r\nHost: {host}\r\n\r\n")).await?;
    let (stream, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
    let mut origin = Raw::over(stream);
    // an answer before its question is none
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(origin.hear(1).await?);
    }
    origin
        .say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: a\ndata: 1\n\ndata: 2\n\n: no event\n\n")
        .await?;
    let messages = recorded(&setup, 2).await?;
    assert_eq!(
        messages.iter().map(said).collect::<Vec<_>>(),
        [("upstream", "event", "event: a\ndata: 1"), ("upstream", "event", "data: 2"),]
    );
    drop((client, origin));
    setup.recorded("/events").await?;

    let mut http = setup.client()?.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
    let call = &b"\0\0\0\0\x05first\x01\0\0\0\x03abc"[..];
    let request = Request::post(setup.tls("/echo?grpc")).header(CONTENT_TYPE, "application/grpc+proto");
    let reply = http.exchange(request.body(body::full(call))?).await?;
    assert_eq!(reply.body, call);
    let exchange = setup.recorded("/echo?grpc").await?;
    let id = exchange["id"].as_str().context("id")?;
    let messages = setup.orchestrator.list(&format!("/exchanges/{id}/messages")).await?;
    let sides: Vec<_> =
        messages.iter().map(|message| (said(message), &message["base64"], &message["compressed"])).collect();
    ensure!(sides.len() == 4, "{messages:?}");
    for from in ["client", "upstream"] {
        let own: Vec<_> = sides.iter().filter(|((side, ..), ..)| *side == from).collect();
        assert_eq!((own[0].1, own[0].2), (&"Zmlyc3Q=".into(), &false.into()), "{from}");
        assert_eq!((own[1].1, own[1].2), (&"YWJj".into(), &true.into()), "{from}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_where_that_is_not_wanted() -> anyhow::Result<()> {
    let setup = Setup::start_with("unwanted", |options| {
        options.with("--capture-messages", "false").with("--capture-connections", "false")
    })
    .await?;
    let origin = setup.origin.plain().to_string();
    let mut socket = WebSocket::open(setup.client()?.dial().await?, &setup.plain("/ws?quiet"), &origin).await?;
    socket.echo(b"not for the record").await?;
    socket.close().await?;
    let exchange = setup.recorded("/ws?quiet").await?;
    let path = format!("/exchanges/{}/messages", exchange["id"].as_str().context("id")?);
    assert!(setup.orchestrator.list(&path).await?.is_empty());
    assert_eq!(setup.agent.metric("weir_agent_recorder_messages_recorded_total", "").await?, 0.0);
    Ok(())
}
