//! Starts the server: directory, keys, database, tokens, listeners, in this order; and stops it, listeners first and
//! the database last.

mod ages;
mod chores;
mod fault;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Notify, Semaphore},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::fault::ServeError;
use crate::{
    ServeConfig,
    access::{Oidc, Passwords, Rates, made_token},
    certificates,
    clock::now_us,
    commands::{self, Relay},
    disk,
    events::{self, Events},
    fair::Fair,
    fleet::Fleet,
    grpc,
    in_transit::InTransit,
    interception::{self, Interception},
    orchestrator::{IN_HAND, Orchestrator},
    others,
    pki::{self, Pki},
    rest,
    root::Roots,
    seats::{self, Seats},
    store::{Others, Store},
    telemetry::Telemetry,
    tokens,
};

/// Pushes in memory at a time.
const PUSHES: usize = 2;
/// Bodies that are unpacked or compared at a time.
const LAYING_OUT: usize = 4;
/// Large bodies that are being sent at a time, in all and for one name.
const READINGS: (usize, usize) = (64, 32);
/// Searches at a time, in all and for one name: few of them read, and the others wait for these.
const SEARCHES: (usize, usize) = (128, 16);
/// Exports that are written at a time, in all and for one name: one is left for others.
const EXPORTS: (usize, usize) = (4, 3);
/// Imports that are here, sent, waiting or being stored, in all and for one name: their files are on the disk, and one that can be
/// sent is left for others.
const IMPORTS: (usize, usize) = (8, 3);
/// Imports that are being sent at a time.
const UPLOADS: usize = 4;
/// Requests in progress may finish for so long after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    /// Where REST listens.
    pub rest: SocketAddr,
    /// Where gRPC listens.
    pub grpc: SocketAddr,
    /// Where the admin token was written, when it was made at this start.
    pub new_token: Option<PathBuf>,
    orchestrator: Arc<Orchestrator>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    /// Holds the lock of the data directory.
    _lock: File,
}

impl Server {
    /// Starts and listens.
    ///
    /// # Errors
    /// What keeps the server from starting.
    pub async fn start(config: ServeConfig) -> Result<Self, ServeError> {
        let dir = &config.data_dir;
        let lock = claim(dir)?;
        let pki = Pki::load_or_create(dir, config.agent_certificate)?;
        let identity = pki.server(&config.names, pki::LONG)?;
        let certificates = certificates::of(&config.face.tls, &pki, &config.names)?;
        let tls = certificates.as_ref().map(certificates::Certificates::server).transpose()?;
        let telemetry = Arc::new(Telemetry::new());
        let store = Store::open(&config.database, &config.bodies, config.limits, Arc::clone(&telemetry)).await?;
        if !store.is_authority(pki.key_hash()).await? {
            return Err(ServeError::OtherAuthority(dir.clone()));
        }
        let oidc = config.face.oidc.map(Oidc::new).transpose().map_err(ServeError::Issuer)?;
        let (admin, new_token) = admin_token(&store, dir, config.new_token).await?;
        let fleet = Arc::new(Fleet::default());
        let (events, outbox) = Events::new();
        let stop = CancellationToken::new();
        let orchestrator = Arc::new(Orchestrator {
            store,
            fleet,
            relay: Relay::default(),
            events,
            seats: Arc::new(Seats::new(seats::ALL, seats::EACH)),
            searching: Arc::new(Seats::new(SEARCHES.0, SEARCHES.1)),
            watch: rest::Watch::default(),
            untaken: Arc::default(),
            interception: Interception::default(),
            pki,
            roots: Roots { dir: dir.clone(), lifetime: config.interception_certificate },
            telemetry,
            limits: config.limits,
            metrics: config.metrics,
            retention: config.retention,
            retaining: Notify::new(),
            admin: RwLock::new(admin),
            passwords: Passwords::default(),
            oidc,
            rates: Rates::new(config.face.rates),
            proxies: config.face.proxies,
            origins: config.face.origins,
            changing: TaskTracker::new(),
            in_transit: InTransit::default(),
            pushing: Semaphore::new(PUSHES),
            laying_out: Arc::new(Semaphore::new(LAYING_OUT)),
            in_hand: Arc::new(Semaphore::new(IN_HAND >> 10)),
            reading: Fair::new(READINGS.0, READINGS.1),
            exporting: Arc::new(Seats::new(EXPORTS.0, EXPORTS.1)),
            arriving: Arc::new(Seats::new(IMPORTS.0, IMPORTS.1)),
            uploading: Arc::new(Semaphore::new(UPLOADS)),
            importing: Arc::new(Semaphore::new(1)),
            backing_up: Arc::new(Semaphore::new(1)),
            scratch: dir.clone(),
            stop: stop.clone(),
        });

        // Before anybody follows anything here: nobody misses what others say.
        let mut others = Others::default();
        others.listen(&orchestrator.store).await;
        let (rest, rest_address) = bind("REST", config.rest).await?;
        let (grpc, grpc_address) = bind("gRPC", config.grpc).await?;
        let agents = grpc::serve(Arc::clone(&orchestrator), identity, grpc, stop.clone());
        let people = rest::serve(Arc::clone(&orchestrator), rest, tls, stop.clone());
        let retention = chores::retain(Arc::clone(&orchestrator), stop.clone());
        let mut tasks = vec![
            part(&stop, async move {
                if let Err(error) = agents.await {
                    tracing::error!(%error, "gRPC ended");
                }
            }),
            part(&stop, people),
            part(&stop, retention),
            part(&stop, events::carry(Arc::clone(&orchestrator), outbox, stop.clone())),
            part(&stop, chores::fold(Arc::clone(&orchestrator), config.metrics, stop.clone())),
            part(&stop, chores::index(Arc::clone(&orchestrator), stop.clone())),
            part(&stop, others::watch(Arc::clone(&orchestrator), others, stop.clone())),
            part(&stop, commands::carry(Arc::clone(&orchestrator), stop.clone())),
            part(&stop, interception::keep(Arc::clone(&orchestrator), stop.clone())),
            part(&stop, others::presence(Arc::clone(&orchestrator), stop.clone())),
        ];
        if let Some(certificates) = certificates {
            tasks.push(part(&stop, certificates.watch(Arc::clone(&orchestrator), stop.clone())));
        }
        Ok(Self { rest: rest_address, grpc: grpc_address, new_token, orchestrator, stop, tasks, _lock: lock })
    }

