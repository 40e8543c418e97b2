//! What gRPC and REST both stand on.

use std::{path::PathBuf, sync::Arc};

use parking_lot::RwLock;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::access::{Oidc, Passwords, Proxies, Rates};
use crate::{
    Limits, MetricsRetention, Retention,
    commands::Relay,
    events::Events,
    fair::Fair,
    fleet::Fleet,
    in_transit::InTransit,
    interception::Interception,
    pki::Pki,
    rest::{Untaken, Watch},
    root::Roots,
    seats::Seats,
    store::Store,
    telemetry::Telemetry,
    tokens::TokenHash,
};

/// One server's parts.
pub(crate) struct Orchestrator {
    pub(crate) store: Store,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) relay: Relay,
    /// What happens, for whoever follows.
    pub(crate) events: Events,
    /// Of those who follow.
    pub(crate) seats: Arc<Seats>,
    /// Of those who search.
    pub(crate) searching: Arc<Seats>,
    /// Looks at connections for those who follow them.
    pub(crate) watch: Watch,
    /// Answers of REST that their readers have not taken.
    pub(crate) untaken: Arc<Untaken>,
    pub(crate) interception: Interception,
    pub(crate) pki: Pki,
    pub(crate) roots: Roots,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) limits: Limits,
    /// How far back each tier of system metrics reaches.
    pub(crate) metrics: MetricsRetention,
    pub(crate) retention: Retention,
    /// Somebody changed what is kept.
    pub(crate) retaining: Notify,
    /// Another orchestrator on the same database may make a new one.
    pub(crate) admin: RwLock<TokenHash>,
    pub(crate) passwords: Passwords,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) rates: Rates,
    /// Whose word on who asks counts.
    pub(crate) proxies: Proxies,
    /// Pages of these may ask.
    pub(crate) origins: Vec<String>,
    /// Turns of what unpacks or compares bodies, which may grow a thousandfold.
    pub(crate) laying_out: Arc<Semaphore>,
    /// Room in memory for recorded bodies of which something is being made, KiB.
    pub(crate) in_hand: Arc<Semaphore>,
    /// Turns of answers that lie in a file while they are sent.
    pub(crate) reading: Fair,
    /// Changes that go on whether or not somebody waits for them.
    pub(crate) changing: TaskTracker,
    pub(crate) in_transit: InTransit,
    /// Turns of pushes, whose bodies are large.
    pub(crate) pushing: Semaphore,
    /// Turns of exports: each holds an exchange in two forms.
    pub(crate) exporting: Arc<Seats>,
    /// Of imports, from their first byte until they are stored: each may hold a long file on the disk.
    pub(crate) arriving: Arc<Seats>,
    /// Turns of imports that are being sent.
    pub(crate) uploading: Arc<Semaphore>,
    /// The turn of imports that are being stored.
    pub(crate) importing: Arc<Semaphore>,
    /// The turn of backups.
    pub(crate) backing_up: Arc<Semaphore>,
    /// Where an import lies while it is looked at, and what of a backup is of one moment.
    pub(crate) scratch: PathBuf,
    /// What would go on for ever ends with it.
    pub(crate) stop: CancellationToken,
}

/// Of bodies in memory at a time, bytes.
pub(crate) const IN_HAND: usize = 96 << 20;

impl Orchestrator {
    /// Room for so many bytes of bodies, until it is dropped: however many ask for them, whoever waits for it holds none. Nobody who has
    /// some waits for more.
    pub(crate) async fn room_for(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let kibibytes = usize::try_from(bytes).unwrap_or(IN_HAND).clamp(1024, IN_HAND) >> 10;
        Arc::clone(&self.in_hand).acquire_many_owned(u32::try_from(kibibytes).ok()?).await.ok()
    }

    /// Work that a turn bounds, on a thread of its own, which has the turn: whoever asked may hang up meanwhile.
    pub(crate) async fn lay_out<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.laying_out).acquire_owned().await.ok()?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}
