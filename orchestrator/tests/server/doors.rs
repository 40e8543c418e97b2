//! Strangers who hold connections and say nothing, or say it slowly, and agents that come without end: nobody else is kept out.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tonic::Code;
use weir_orchestrator::{FaceArgs, ServeArgs, ServeConfig, Server};
use weir_proto::v1::{Body, RenewRequest, SystemMetrics, control_client::ControlClient};

use crate::{
    harness::{Agent, Home, PATIENCE, Person, Running, eventually, exchange, id},
    metrics::report,
};

/// For which those stay who say nothing, where others are not to wait for them: whoever does is too late.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// From an address of this machine.
async fn from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).unwrap();
    timeout(PATIENCE, socket.connect(to)).await.unwrap().unwrap()
}

async fn many(each: usize, addresses: std::ops::RangeInclusive<u8>, to: SocketAddr) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for address in addresses {
        for _ in 0..each {
            all.push(from(address, to).await);
        }
    }
    all
}

/// Asks, and reads to the end.
async fn ask(mut socket: TcpStream, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    // Who is turned away may be gone before it asks.
    let _ = socket.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("no end");
    String::from_utf8(answer).unwrap()
}

/// A stream of events: something is asked for as long as it lasts.
async fn follow(last: u8, running: &Running) -> TcpStream {
    let mut socket = from(last, rest(running)).await;
    let token = &running.person.token;
    let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 15];
    timeout(PATIENCE, socket.read_exact(&mut begun)).await.unwrap().unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    socket
}

fn rest(running: &Running) -> SocketAddr {
    running.server.as_ref().unwrap().rest
}

