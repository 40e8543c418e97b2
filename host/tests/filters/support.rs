//! What tests of runs share: a host that remembers log lines, exchanges, and the agent's part of driving a run.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "shared by tests and the benchmark")]

use std::{
    rc::Rc,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use uuid::Uuid;
use weir_host::{
    Answer, Chain, Connection, Direction, Entry, Exchange, Failure, Filter, Host, HostConfig, Instances, Level,
    LocalResponse, LogSink, Progress, Run,
};

/// Log lines as they came.
#[derive(Default)]
pub struct Lines(pub Mutex<Vec<(Option<Uuid>, Level, String)>>);

impl LogSink for Lines {
    fn write(&self, _: &Filter, exchange: Option<Uuid>, level: Level, message: &str) {
        self.0.lock().unwrap().push((exchange, level, message.to_owned()));
    }
}

pub fn host() -> Host {
    host_with(&Arc::new(Lines::default()))
}

pub fn host_with(lines: &Arc<Lines>) -> Host {
    Host::new(HostConfig {
        cache_dir: None,
        kv_dir: None,
        workers: 1,
        log: Arc::clone(lines) as Arc<dyn LogSink>,
        secrets: None,
    })
    .unwrap()
}

/// A worker with a chain of these filters.
pub fn worker(host: &Host, filters: impl IntoIterator<Item = Arc<Filter>>) -> (Rc<Instances>, Arc<Chain>) {
    (Instances::new(host), Arc::new(Chain::new(filters.into_iter().collect())))
}

pub fn exchange() -> Box<Exchange> {
    let connection = Connection {
        entry: Entry::Forward,
        client_address: "192.0.2.7:51034".parse().unwrap(),
        user: None,
        tunnel_target: None,
        server_name: None,
        intercepted: false,
    };
    let request = Request::builder()
        .uri("http://example.com/path?query")
        .version(Version::HTTP_11)
        .header("host", "example.com")
        .header("user-agent", "test")
        .header("accept", "*/*");
    Exchange::new(Uuid::from_u128(7), Arc::new(connection), request.body(()).unwrap().into_parts().0)
}

pub fn begin((instances, chain): &(Rc<Instances>, Arc<Chain>)) -> Run {
    Run::begin(instances, chain, exchange(), |_| true)
}

/// The upstream's response.
pub fn set_response(run: &mut Run, status: u16) {
    let response = Response::builder().status(status).version(Version::HTTP_11).header("content-type", "text/plain");
    run.exchange_mut().response = Some(response.body(()).unwrap().into_parts().0);
}

pub fn is_open(progress: &Progress) -> bool {
    matches!(progress, Progress::Open)
}

pub fn is_held(progress: &Progress) -> bool {
    matches!(progress, Progress::Held)
}

pub fn open(progress: Progress) {
    assert!(is_open(&progress), "{progress:?}");
}

pub fn held(progress: Progress) {
    assert!(is_held(&progress), "{progress:?}");
}

pub fn failed(progress: Progress) -> Failure {
    match progress {
        Progress::Answer(Answer::Failed(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

pub fn responded(progress: Progress) -> LocalResponse {
    match progress {
        Progress::Answer(Answer::Respond(response)) => response,
        other => panic!("no response: {other:?}"),
    }
}

/// Everything that is through the chain.
pub fn take(run: &mut Run, direction: Direction) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(bytes) = run.output(direction) {
        body.extend_from_slice(&bytes);
    }
    body
}

/// Feeds a whole body as the agent does, and gives what came out.
pub fn through(run: &mut Run, direction: Direction, chunks: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks {
        let progress = run.chunk(direction, Bytes::copy_from_slice(chunk));
        assert!(!matches!(progress, Progress::Answer(_)), "{progress:?}");
        body.extend(take(run, direction));
    }
    open(run.end(direction, None));
    body.extend(take(run, direction));
    assert!(run.is_drained(direction));
    body
}

pub fn status(run: &Run) -> StatusCode {
    run.exchange().response.as_ref().unwrap().status
}

pub fn request_header(run: &Run, name: &str) -> Vec<String> {
    let values = run.exchange().request.headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

pub fn response_header(run: &Run, name: &str) -> Vec<String> {
    let values = run.exchange().response.as_ref().unwrap().headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}
