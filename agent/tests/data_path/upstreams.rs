//! Upstreams that refuse, hang or are tied to one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use weir_testkit::body;
use weir_testkit::ca;
use weir_testkit::client::{Alpn, Http};
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, eventually, within};

use crate::agent::Setup;

/// What an origin does with its first connection; with every other it answers.
#[derive(Clone, Copy)]
enum First {
    Reset(h2::Reason),
    GoAway,
}

/// Speaks HTTP/2, and HTTP/1.1 to who offers nothing else; answers with what it heard as a body. Counts connections.
async fn origin(setup: &Setup, first: First) -> anyhow::Result<(String, Arc<AtomicUsize>)> {
    let acceptor = TlsAcceptor::from(ca::server(&setup.ca.leaf(&["localhost"])?, &[b"h2", b"http/1.1"])?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let authority = format!("localhost:{}", listener.local_addr()?.port());
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let n = count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(acceptor.clone(), stream, (n == 0).then_some(first)));
        }
    });
    Ok((authority, connections))
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, first: Option<First>) -> anyhow::Result<()> {
    let mut tls = acceptor.accept(stream).await?;
    if tls.get_ref().1.alpn_protocol() == Some(b"http/1.1") {
        let mut heard = Vec::new();
        while !heard.ends_with(b"the body") {
            heard.push(tls.read_u8().await?);
        }
        return Ok(tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe body").await?);
    }
    if let Some(First::GoAway) = first {
        return go_away(tls).await;
    }
    let mut connection = h2::server::handshake(tls).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted?;
        if let Some(First::Reset(reason)) = first {
            respond.send_reset(reason);
            continue;
        }
        tokio::spawn(async move {
            let mut heard = request.into_body();
            let mut whole = Vec::new();
            while let Some(Ok(chunk)) = heard.data().await {
                whole.extend_from_slice(&chunk);
            }
            let mut send = respond.send_response(http::Response::new(()), false)?;
            send.send_data(Bytes::from(whole), true)
        });
    }
    Ok(())
}

/// Lets a request come, and says that it took none.
async fn go_away(mut tls: TlsStream<TcpStream>) -> anyhow::Result<()> {
    tls.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
    let mut heard = Vec::new();
    // HEADERS (RFC 9113 section 6.2) of the first stream
    while !heard.windows(9).any(|frame| frame[3] == 1 && frame[5..] == [0, 0, 0, 1]) {
        heard.push(tls.read_u8().await?);
    }
    tls.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await?;
    while tls.read_u8().await.is_ok() {}
    Ok(())
}

async fn check(first: First, connections: usize) -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let (authority, count) = origin(&setup, first).await?;
    let mut http = setup.agent.client()?.intercepted(&authority, Alpn::Http2).await?;
    let reply = http.post(&format!("https://{authority}/"), body::full(Bytes::from_static(b"the body"))).await?;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "the body"));
    assert_eq!(count.load(Ordering::Relaxed), connections);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_not_taken_is_sent_again_whatever_its_method() -> anyhow::Result<()> {
    check(First::Reset(h2::Reason::REFUSED_STREAM), 2).await?;
    check(First::GoAway, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_wants_http11_gets_it() -> anyhow::Result<()> {
    check(First::Reset(h2::Reason::HTTP_1_1_REQUIRED), 2).await
}

/// Each of its requests would dial for as long, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream_costs_its_requests_one_wait_together() -> anyhow::Result<()> {
    let wait = Duration::from_secs(3);
    let setup = Setup::start(|config| config.upstream.connect_timeout = wait).await?;
    // accepts, and never shakes hands
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let authority = format!("localhost:{}", listener.local_addr()?.port());
    let http = Http::start(setup.agent.client()?.dial().await?, Alpn::Http2).await?;
    let Http::Two(send) = http else { anyhow::bail!("HTTP/2 was asked for") };
    let began = Instant::now();
    let requests = (0..8).map(|_| {
        let mut send = send.clone();
        let request = http::Request::builder().uri(format!("https://{authority}/")).body(body::empty());
        tokio::spawn(async move { anyhow::Ok(send.send_request(request?).await?.status()) })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await??, 504);
    }
    assert!(began.elapsed() < 7 * wait, "one after the other is 8: {:?}", began.elapsed());
    Ok(())
}

/// Whoever gets such a connection next is somebody else to the upstream.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_on_which_a_client_logged_in_serves_no_other() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = setup.origin.plain();
    for (n, field) in ["Authorization: NTLM TlRM", "Authorization: negotiate YII"].into_iter().enumerate() {
        let connections = setup.origin.connections();
        for field in [field, "X-Other: client"] {
            let mut raw = Raw::dial(setup.agent.proxy).await?;
            raw.say(format!("GET http://{origin}/text/{n} HTTP/1.1\r\nHost: {origin}\r\n{field}\r\n\r\n")).await?;
            assert_eq!(raw.response().await?.status, 200);
        }
        assert!(setup.origin.connections() > connections, "{field}");
    }
    let keeps = TcpListener::bind("127.0.0.1:0").await?;
    let at = keeps.local_addr()?;
    for _ in 0..2 {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n")).await?;
        let accepted = within(PATIENCE, "a connection of its own", keeps.accept());
        let mut upstream = accepted.await??.0;
        upstream.read_u8().await?;
        let challenge = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic, NTLM\r\nContent-Length: 0\r\n\r\n";
        upstream.write_all(challenge.as_bytes()).await?;
        assert_eq!(raw.response().await?.status, 401);
        tokio::spawn(async move {
            let mut all = Vec::new();
            upstream.read_to_end(&mut all).await
        });
    }
    Ok(())
}

