//! An agent's shared parts without workers, an orchestrator that does as it is told, and a publisher.

use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::{net::TcpListener, time::Instant};
use tokio_stream::{Iter, Pending, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Endpoint, Server},
};
use weir_agent::{config::Config, filters::FilterLog, record::Recorder, secrets::Secrets, worker::Shared};
use weir_artifact::{
    Capability, Digest, Endorsement, GroupName, Limits, Name, Publication, PublisherKey, Removal, Statement,
};
use weir_host::{Host, HostConfig};
use weir_proto::v1::{
    AgentMessage, ComponentChunk, FetchRequest, OrchestratorMessage, RenewRequest, RenewResponse,
    control_server::{Control, ControlServer},
};

use crate::guest::{Guest, Wants};

/// A filter that looks at request heads; `note` makes its bytes, and so its digest, another.
pub(crate) fn component(note: &str) -> Vec<u8> {
    let wants = Wants { request_head: true, ..Wants::default() };
    weir_testkit::component::renamed(&Guest::new(wants).component(), note)
}

pub(crate) fn shared(data_dir: &Path) -> Arc<Shared> {
    let config = Config { data_dir: data_dir.to_owned(), workers: 1, ..Config::default() };
    let host = Host::new(HostConfig {
        cache_dir: None,
        kv_dir: None,
        workers: 1,
        log: Arc::new(FilterLog::default()),
        secrets: None,
    })
    .unwrap();
    let nowhere = ([127, 0, 0, 1], 1).into();
    Arc::new(
        Shared::new(config, host, Recorder::off(), Arc::new(Secrets::open(None).unwrap()), nowhere, nowhere).unwrap(),
    )
}

/// Waits for something that has no event of its own.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What the orchestrator gives for a digest: chunks, and the size that it claims.
type Shelf = Arc<Mutex<HashMap<String, (Vec<Vec<u8>>, u64)>>>;

/// Gives out components, whole or not.
#[derive(Clone, Default)]
pub(crate) struct Orchestrator {
    shelf: Shelf,
    fetched: Arc<Mutex<usize>>,
}

impl Orchestrator {
    pub(crate) async fn start() -> (Self, Channel) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let own = Self::default();
        let service = ControlServer::new(own.clone());
        tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        (own, Endpoint::from_shared(url).unwrap().connect().await.unwrap())
    }

    /// Has this component in chunks of 1,000 bytes.
    pub(crate) fn put(&self, component: &[u8]) -> Digest {
        let digest = Digest::of(component);
        self.pretend(digest, component, component.len() as u64);
        digest
    }

    /// Gives these bytes for that digest, and says that there are `total`.
    pub(crate) fn pretend(&self, digest: Digest, bytes: &[u8], total: u64) {
        let chunks = bytes.chunks(1000).map(<[u8]>::to_vec).collect();
        self.shelf.lock().insert(digest.to_string(), (chunks, total));
    }

    pub(crate) fn fetched(&self) -> usize {
        *self.fetched.lock()
    }
}

#[tonic::async_trait]
impl Control for Orchestrator {
    type SyncStream = Pending<Result<OrchestratorMessage, Status>>;
    type FetchStream = Iter<std::vec::IntoIter<Result<ComponentChunk, Status>>>;

    async fn sync(&self, _: Request<Streaming<AgentMessage>>) -> Result<Response<Self::SyncStream>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        *self.fetched.lock() += 1;
        let shelf = self.shelf.lock();
        let (chunks, total) =
            shelf.get(&request.get_ref().digest).ok_or_else(|| Status::not_found("no such component"))?;
        let chunk = |data: &Vec<u8>| Ok(ComponentChunk { data: data.clone().into(), total: *total });
        Ok(Response::new(tokio_stream::iter(chunks.iter().map(chunk).collect::<Vec<_>>())))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn group(text: &str) -> GroupName {
    text.parse().unwrap()
}

/// The publication of a component, to be changed before it is signed.
pub(crate) fn publication(filter: &str, version: u64, component: &[u8]) -> Publication {
    Publication {
        name: name(filter),
        version,
        group: GroupName::default(),
        sequence: now_s() * 1000 + version,
        rollback: false,
        expires: now_s() + 3600,
        digest: Digest::of(component),
        size: component.len() as u64,
        matching: String::new(),
        priority: 0,
        config: "{}".to_owned(),
        on_failure: weir_artifact::FailurePolicy::Closed,
        on_failure_for: Vec::new(),
        isolation: weir_artifact::Isolation::Shared,
        limits: Limits::default(),
        grants: [Capability::Log].into(),
        upstreams: Default::default(),
        reads: Default::default(),
        secrets: Default::default(),
    }
}

pub(crate) fn removal(filter: &str, sequence: u64) -> Statement {
    Statement::Remove(Removal { name: name(filter), group: GroupName::default(), sequence })
}

pub(crate) fn endorsement(key: &PublisherKey, expires: u64) -> Statement {
    let key = key.public();
    Statement::Endorse(Endorsement {
        group: GroupName::default(),
        sequence: now_s() * 1000,
        expires,
        key_id: key.id(),
        key,
    })
}
