//! The recorder against a real gRPC server: agent records, orchestrator hears, agent forgets.

use std::{
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize},
};

use parking_lot::Mutex;
use tokio::{net::TcpSocket, sync::mpsc, task::JoinHandle};
use tokio_stream::{
    StreamExt as _,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};
use uuid::Uuid;
use weir_host::{Host, HostConfig};
use weir_proto::v1::{
    Outcome, TrafficAck, TrafficBatch,
    traffic_server::{Traffic, TrafficServer},
};

use super::*;
use crate::{config::Config, filters::FilterLog, secrets::Secrets};

/// What the orchestrator was told, and how it behaves.
#[derive(Default)]
struct Heard {
    batches: Mutex<Vec<TrafficBatch>>,
    is_silent: AtomicBool,
    /// streams still to be broken off after their first batch
    breaks: AtomicUsize,
}

impl Heard {
    fn ids(&self) -> Vec<u128> {
        let batches = self.batches.lock();
        let ids = batches.iter().flat_map(|batch| &batch.exchanges);
        ids.map(|exchange| Uuid::from_slice(&exchange.id).unwrap().as_u128()).collect()
    }

    fn dropped(&self) -> u64 {
        self.batches.lock().iter().map(|batch| batch.dropped).sum()
    }
}

struct Orchestrator(Arc<Heard>);

#[tonic::async_trait]
impl Traffic for Orchestrator {
    type RecordStream = ReceiverStream<Result<TrafficAck, Status>>;

    async fn record(&self, request: Request<Streaming<TrafficBatch>>) -> Result<Response<Self::RecordStream>, Status> {
        let heard = Arc::clone(&self.0);
        let (say, acks) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut batches = request.into_inner();
            while let Some(Ok(batch)) = batches.next().await {
                let number = batch.batch;
                heard.batches.lock().push(batch);
                let left = heard.breaks.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
                if left.is_ok() {
                    let _ = say.send(Err(Status::unavailable("restarting"))).await;
                    return;
                }
                if !heard.is_silent.load(Relaxed) {
                    let _ = say.send(Ok(TrafficAck { batch: number })).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(acks)))
    }
}

/// An address at which nobody listens yet, and nobody else can.
fn place() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn orchestrator(place: TcpSocket) -> (SocketAddr, Arc<Heard>, JoinHandle<()>) {
    let listener = place.listen(64).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Heard::default());
    let service = TrafficServer::new(Orchestrator(Arc::clone(&heard)));
    let server = tokio::spawn(async move {
        let incoming = TcpListenerStream::new(listener);
        Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    (address, heard, server)
}

fn agent(dir: &Path, spool_bytes: u64) -> Arc<Shared> {
    let mut config = Config { data_dir: dir.to_owned(), workers: 1, ..Config::default() };
    config.capture.spool_bytes = spool_bytes;
    let host = Host::new(HostConfig {
        cache_dir: None,
        kv_dir: None,
        workers: 1,
        log: Arc::new(FilterLog::default()),
        secrets: None,
    })
    .unwrap();
    let recorder = Recorder::new(1, &config.capture);
    let nowhere = ([127, 0, 0, 1], 1).into();
    Arc::new(Shared::new(config, host, recorder, Arc::new(Secrets::open(None).unwrap()), nowhere, nowhere).unwrap())
}

async fn start(shared: &Arc<Shared>, dir: &Path, address: SocketAddr) -> Sender {
    let link = Link::plain(&format!("http://{address}")).unwrap();
    Sender::start(Arc::clone(shared), link, dir.join("spool")).await.unwrap()
}

fn record(shared: &Shared, ids: std::ops::Range<u128>) {
    let worker = shared.recorder.worker(0);
    ids.for_each(|id| {
        worker.begin(Uuid::from_u128(id), &shared.tuning.now()).finish(Outcome::Complete, Some(&"x".repeat(1000)))
    });
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn stop(sender: Sender) {
    tokio::task::spawn_blocking(|| sender.stop()).await.unwrap();
}

#[tokio::test]
async fn records_reach_the_orchestrator_and_are_forgotten_when_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (address, heard, _) = orchestrator(place().0);
    let shared = agent(dir.path(), 1 << 20);
    let sender = start(&shared, dir.path(), address).await;
    for round in 0..5 {
        record(&shared, round * 100..round * 100 + 100);
        eventually("delivered", || shared.recorder.delivered() == (round as u64 + 1) * 100).await;
    }
    assert_eq!(heard.ids(), (0..500).collect::<Vec<_>>());
    eventually("forgotten", || shared.recorder.queued_bytes() == 0 && shared.recorder.spool_bytes() == 0).await;
    stop(sender).await;
    assert_eq!((shared.recorder.recorded(), shared.recorder.dropped()), (500, 0));
}

#[tokio::test]
async fn records_wait_on_disk_while_nobody_is_there_and_arrive_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (place, address) = place();
    let shared = agent(dir.path(), 8 << 20);
    let sender = start(&shared, dir.path(), address).await;
    for round in 0..10 {
        record(&shared, round * 50..round * 50 + 50);
        eventually("collected", || shared.recorder.recorded() == (round as u64 + 1) * 50).await;
    }
    eventually("spooled", || shared.recorder.spool_bytes() > 500_000).await;
    let (_, heard, _) = orchestrator(place);
    eventually("delivered", || shared.recorder.delivered() == 500).await;
    assert_eq!(heard.ids(), (0..500).collect::<Vec<_>>());
    eventually("empty", || shared.recorder.spool_bytes() == 0).await;
    stop(sender).await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (address, heard, _) = orchestrator(place().0);
    heard.breaks.store(2, Relaxed);
    let shared = agent(dir.path(), 1 << 20);
    let sender = start(&shared, dir.path(), address).await;
    record(&shared, 0..10);
    eventually("delivered", || shared.recorder.delivered() == 10).await;
    let ids = heard.ids();
    assert_eq!(ids[..10], (0..10).collect::<Vec<_>>());
    assert!(ids.len() >= 20 && ids[ids.len() - 10..] == ids[..10], "{ids:?}");
    stop(sender).await;
}