/// HTTP/2 on the upstream's connection would be nothing that a filter sees.
#[tokio::test(flavor = "multi_thread")]
async fn http2_by_upgrade_is_not_offered_on() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = RawOrigin::start(Script::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())).await?;
    let at = origin.address();
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!(
        "GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, x\r\n\
         HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    ))
    .await?;
    assert_eq!(raw.response().await?.status, 200);
    let heard = origin.heard()[0].to_ascii_lowercase();
    assert!(heard.contains("upgrade: x\r\n") && !heard.contains("h2c") && !heard.contains("http2-settings"), "{heard}");
    Ok(())
}

/// It answers and grants no window for the rest of the upload: hyper would wait for it as long as it answers pings.
#[tokio::test(flavor = "multi_thread")]
async fn an_http2_upstream_that_grants_no_window_is_given_up() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.upstream.body_idle = Duration::from_millis(200)).await?;
    let acceptor = TlsAcceptor::from(ca::server(&setup.ca.leaf(&["localhost"])?, &[b"h2"])?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let authority = format!("localhost:{}", listener.local_addr()?.port());
    let served = tokio::spawn(async move {
        let mut connection = h2::server::handshake(acceptor.accept(listener.accept().await?.0).await?).await?;
        let mut kept = Vec::new();
        while let Some(accepted) = connection.accept().await {
            let (request, mut respond) = accepted?;
            respond.send_response(http::Response::new(()), true)?;
            kept.push((request, respond));
        }
        anyhow::Ok(())
    });
    let mut http = setup.agent.client()?.intercepted(&authority, Alpn::Http2).await?;
    let upload = body::Pattern::new(1, 1 << 20).boxed();
    let request = http.request("POST", &format!("https://{authority}/"), upload)?;
    let response = http.send(request).await?;
    assert_eq!(response.status(), 200);
    let stats = &setup.agent.shared.stats;
    eventually(PATIENCE, "the exchange to end", || async { Ok((stats.exchanges_active() == 0).then_some(())) }).await?;
    // and the connection with it, once the pool is looked through
    let _ = within(PATIENCE, "the upstream's connection", served).await?;
    Ok(())
}

/// Each target may keep as many; the process has only so many sockets.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_to_many_targets_are_bounded() -> anyhow::Result<()> {
    const TARGETS: usize = 1300;
    let setup = Setup::start(|_| {}).await?;
    let listener = TcpListener::bind("0.0.0.0:0").await?;
    let port = listener.local_addr()?.port();
    let open = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
                        break;
                    }
                }
                count.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    let mut http = setup.agent.client()?.forward().await?;
    for n in 0..TARGETS {
        let url = format!("http://127.1.{}.{}:{port}/", n / 250, n % 250 + 1);
        assert_eq!(http.get(&url).await?.status, 200);
    }
    eventually(PATIENCE, "the oldest to be closed", || async {
        Ok((open.load(Ordering::Relaxed) <= 1024).then_some(()))
    })
    .await?;
    assert!(open.load(Ordering::Relaxed) > 512, "no more than needed");
    Ok(())
}

/// It answers when it has the head, and hears the body all the same: whether it then closes, nobody knows.
async fn answers_early(listener: TcpListener, connections: Arc<AtomicUsize>) -> anyhow::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut heard = Vec::new();
            loop {
                while !heard.ends_with(b"\r\n\r\n") {
                    heard.push(stream.read_u8().await?);
                }
                let is_post = heard.starts_with(b"POST");
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
                heard.clear();
                if is_post {
                    let mut body = [0; 8];
                    stream.read_exact(&mut body).await?;
                }
            }
            #[allow(unreachable_code, reason = "it says of which type the errors are")]
            anyhow::Ok(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_follows_one_that_was_answered_before_it_was_out() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.workers = 1).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    let connections = Arc::<AtomicUsize>::default();
    tokio::spawn(answers_early(listener, Arc::clone(&connections)));
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    let post = format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 8\r\n\r\n");
    for round in 1..=3 {
        raw.say(format!("{post}1234")).await?;
        assert_eq!(raw.response().await?.body, b"ok");
        raw.say("5678").await?;
        // Heard in one piece, and answered when it was out: such a connection is kept.
        for _ in 0..2 {
            raw.say(format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n")).await?;
            assert_eq!(raw.response().await?.body, b"ok");
        }
        assert_eq!(connections.load(Ordering::Relaxed), round + 1, "round {round}");
    }
    Ok(())
}