/// How many were turned away.
async fn turned_away(running: &Running, door: &str, reason: &str) -> u64 {
    let text = ask(from(99, rest(running)).await, "/metrics").await;
    let line = format!("weir_orchestrator_connections_turned_away_total{{door=\"{door}\",reason=\"{reason}\"}} ");
    let count = text.lines().find_map(|told| told.strip_prefix(&line));
    count.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

async fn bounded(limit: u32, trusted: Option<&str>, change: impl FnOnce(&mut ServeConfig)) -> Running {
    let dir = Home::new().await;
    let face = FaceArgs {
        connection_limit: Some(limit),
        trusted_proxies: trusted.map(|network| vec![network.to_owned()]),
        ..FaceArgs::default()
    };
    let mut config = ServeConfig::load(ServeArgs { face, ..dir.args() }).unwrap();
    change(&mut config);
    let server = Server::start(config).await.unwrap();
    let (person, grpc) = (Person::new(server.rest, dir.path()), server.grpc);
    Running { server: Some(server), person, grpc, dir }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_keep_no_agent_out() {
    let running = bounded(0, None, |config| config.limits.agent_word = FOR_EVER).await;
    let ticket = running.person.join_token("default").await;
    let mut silent = many(130, 2..=6, running.grpc).await;
    // One that nobody knows yet, also from an address that has many; and it is known from then on.
    silent.extend(many(130, 1..=1, running.grpc).await);
    let agent = timeout(PATIENCE, Agent::join(running.grpc, &ticket)).await.expect("it waits for silent ones").unwrap();
    silent.extend(many(130, 7..=11, running.grpc).await);
    let again = async { agent.at(running.grpc).await.record(vec![exchange("a.example", "/", 200)]).await };
    timeout(PATIENCE, again).await.expect("it waits for silent ones");
    assert!(turned_away(&running, "grpc", "crowded").await > 0);
    assert_eq!(turned_away(&running, "grpc", "silent").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_agents_connect_nobody_stays_who_says_nothing() {
    let running = Running::start().await;
    let mut silent = many(4, 1..=2, running.grpc).await;
    for socket in &mut silent {
        let ended = timeout(PATIENCE, socket.read(&mut [0])).await.expect("it may stay");
        assert!(matches!(ended, Ok(0) | Err(_)));
    }
    assert!(turned_away(&running, "grpc", "silent").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_keep_no_agent_out() {
    let running = bounded(0, None, |config| {
        (config.limits.agent_word, config.limits.agent_handshake) = (FOR_EVER, FOR_EVER);
    })
    .await;
    let ticket = running.person.join_token("default").await;
    let mut begun = many(130, 2..=6, running.grpc).await;
    begun.extend(many(130, 1..=1, running.grpc).await);
    for socket in &mut begun {
        // Of some, which made way, the connection is gone.
        let _ = socket.write_all(&[22, 3, 1]).await;
    }
    let agent = timeout(PATIENCE, Agent::join(running.grpc, &ticket)).await.expect("it waits for others").unwrap();
    timeout(PATIENCE, agent.record(vec![exchange("a.example", "/", 200)])).await.expect("it waits for others");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections_and_others_have_theirs() {
    let running = bounded(4, None, |_| {}).await;
    // Where nothing is asked one makes way for the next.
    let silent = many(12, 2..=2, rest(&running)).await;
    assert!(ask(from(2, rest(&running)).await, "/healthz").await.starts_with("HTTP/1.1 200 OK"));
    assert!(turned_away(&running, "rest", "crowded").await >= 8);
    drop(silent);
    let mut busy = Vec::new();
    for _ in 0..4 {
        busy.push(follow(2, &running).await);
    }
    let refused = ask(from(2, rest(&running)).await, "/healthz").await;
    assert!(refused.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{refused}");
    assert!(refused.contains("Retry-After: 5") && refused.contains("connection_limit"), "{refused}");
    assert!(ask(from(3, rest(&running)).await, "/healthz").await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(turned_away(&running, "rest", "address").await, 1);
    busy.pop();
    let again = async || ask(from(2, rest(&running)).await, "/healthz").await;
    eventually(again, |answer| answer.starts_with("HTTP/1.1 200 OK")).await;
}

/// What was asked on it is answered, and it is still a connection.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_became_a_websocket_has_its_place_for_as_long_as_it_lasts() {
    let running = bounded(1, None, |_| {}).await;
    let socket = websocket(&running, &format!("Authorization: Bearer {}\r\n", running.person.token)).await;
    let again = async || ask(from(2, rest(&running)).await, "/healthz").await;
    let refused = again().await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    drop(socket);
    eventually(again, |answer| answer.starts_with("HTTP/1.1 200 OK")).await;
}

/// Who asks may be said later, and until then nobody does.
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_of_nobody_makes_way() {
    let running = bounded(1, None, |_| {}).await;
    let mut socket = websocket(&running, "").await;
    let answer = ask(from(2, rest(&running)).await, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let ended = timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await;
    let _ = ended.expect("it stays");
}

async fn websocket(running: &Running, field: &str) -> TcpStream {
    let mut socket = from(2, rest(running)).await;
    let head = format!(
        "GET /graphql HTTP/1.1\r\nHost: x\r\n{field}Connection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    timeout(PATIENCE, socket.read_exact(&mut begun)).await.unwrap().unwrap();
    assert_eq!(&begun, b"HTTP/1.1 101");
    socket
}

/// The head of an answer to one who takes nothing of its body: over HTTP/2 there is no room for it, for as long as one likes.
async fn untaken(
    running: &Running,
    path: &str,
    token: &str,
) -> (http2::SendRequest<axum::body::Body>, Response<Incoming>) {
    let stream = TokioIo::new(from(2, rest(running)).await);
    let shaken = http2::Builder::new(TokioExecutor::new()).initial_stream_window_size(0).handshake(stream).await;
    let (mut send, connection) = shaken.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("http://x{path}")).header("authorization", format!("Bearer {token}"));
    let answer = send.send_request(request.body(axum::body::Body::empty()).unwrap());
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
    (send, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_strangers_do_not_take_keep_nobody_out() {
    let running = bounded(4, None, |config| config.limits.answer_time = FOR_EVER).await;
    let mut held = Vec::new();
    for path in ["/api/v1/agents", "/graphql?query=x", "/healthz", "/openapi.json"] {
        held.push(untaken(&running, path, "nobody's").await);
    }
    for _ in 0..4 {
        let answer = ask(from(2, rest(&running)).await, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert_eq!(turned_away(&running, "rest", "address").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_takes_has_its_place_for_a_while() {
    let running = bounded(1, None, |config| config.limits.answer_time = Duration::from_secs(1)).await;
    let held = untaken(&running, "/api/v1/agents", &running.person.token).await;
    let again = async || ask(from(2, rest(&running)).await, "/healthz").await;
    eventually(again, |answer| answer.starts_with("HTTP/1.1 200 OK")).await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_brings_as_many_as_there_are() {
    let running = bounded(4, Some("127.0.0.2"), |_| {}).await;
    let mut busy = Vec::new();
    for _ in 0..12 {
        busy.push(follow(2, &running).await);
    }
    assert_eq!(turned_away(&running, "rest", "address").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_of_many_addresses_keep_nobody_from_rest() {
    let running = bounded(0, None, |config| {
        let limits = &mut config.limits;
        (limits.connections, limits.head_time, limits.idle_time) = (8, FOR_EVER, FOR_EVER);
    })
    .await;
    let _silent = many(4, 2..=9, rest(&running)).await;
    let answered = ask(from(10, rest(&running)).await, "/healthz").await;
    assert!(answered.starts_with("HTTP/1.1 200 OK"), "{answered}");
    let mut busy = Vec::new();
    for _ in 0..8 {
        busy.push(follow(2, &running).await);
    }
    let refused = ask(from(10, rest(&running)).await, "/healthz").await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    busy.pop();
    let again = async || ask(from(10, rest(&running)).await, "/healthz").await;
    eventually(again, |answer| answer.starts_with("HTTP/1.1 200 OK")).await;
    assert!(turned_away(&running, "rest", "full").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_slowly_ends_the_connection() {
    let running = bounded(0, None, |config| config.limits.head_time = Duration::from_millis(500)).await;
    let mut socket = from(2, rest(&running)).await;
    // It may be too slow for that already.
    let _ = socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    let (mut read, mut write) = socket.into_split();
    let sending = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let ended = timeout(PATIENCE, read.read_to_end(&mut Vec::new())).await;
    let _ = ended.expect("it goes on and on");
    assert!(turned_away(&running, "rest", "silent").await > 0);
    sending.abort();
}

#[tokio::test]
async fn an_agent_that_comes_without_end_is_told_when_to_come_again() {
    let five = NonZeroU32::new(5).unwrap();
    let running = bounded(0, None, |config| config.limits.agent_calls = five).await;
    let (agent, other) = (running.agent().await, running.agent().await);
    let call = async |agent: &Agent| {
        let asked = ControlClient::new(agent.channel.clone()).renew(RenewRequest::default()).await;
        asked.map(drop).unwrap_err()
    };
    for _ in 0..5 {
        assert_eq!(call(&agent).await.code(), Code::InvalidArgument);
    }
    // Over another connection, too.
    for agent in [&agent, &agent.at(running.grpc).await] {
        let refused = call(agent).await;
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("more than 5 streams and calls within 60 s"), "{refused}");
        let wait = refused.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
        assert!((1000..=12_000).contains(&wait.parse::<u32>().unwrap()), "{wait}");
        assert_eq!(agent.sync().await.map(drop).unwrap_err().code(), Code::ResourceExhausted);
    }
    assert_eq!(call(&other).await.code(), Code::InvalidArgument);
    let text = ask(from(99, rest(&running)).await, "/metrics").await;
    assert!(text.contains("weir_orchestrator_agent_calls_refused_total 4\n"), "{text}");
}

#[tokio::test]
async fn what_an_agent_tells_of_its_machine_is_read_at_a_pace() {
    let many = NonZeroU32::new(200).unwrap();
    let running = bounded(0, None, |config| config.limits.agent_samples = many).await;
    let (agent, other) = (running.agent().await, running.agent().await);
    let samples = |at: std::ops::Range<u64>| -> Vec<SystemMetrics> {
        at.map(|at_us| SystemMetrics { at_us, ..SystemMetrics::default() }).collect()
    };
    let began = Instant::now();
    report(&agent, samples(1..201)).await;
    report(&other, samples(1..201)).await;
    report(&agent, samples(201..203)).await;
    // As many as may come at once, and a second for each of the others.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(running.person.get("/api/v1/metrics?limit=500").await["items"].as_array().unwrap().len(), 402);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_of_long_answers_has_few_of_them_and_others_get_theirs() {
    let running = bounded(100, None, |config| config.limits.answer_time = FOR_EVER).await;
    let path = format!("/{}", "x".repeat(8000));
    running.agent().await.record((0..500).map(|_| exchange("a.example", &path, 200)).collect()).await;
    let viewer = running.person.of_role("viewer").await;
    let list = "/api/v1/exchanges?limit=500";
    let mut held = Vec::new();
    loop {
        let (connection, answer) = untaken(&running, list, &viewer.token).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert!(answer.status() == StatusCode::OK && held.len() < 20, "{}", answer.status());
        held.push((connection, answer));
    }
    assert!(held.len() > 1);
    assert_eq!(running.person.get(list).await["items"].as_array().unwrap().len(), 500);
    held.pop();
    eventually(|| async { viewer.status(Method::GET, list).await }, |status| *status == StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_of_large_bodies_leaves_turns_for_others() {
    let running = bounded(100, None, |config| config.limits.answer_time = FOR_EVER).await;
    let mut one = exchange("a.example", "/", 200);
    let bytes = vec![7; 1 << 20];
    one.response.as_mut().unwrap().body = Some(Body { size: 1 << 20, data: bytes.into(), ..Body::default() });
    let path = format!("/api/v1/exchanges/{}/response/body", id(&one));
    running.agent().await.record(vec![one]).await;
    let viewer = running.person.of_role("viewer").await;
    let mut held = Vec::new();
    loop {
        let (connection, answer) = untaken(&running, &path, &viewer.token).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert!(answer.status() == StatusCode::OK && held.len() < 64, "{}", answer.status());
        held.push((connection, answer));
    }
    assert_eq!(held.len(), 32);
    let other = running.person.request(Method::GET, &path).send().await.unwrap();
    assert_eq!((other.status(), other.bytes().await.unwrap().len()), (StatusCode::OK, 1 << 20));
    held.pop();
    eventually(|| async { viewer.status(Method::GET, &path).await }, |status| *status == StatusCode::OK).await;
}
