//! One worker: a thread, a runtime, a listener, and all that its exchanges need. Enters: [`Shared`], which all workers
//! hold; leaves: nothing but the join of its thread. Must not know another worker.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use weir_host::{Host, Instances};

use crate::asks::{self, Asks};
use crate::config::{CaChoice, Config, Tuned, Tuning, WorkerTuning};
use crate::drain::{Drain, Shutdown};
use crate::filters::{Active, Orders, serve_orders};
use crate::interception::Interception;
use crate::listener;
use crate::policy::TargetPolicy;
use crate::record::{Recorder, WorkerRecorder};
use crate::room::Room;
use crate::roster::Roster;
use crate::secrets::Secrets;
use crate::stats::Stats;
use crate::tls::{Authority, AuthorityError};
use crate::upstream::{TrustError, UpstreamTls, Upstreams};

/// How often it is looked whether a filter works by the clock, while none does.
const CLOCK: Duration = Duration::from_secs(1);

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

/// What all threads of the agent hold.
pub struct Shared {
    /// What the agent started with. Of what can change while it runs, `tuning` has what is in force.
    pub config: Config,
    pub tuning: Arc<Tuned>,
    pub host: Host,
    pub active: Active,
    /// what the thread that swaps filters asks of workers
    pub orders: Orders,
    /// what anybody else asks of them
    pub asks: Asks,
    pub stats: Arc<Stats>,
    pub recorder: Recorder,
    pub authority: Authority,
    pub targets: Arc<TargetPolicy>,
    pub upstream_tls: UpstreamTls,
    pub secrets: Arc<Secrets>,
    /// for clients to be connected
    pub room: Arc<Room>,
    pub shutdown: Shutdown,
    pub interception: Interception,
    /// `1.1 weir-…`: a pseudonym of this run of this agent (RFC 9110 section 7.6.3); seen again, a request has come back.
    pub via: HeaderValue,
}

#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl Shared {
    /// `proxy` and `admin` as bound: they are targets to nobody. Reads, or makes, the certificate authority in the data
    /// directory.
    pub fn new(
        config: Config,
        host: Host,
        recorder: Recorder,
        secrets: Arc<Secrets>,
        proxy: SocketAddr,
        admin: SocketAddr,
    ) -> Result<Self, SharedError> {
        let name = format!("1.1 weir-{:016x}", rand::random::<u64>());
        Ok(Shared {
            authority: match config.intercept.ca {
                CaChoice::Own => Authority::load_or_create(&config.data_dir)?,
                CaChoice::Fleet => Authority::of_fleet(&config.data_dir)?,
            },
            upstream_tls: UpstreamTls::new(config.upstream.ca_file.as_deref())?,
            targets: Arc::new(TargetPolicy::new(vec![proxy], vec![admin], config.targets.allow.clone())),
            room: Arc::default(),
            stats: Arc::new(Stats::new(config.workers)),
            tuning: Arc::new(Tuned::new(Tuning::of(&config))),
            active: Active::default(),
            orders: Orders::default(),
            asks: Asks::default(),
            shutdown: Shutdown::default(),
            interception: Interception::default(),
            via: HeaderValue::try_from(name).expect("hexadecimal digits are a field value"),
            config,
            host,
            recorder,
            secrets,
        })
    }
}

/// What the exchanges of one worker share; `Rc`, never `Send`.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub tuning: Rc<WorkerTuning>,
    pub instances: Rc<Instances>,
    pub upstreams: Upstreams,
    pub recorder: WorkerRecorder,
    pub drain: Drain,
    pub roster: Roster,
}

/// Starts worker `number` (from 0). Its thread ends after [`Shutdown::begin`], when the last connection is gone or the
/// time to drain is over.
pub fn spawn(shared: Arc<Shared>, number: usize, listener: StdListener) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, number, "a worker cannot start"),
        };
        if let Err(error) = runtime.block_on(run(shared, number, listener)) {
            tracing::error!(%error, number, "a worker cannot listen");
        }
        // A resolver that hangs in its thread is not waited for: the time to drain is over.
        runtime.shutdown_background();
    })
}

async fn run(shared: Arc<Shared>, number: usize, listener: StdListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let tuning = Rc::new(WorkerTuning::new(&shared.tuning));
    let worker = Rc::new(Worker {
        instances: Instances::new(&shared.host),
        upstreams: Upstreams::new(
            Rc::clone(&tuning),
            Arc::clone(&shared.targets),
            shared.upstream_tls.clone(),
            Arc::clone(&shared.stats),
        ),
        recorder: shared.recorder.worker(number),
        drain: Drain::default(),
        roster: Roster::default(),
        tuning,
        shared,
    });
    tokio::task::spawn_local(serve_orders(Rc::clone(&worker.instances), worker.shared.orders.subscribe()));
    tokio::task::spawn_local(asks::serve(Rc::clone(&worker), worker.shared.asks.subscribe()));
    tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    tokio::task::spawn_local(tick(Rc::clone(&worker.instances)));
    tokio::select! {
        () = listener::accept(&worker, &listener) => {}
        () = worker.shared.shutdown.begun() => {}
    }
    // Whoever the kernel has let in already would be reset with the listener.
    listener::accept_rest(&worker, listener);
    worker.drain.begin();
    // What is left after this is cut off with the runtime.
    let _ = tokio::time::timeout(worker.tuning.now().drain, worker.drain.empty()).await;
    Ok(())
}

/// The clock of filters that have one.
async fn tick(instances: Rc<Instances>) {
    loop {
        let now = Instant::now();
        let next = instances.tick(now).map_or(CLOCK, |next| next.saturating_duration_since(now));
        tokio::time::sleep(next.min(CLOCK)).await;
    }
}

async fn sweep(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        worker.upstreams.sweep();
    }
}
