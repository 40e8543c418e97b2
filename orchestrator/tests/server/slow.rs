//! Peers that take or send as little as they can: they hold few turns for a bounded time, and nobody else waits for them for longer.

use std::{net::SocketAddr, time::Duration};

use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use weir_orchestrator::{Limits, ServeConfig, Server};
use weir_proto::v1::Body;

use crate::{
    harness::{Home, PATIENCE, Person, Running, eventually, exchange, id},
    hostile::peak,
};

/// A server that is less patient than others with bodies.
async fn impatient() -> Running {
    with(|limits| limits.body_grace = Duration::from_secs(2)).await
}

/// A server with other bounds.
async fn with(change: impl FnOnce(&mut Limits)) -> Running {
    let dir = Home::new().await;
    let mut config = ServeConfig::load(dir.args()).unwrap();
    change(&mut config.limits);
    let server = Server::start(config).await.unwrap();
    let (person, grpc) = (Person::new(server.rest, dir.path()), server.grpc);
    Running { server: Some(server), person, grpc, dir }
}

/// More than the buffers of a connection hold.
async fn record_much(running: &Running) {
    let agent = running.agent().await;
    for part in 0..12 {
        let recorded = (0..4).map(|n| {
            let mut one = exchange("a.example", &format!("/{part}/{n}"), 200);
            let bytes: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            one.response.as_mut().unwrap().body =
                Some(Body { size: bytes.len() as u64, data: bytes.into(), ..Body::default() });
            one
        });
        agent.record(recorded.collect()).await;
    }
}