    /// Takes nothing more, lets what is in progress finish, writes what was accepted.
    pub async fn stop(self) {
        self.stop.cancel();
        let finished = async {
            for task in self.tasks {
                // A task that panicked has been reported by the runtime.
                let _ = task.await;
            }
            // Of changes whose clients hung up, the trail is to tell too.
            self.orchestrator.changing.close();
            self.orchestrator.changing.wait().await;
        };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            tracing::warn!("requests were cut off: they took longer than {} s", GRACE.as_secs());
        }
        self.orchestrator.store.close().await;
    }
}

/// Serves until SIGTERM or SIGINT. Prints one line on stdout when ready.
///
/// # Errors
/// What keeps the server from starting.
pub async fn serve(config: ServeConfig) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let server = Server::start(config).await?;
    let mut out = io::stdout().lock();
    // Whoever closed stdout does not want to know.
    if let Some(file) = &server.new_token {
        let _ = writeln!(out, "admin token written to {}", file.display());
    }
    let _ = writeln!(out, "orchestrator ready: REST {}, gRPC {}", server.rest, server.grpc);
    let _ = out.flush();
    drop(out);
    let asked = tokio::select! {
        _ = terminate.recv() => true,
        _ = interrupt.recv() => true,
        () = server.stop.cancelled() => false,
    };
    tracing::info!("shutting down");
    server.stop().await;
    if asked { Ok(()) } else { Err(ServeError::Ended) }
}

/// A task that the server is nothing without: when it ends, in whatever way, all do, and whoever started the server knows.
fn part(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let end = stop.clone().drop_guard();
    tokio::spawn(async move {
        work.await;
        drop(end);
    })
}

/// The directory, for its owner only, and for one server at a time.
pub(crate) fn claim(dir: &Path) -> Result<File, ServeError> {
    let fault = |error| ServeError::DataDir { dir: dir.to_owned(), error };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fault)?;
    let lock = File::create(dir.join("lock")).map_err(fault)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(ServeError::InUse(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// Made at the first start; the file is the only place where it stands in full.
async fn admin_token(store: &Store, dir: &Path, new: bool) -> Result<(tokens::TokenHash, Option<PathBuf>), ServeError> {
    let known = store.admin_hash().await?;
    if let Some(hash) = known.filter(|_| !new) {
        return Ok((hash, None));
    }
    let token = tokens::admin();
    let file = dir.join("token");
    disk::write(&file, &format!("{token}\n"), 0o600)
        .map_err(|error| ServeError::DataDir { dir: dir.to_owned(), error })?;
    let hash = tokens::hash(&token);
    let now = now_us();
    // That there is one at first is no change.
    let entry = new.then(|| made_token("in place of the one before".to_owned(), now));
    let counts = store.set_admin_hash(hash, !new, entry, now).await?;
    if counts != hash {
        // Another orchestrator on the same database made one in this moment.
        std::fs::remove_file(&file).map_err(|error| ServeError::DataDir { dir: dir.to_owned(), error })?;
        return Ok((counts, None));
    }
    Ok((hash, Some(file)))
}

async fn bind(name: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fault = |error| ServeError::Bind { listener: name, address, error };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let actual = listener.local_addr().map_err(fault)?;
    Ok((listener, actual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_one_part_is_the_end_of_all() {
        for panics in [false, true] {
            let stop = CancellationToken::new();
            let task = part(&stop, async move { assert!(!panics, "as this test wants it") });
            stop.cancelled().await;
            assert_eq!(task.await.is_err(), panics);
        }
    }
}
