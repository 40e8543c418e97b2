//! TLS on REST, from outside: what it speaks, what it says, and who holds a connection without saying anything.

use std::time::Duration;

use http_body::Body as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use weir_orchestrator::{FaceArgs, TlsMode};
use weir_testkit::ca;

use crate::harness::{Home, PATIENCE, Running};

async fn own() -> Running {
    let face = FaceArgs { rest_tls: Some(TlsMode::Own), ..FaceArgs::default() };
    Running::start_in(Home::new().await, |args| weir_orchestrator::ServeArgs { face, ..args }).await
}

async fn shaken(running: &Running, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
    let root = std::fs::read_to_string(running.dir.path().join("ca.pem")).unwrap();
    let config = ca::client(&[&root], protocols).unwrap();
    let socket = TcpStream::connect(running.server.as_ref().unwrap().rest).await.unwrap();
    TlsConnector::from(config).connect("localhost".try_into().unwrap(), socket).await.unwrap()
}

async fn said(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, ask: &str) -> String {
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // the peer may end without a goodbye
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn both_versions_of_http_and_the_next_request_over_tls_too() {
    let running = own().await;
    let stream = shaken(&running, &[b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let answer = said(stream, "GET /healthz HTTP/1.1\r\nHost: weir.example\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000\r\n"), "{answer}");
    // a name that all servers of a machine share
    let stream = shaken(&running, &[]).await;
    let answer = said(stream, "GET /healthz HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("strict-transport"), "{answer}");

    let stream = shaken(&running, &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut send, connection) = shaken.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://weir.example/readyz").body(axum::body::Body::empty()).unwrap();
    let answer = send.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    assert_eq!(answer.body().size_hint().exact(), Some(6));
}

#[tokio::test]
async fn plain_http_says_nothing_of_tls() {
    let running = Running::start().await;
    let answer = running.person.http.get(format!("{}/healthz", running.person.base)).send().await.unwrap();
    assert!(!answer.headers().contains_key("strict-transport-security"));
}

/// Slow and silent peers hold a connection for a bounded time, and keep nobody else from theirs.
#[tokio::test]
async fn a_handshake_that_never_ends_is_ended() {
    let running = own().await;
    let rest = running.server.as_ref().unwrap().rest;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(rest).await.unwrap();
        socket.write_all(&[22, 3, 1]).await.unwrap();
        silent.push(socket);
    }
    let stream = shaken(&running, &[]).await;
    let answer = said(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for mut socket in silent {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut rest));
        let _ = ended.await.expect("a connection that shakes no hands is kept");
    }
}
