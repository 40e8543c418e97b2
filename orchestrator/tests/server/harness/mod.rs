//! A running server, a person with its token, and an agent with a certificate. What goes wrong panics: these are tests.

mod agent;
mod home;
mod person;
mod publisher;

use std::{fmt::Debug, net::SocketAddr, path::PathBuf, time::Duration};

use uuid::Uuid;
use weir_orchestrator::{ServeArgs, ServeConfig, Server};
use weir_proto::v1::{Exchange, Request, Response};

pub(crate) use agent::{Agent, Control, connect, connect_as, join, join_from, pem};
pub(crate) use home::Home;
#[allow(unused_imports, reason = "for the tests of one database")]
pub(crate) use home::args;
pub(crate) use person::{JoinTicket, Person};
pub(crate) use publisher::{Publisher, publication, removal};

/// Longest that anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server and a person who may use it.
pub(crate) struct Running {
    pub(crate) server: Option<Server>,
    pub(crate) person: Person,
    pub(crate) grpc: SocketAddr,
    pub(crate) dir: Home,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_in(Home::new().await, |args| args).await
    }

    pub(crate) async fn start_in(dir: Home, change: impl FnOnce(ServeArgs) -> ServeArgs) -> Self {
        let config = ServeConfig::load(change(dir.args())).unwrap();
        let server = Server::start(config).await.unwrap();
        let (person, grpc) = (Person::new(server.rest, dir.path()), server.grpc);
        Self { server: Some(server), person, grpc, dir }
    }

    /// Stops it; the directory stays for another.
    pub(crate) async fn stop(mut self) -> Home {
        self.server.take().unwrap().stop().await;
        self.dir
    }

    pub(crate) async fn agent(&self) -> Agent {
        self.agent_of("default").await
    }

    pub(crate) async fn agent_of(&self, group: &str) -> Agent {
        let token = self.person.join_token(group).await;
        Agent::join(self.grpc, &token).await.unwrap()
    }
}

/// An exchange with a response.
pub(crate) fn exchange(authority: &str, path: &str, status: u32) -> Exchange {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let request = Request {
        method: "GET".into(),
        scheme: "https".into(),
        authority: authority.into(),
        path: path.into(),
        version: "HTTP/1.1".into(),
        ..Request::default()
    };
    Exchange {
        id: Uuid::now_v7().into_bytes().to_vec().into(),
        started_us: u64::try_from(now.as_micros()).unwrap(),
        duration_us: 1500,
        first_byte_us: 900,
        request: Some(request),
        response: Some(Response { status, version: "HTTP/1.1".into(), ..Response::default() }),
        ..Exchange::default()
    }
}

pub(crate) fn id(exchange: &Exchange) -> String {
    Uuid::from_slice(&exchange.id).unwrap().to_string()
}

/// Waits until the answer is the one.
pub(crate) async fn eventually<T: Debug, F: Future<Output = T>>(
    mut ask: impl FnMut() -> F,
    right: impl Fn(&T) -> bool,
) -> T {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if right(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < until, "it never came to be; the last answer is {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// The real binary.
pub(crate) fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_orchestrator").into()
}
