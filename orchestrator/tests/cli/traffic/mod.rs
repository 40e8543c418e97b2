//! traffic: search, one in full, as HAR, as it comes; two beside each other; the end of some.

mod followed;
mod forms;
mod shown;

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use uuid::{NoContext, Timestamp, Uuid};
use weir_proto::v1::{Body, Connection, Exchange, Field, Outcome, Receipt, Request, Response};

use crate::{
    agent::{Agent, content},
    server::Server,
};

fn field(name: &str, value: &'static str) -> Field {
    Field { name: name.to_owned(), value: value.as_bytes().into() }
}

fn body(data: &'static [u8], size: u64) -> Option<Body> {
    Some(Body { data: data.into(), size, ..Body::default() })
}

/// When the first of a test's exchanges began.
static BEGIN: LazyLock<Duration> = LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap());

/// The `number`th, a tenth of a second apart, however long making them takes.
fn exchange(number: u64, host: &str, path: &str, status: u32) -> Exchange {
    let now = *BEGIN + Duration::from_millis(100 * number);
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, now.as_secs(), now.subsec_nanos()));
    Exchange {
        id: id.into_bytes().to_vec().into(),
        started_us: u64::try_from(now.as_micros()).unwrap(),
        duration_us: 2_500,
        first_byte_us: 2_000,
        connection: Some(Connection {
            client_address: "192.0.2.7:51034".to_owned(),
            entry: "connect".to_owned(),
            tunnel_target: format!("{host}:443"),
            server_name: host.to_owned(),
            intercepted: true,
            ..Connection::default()
        }),
        request: Some(Request {
            method: "POST".to_owned(),
            scheme: "https".to_owned(),
            authority: host.to_owned(),
            path: path.to_owned(),
            version: "HTTP/1.1".to_owned(),
            headers: vec![field("Content-Type", "text/plain"), field("Cookie", "a=1")],
            body: body(b"said \x1b[2J", 9),
            trailers: vec![],
        }),
        response: Some(Response {
            status,
            version: "HTTP/1.1".to_owned(),
            headers: vec![field("content-type", "application/octet-stream")],
            body: body(b"\xff\xfe\0", 2_000_000),
            trailers: vec![],
        }),
        upstream_address: "198.51.100.4:443".to_owned(),
        filters: vec![Receipt {
            name: "block".to_owned(),
            version: 3,
            verdict: "next".to_owned(),
            changed: true,
            ..Receipt::default()
        }],
        outcome: Outcome::Complete.into(),
        ..Exchange::default()
    }
}

/// A server with three exchanges, the last to fail.
fn recorded() -> (Server, Agent) {
    let server = Server::with_key();
    let agent = Agent::join(&server, "edge-1", content);
    let mut failed = exchange(3, "down.example.com", "/", 502);
    failed.outcome = Outcome::UpstreamFailed.into();
    failed.error = "connection refused".to_owned();
    let long = format!("/{}?q=1", "long/".repeat(60));
    agent.record(vec![exchange(1, "a.example.com", "/x?b=c", 200), exchange(2, "b.example.com", &long, 404), failed]);
    (server, agent)
}
