//! Peers that mean harm, or nothing in particular, byte by byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use weir_testkit::client::{Alpn, Http};
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, eventually};

use crate::agent::Setup;

fn get(origin: &RawOrigin, fields: &str) -> String {
    let at = origin.address();
    format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{fields}\r\n")
}

/// Whoever gets a 101 reads no more HTTP, and filters see no more of it: so the client must have asked this hop for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_cannot_change_the_protocol_unasked() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    for fields in ["", "Upgrade: x\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n"] {
        let switch = b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw".to_vec();
        let origin = RawOrigin::start(Script::Answer(switch)).await?;
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(get(&origin, fields)).await?;
        raw.response().await?.problem(502, "upstream")?;
    }
    Ok(())
}

/// The agent serves nobody any more.
async fn is_alone(setup: &Setup, why: &str) -> anyhow::Result<()> {
    eventually(PATIENCE, why, || async { Ok((setup.agent.shared.room.taken() == 0).then_some(())) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_given_up() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.write_timeout = Duration::from_millis(100)).await?;
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    let at = setup.origin.plain();
    raw.say(format!("GET http://{at}/bytes/{}?seed=1 HTTP/1.1\r\nHost: {at}\r\n\r\n", 256 << 20)).await?;
    raw.hear(12).await?;
    is_alone(&setup, "the agent to give the client up").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_gives_no_window_is_given_up() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.write_timeout = Duration::from_millis(100)).await?;
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    let mut head = Vec::new();
    let at = setup.origin.plain().to_string();
    for (name, value) in [(":method", "GET"), (":scheme", "http"), (":authority", &at), (":path", "/bytes/1000000")] {
        // RFC 7541 section 6.2.2: a literal field that is not indexed
        head.extend([0, u8::try_from(name.len())?]);
        head.extend(name.as_bytes());
        head.push(u8::try_from(value.len())?);
        head.extend(value.as_bytes());
    }
    raw.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    raw.say([0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
    raw.say([[0, 0, u8::try_from(head.len())?, 1, 5, 0, 0, 0, 1].as_slice(), &head].concat()).await?;
    // what fits the first window, and no more
    raw.hear(65_535).await?;
    is_alone(&setup, "the agent to give the client up").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http2_connection_ends() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.head_timeout = Duration::from_secs(1)).await?;
    let mut http = Http::start(setup.agent.client()?.dial().await?, Alpn::Http2).await?;
    assert_eq!(http.get(&format!("http://{}/text/2", setup.origin.plain())).await?.status, 200);
    is_alone(&setup, "the connection to end").await
}

/// Whoever stands before or behind the agent might see another request in it, or one more.
#[tokio::test(flavor = "multi_thread")]
async fn every_head_of_a_connection_has_one_reading() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let at = setup.origin.plain();
    let sound = format!("GET http://{at}/text/1 HTTP/1.1\r\nHost: {at}\r\n\r\n");
    let chunked = format!("POST http://{at}/text/1 HTTP/1.1\r\nHost: {at}\r\nTransfer-Encoding: chunked\r\n");
    for bad in [
        format!("{chunked}Content-Length: 5\r\n\r\n0\r\n\r\n"),
        sound.replace("Host", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost"),
        sound.replace("\r\n", "\n"),
        sound.replace("\r\nHost", "\r\nX: y\nHost"),
    ] {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(format!("{sound}{chunked}\r\n3;x=y\r\nabc\r\n0\r\n\r\n{bad}{sound}")).await?;
        for _ in 0..2 {
            assert_eq!(raw.response().await?.status, 200, "{bad}");
        }
        raw.response().await?.problem(400, "client")?;
        assert_eq!(raw.hear_all().await?, b"", "{bad}");
    }
    Ok(())
}

/// What a client sends on before it is answered is of the old protocol or of the new one, as the answer says.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_question_is_read_as_the_answer_says() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let at = setup.origin.plain();
    let asks = format!("GET http://{at}/text/1 HTTP/1.1\r\nHost: {at}\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let next = format!("GET http://{at}/text/2 HTTP/1.1\r\nHost: {at}\r\n\r\n");
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("{asks}{next}{asks}{}", next.replace("\r\n", "\n"))).await?;
    for _ in 0..3 {
        assert_eq!(raw.response().await?.status, 200);
    }
    raw.response().await?.problem(400, "client")?;

    let greets = RawOrigin::start(Script::Answer(b"bare\n\nbytes".to_vec())).await?;
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    let to = greets.address();
    raw.say(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n\0\n\n\r\n\r\n")).await?;
    let head = b"HTTP/1.1 200 OK\r\n";
    assert_eq!(raw.hear(head.len()).await?, head);
    assert!(raw.hear_all().await?.ends_with(b"bare\n\nbytes"));
    Ok(())
}

/// It answers, takes no more of the upload and closes nothing: nobody waits for it any more, but its client is held.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_stops_reading_is_given_up() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.upstream.body_idle = Duration::from_millis(100)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40)).await?;
    let (mut upstream, _) = listener.accept().await?;
    // an answer that is there before the request was sent is nobody's
    upstream.read_u8().await?;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
    assert_eq!(raw.response().await?.body, b"ok");
    let upload = tokio::spawn(async move { while raw.say([0; 65_536]).await.is_ok() {} });
    is_alone(&setup, "the agent to give the upstream up").await?;
    upload.await?;
    drop(upstream);
    Ok(())
}