#[tokio::test]
async fn a_stopped_agent_leaves_the_unacknowledged_on_disk_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let (address, heard, _) = orchestrator(place().0);
    heard.is_silent.store(true, Relaxed);
    let shared = agent(dir.path(), 1 << 20);
    let sender = start(&shared, dir.path(), address).await;
    record(&shared, 0..10);
    eventually("heard", || heard.ids().len() == 10).await;
    record(&shared, 10..20);
    stop(sender).await;
    assert_eq!(shared.recorder.delivered(), 0);

    heard.batches.lock().clear();
    heard.is_silent.store(false, Relaxed);
    let shared = agent(dir.path(), 1 << 20);
    let sender = start(&shared, dir.path(), address).await;
    eventually("delivered", || shared.recorder.delivered() == 20).await;
    assert_eq!(heard.ids(), (0..20).collect::<Vec<_>>());
    stop(sender).await;
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_are_dropped_and_the_orchestrator_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (place, address) = place();
    let shared = agent(dir.path(), 100_000);
    let sender = start(&shared, dir.path(), address).await;
    for round in 0..30 {
        record(&shared, round * 10..round * 10 + 10);
        eventually("collected", || shared.recorder.recorded() == (round as u64 + 1) * 10).await;
        assert!(shared.recorder.spool_bytes() <= 100_000);
    }
    eventually("dropped", || shared.recorder.dropped() > 150).await;
    let (_, heard, _) = orchestrator(place);
    eventually("all accounted for", || shared.recorder.delivered() + shared.recorder.dropped() == 300).await;
    let ids = heard.ids();
    assert_eq!(ids.last(), Some(&299));
    assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{ids:?}");
    eventually("told", || heard.dropped() == shared.recorder.dropped()).await;
    stop(sender).await;
}

#[tokio::test]
async fn the_spool_is_read_beside_the_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("spool");
    crate::disk::private_folder(&folder).unwrap();
    // reading this one ends when somebody has written it
    let slow = folder.join("00000000001000000000.seg");
    assert!(std::process::Command::new("mkfifo").arg(&slow).status().unwrap().success());
    let shared = agent(dir.path(), 1 << 20);
    let (alive, is_alive) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let was_alive = is_alive.recv_timeout(Duration::from_secs(20)).is_ok();
        drop(std::fs::File::options().write(true).open(slow).unwrap());
        was_alive
    });
    let nobody = ([127, 0, 0, 1], 1).into();
    let (sender, ()) = tokio::join!(start(&shared, dir.path(), nobody), async { alive.send(()).unwrap() });
    assert!(writer.join().unwrap(), "the runtime stood still");
    stop(sender).await;
}

/// A disk that is full, or gone: nothing is lost as long as there is room in memory.
#[tokio::test]
async fn what_the_disk_does_not_take_waits_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (place, address) = place();
    let shared = agent(dir.path(), 8 << 20);
    let sender = start(&shared, dir.path(), address).await;
    let folder = dir.path().join("spool");
    std::fs::remove_dir_all(&folder).unwrap();
    for round in 0..4 {
        record(&shared, round * 50..round * 50 + 50);
        eventually("collected", || shared.recorder.recorded() == (round as u64 + 1) * 50).await;
    }
    assert_eq!((shared.recorder.dropped(), shared.recorder.spool_bytes()), (0, 0));
    assert!(shared.recorder.queued_bytes() > 200_000, "{}", shared.recorder.queued_bytes());
    crate::disk::private_folder(&folder).unwrap();
    eventually("on disk", || shared.recorder.spool_bytes() > 200_000).await;
    // and without a disk to the orchestrator itself
    let (_, heard, _) = orchestrator(place);
    eventually("delivered", || shared.recorder.delivered() == 200).await;
    assert_eq!(heard.ids(), (0..200).collect::<Vec<_>>());
    std::fs::remove_dir_all(&folder).unwrap();
    heard.is_silent.store(true, Relaxed);
    record(&shared, 200..250);
    eventually("collected", || shared.recorder.recorded() == 250).await;
    stop(sender).await;
    assert_eq!(shared.recorder.delivered() + shared.recorder.dropped(), 250, "what nobody took is counted");
}