async fn connect(rest: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(rest).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_that_nobody_reads_give_their_turns_back() {
    // All of them have to be there before the first is given up.
    let running = with(|limits| limits.answer_time = Duration::from_secs(10)).await;
    record_much(&running).await;
    let (rest, person) = (running.server.as_ref().unwrap().rest, &running.person);
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut socket = connect(rest).await;
        let head = format!(
            "GET /api/v1/exchanges/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
            person.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        silent.push(socket);
    }
    // over HTTP/2 the connection stays alive, and answers to pings
    let mut streams = Vec::new();
    let viewer = person.of_role("viewer").await;
    for _ in 0..2 {
        let shaken =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(connect(rest).await)).await;
        let (mut send, connection) = shaken.unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("http://{rest}/api/v1/exchanges/export"));
        let request = request.header("authorization", format!("Bearer {}", viewer.token));
        let answer = send.send_request(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        streams.push((send, answer));
    }
    let export =
        || async { person.request(Method::GET, "/api/v1/exchanges/export?limit=1").send().await.unwrap().status() };
    eventually(export, |status| *status == StatusCode::TOO_MANY_REQUESTS).await;
    // they are free in the end, while those who took nothing are still there
    let three = || futures_util::future::join_all((0..3).map(|_| export()));
    eventually(three, |answers| *answers == [StatusCode::OK; 3]).await;
    drop((silent, streams));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_sent_byte_by_byte_ends_and_keeps_nobody_waiting() {
    let running = impatient().await;
    let (rest, person) = (running.server.as_ref().unwrap().rest, &running.person);
    let mut socket = TcpStream::connect(rest).await.unwrap();
    let head = format!(
        "POST /api/v1/exchanges/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        person.token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = socket.into_split();
    let sending = tokio::spawn(async move {
        while write.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let archive = json!({"log": {"version": "1.2", "creator": {"name": "a", "version": "1"}, "entries": []}});
    let (status, answer) = person.post("/api/v1/exchanges/import", &archive).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("it goes on and on");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("urn:weir:problem:too-slow"), "{answer}");
    sending.abort();
}

/// Each may hold a long file on the disk, so one token or user has few of them, and others can still import.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_imports_under_way_leaves_some_for_others() {
    let running = with(|limits| limits.body_grace = Duration::from_secs(3600)).await;
    let rest = running.server.as_ref().unwrap().rest;
    let operator = running.person.of_role("operator").await;
    let mut begun = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(rest).await.unwrap();
        let head = format!(
            "POST /api/v1/exchanges/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 4294967296\r\nExpect: 100-continue\r\n\r\n",
            operator.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // It is waited for.
        let mut told = [0; 12];
        tokio::time::timeout(PATIENCE, socket.read_exact(&mut told)).await.unwrap().unwrap();
        assert_eq!(&told, b"HTTP/1.1 100");
        begun.push(socket);
    }
    let archive = json!({"log": {"version": "1.2", "creator": {"name": "a", "version": "1"}, "entries": []}});
    let refused = operator.request(Method::POST, "/api/v1/exchanges/import").json(&archive).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "5");
    assert!(refused.text().await.unwrap().contains("urn:weir:problem:busy"));
    let (status, answer) = running.person.post("/api/v1/exchanges/import", &archive).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    // Whoever hangs up has its place back.
    begun.pop();
    let again = || async { operator.post("/api/v1/exchanges/import", &archive).await.0 };
    eventually(again, |status| *status == StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_sent_byte_by_byte_ends_too() {
    let running = impatient().await;
    let (rest, person) = (running.server.as_ref().unwrap().rest, &running.person);
    let mut socket = TcpStream::connect(rest).await.unwrap();
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 60000\r\n\r\n{{",
        person.token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it is waited for");
    assert!(answer.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{}", String::from_utf8_lossy(&answer));
    person.get("/api/v1/tokens").await;
}

/// A connection that is kept alive without a question gives its place back: over HTTP/2 pings are answered for ever.
#[tokio::test(flavor = "multi_thread")]
async fn connections_on_which_nothing_is_asked_end() {
    let running = with(|limits| limits.idle_time = Duration::from_secs(5)).await;
    let rest = running.server.as_ref().unwrap().rest;
    let shake = async || {
        let stream = TokioIo::new(TcpStream::connect(rest).await.unwrap());
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap()
    };
    let ask = |path: &str| {
        let request = Request::get(format!("http://{rest}{path}"));
        let request = request.header("authorization", format!("Bearer {}", running.person.token));
        request.body(axum::body::Body::empty()).unwrap()
    };
    // One that asked once, one that never did, and one on which an answer goes on.
    let (mut send, once) = shake().await;
    let once = tokio::spawn(once);
    assert_eq!(send.send_request(ask("/healthz")).await.unwrap().status(), StatusCode::OK);
    let (mut follow, going) = shake().await;
    let going = tokio::spawn(going);
    let stream = follow.send_request(ask("/api/v1/events")).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let (_never, never) = shake().await;
    let never = tokio::spawn(never);
    for ended in [once, never] {
        tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    }
    assert!(!going.is_finished());
    drop(stream);
    tokio::time::timeout(PATIENCE, going).await.unwrap().unwrap().unwrap();
    drop((send, follow));
    // One of HTTP/1.1 that sends nothing.
    let mut socket = TcpStream::connect(rest).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, socket.read(&mut [0])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)));
}

/// Many who look at the same large bodies cost no more than a few of them.
#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_for_large_bodies_few_are_in_memory() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let large = || {
        let mut one = exchange("a.example", "/", 200);
        let mut bytes = vec![0; 6 << 20];
        rand::fill(&mut bytes[..]);
        one.response.as_mut().unwrap().body =
            Some(Body { size: bytes.len() as u64, data: bytes.into(), ..Body::default() });
        one
    };
    let (one, other) = (large(), large());
    let path = format!("/api/v1/exchanges/{}/diff/{}", id(&one), id(&other));
    agent.record(vec![one]).await;
    agent.record(vec![other]).await;
    let before = peak();
    let ask = || async { running.person.get(&path).await["same"].clone() };
    let told = futures_util::future::join_all((0..60).map(|_| ask())).await;
    assert_eq!(told, vec![json!(false); 60]);
    if let (Some(before), Some(after)) = (before, peak()) {
        // All of them at once were 60 times 12 MiB. Threads that laid some out keep what they had.
        assert!(after < before + 450_000, "it took {} KiB more", after - before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_searches_without_end_is_told_so_and_others_are_not() {
    let running = Running::start().await;
    record_much(&running).await;
    record_much(&running).await;
    let viewer = running.person.of_role("viewer").await;
    let search = "/api/v1/exchanges?query=body~%22no%20such%20thing%22";
    let many = futures_util::future::join_all((0..60).map(|_| viewer.status(Method::GET, search)));
    let (many, other) = tokio::join!(many, running.person.ask(search));
    let count = |status: StatusCode| many.iter().filter(|told| **told == status).count();
    let (found, refused) = (count(StatusCode::OK), count(StatusCode::TOO_MANY_REQUESTS));
    assert!(found >= 16 && refused > 0 && found + refused == 60, "{many:?}");
    assert_eq!(other.0, StatusCode::OK, "{}", other.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_exports_and_does_not_read_leaves_an_export_for_others() {
    let running = Running::start().await;
    record_much(&running).await;
    record_much(&running).await;
    let viewer = running.person.of_role("viewer").await;
    let mut unread = Vec::new();
    loop {
        let answer = viewer.request(Method::GET, "/api/v1/exchanges/export").send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert_eq!(answer.status(), StatusCode::OK);
        unread.push(answer);
    }
    assert_eq!(unread.len(), 3);
    let other = running.person.request(Method::GET, "/api/v1/exchanges/export?limit=1").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}