/// Each stream costs an exchange and is reset at once, so that no limit of streams at once counts it (CVE-2023-44487).
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_all_it_asks_for_is_given_up() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let stream = tokio::net::TcpStream::connect(setup.agent.proxy).await?;
    let (mut send, connection) = h2::client::handshake(stream).await?;
    let ended = tokio::spawn(connection);
    let mut asked = 0;
    for n in 0..2000 {
        let request = http::Request::builder().uri(format!("http://{}/{n}", silent.address())).body(())?;
        let Ok(ready) = send.clone().ready().await else { break };
        send = ready;
        let Ok((response, _)) = send.send_request(request, true) else { break };
        asked += 1;
        // what the agent has not seen yet would be h2's to count
        let seen = eventually(PATIENCE, "the agent to see it", || async {
            Ok((ended.is_finished() || setup.agent.shared.stats.exchanges_active() > 0).then_some(()))
        });
        seen.await?;
        drop(response);
        let gone = eventually(PATIENCE, "the agent to let it go", || async {
            Ok((ended.is_finished() || setup.agent.shared.stats.exchanges_active() == 0).then_some(()))
        });
        gone.await?;
    }
    assert!((200..1500).contains(&asked), "{asked}");
    drop(send);
    is_alone(&setup, "the agent to give the client up").await
}

/// As above, before the agent has seen any of them.
#[tokio::test(flavor = "multi_thread")]
async fn streams_reset_before_they_were_seen_end_their_connection() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // `:method GET`, `:scheme http`, `:path /` of the static table, and a literal `:authority` (RFC 7541 appendix A)
    let head = b"\x82\x86\x84\x41\x09127.0.0.1";
    for stream in (1..2001_u32).step_by(2) {
        said.extend([0, 0, u8::try_from(head.len())?, 1, 5]);
        said.extend(stream.to_be_bytes());
        said.extend(head);
        said.extend([0, 0, 4, 3, 0]);
        said.extend(stream.to_be_bytes());
        said.extend(8_u32.to_be_bytes());
    }
    let _ = raw.say(said).await;
    let heard = raw.hear_all().await?;
    // GOAWAY, ENHANCE_YOUR_CALM (RFC 9113 sections 6.8 and 7)
    assert!(heard.windows(17).any(|frame| frame[3] == 7 && frame[13..] == 11_u32.to_be_bytes()), "{heard:?}");
    is_alone(&setup, "the connection to end").await
}
