//! One worker: a thread, a runtime, a listener, and all that its exchanges need. Enters: [`Shared`], which all workers
//! hold; leaves: nothing but the join of its thread. Must not know another worker.

use std::sync::Arc;

use http::HeaderValue;
use weir_host::Host;

use crate::config::Config;
use crate::drain::Shutdown;
use crate::filters::{Active, Orders};
use crate::policy::TargetPolicy;
use crate::record::{Recorder, WorkerRecorder};
use crate::stats::Stats;
use crate::tls::Authority;
use crate::upstream::Upstreams;

/// What all threads of the agent hold.
pub struct Shared {
    pub config: Config,
    pub host: Host,
    pub active: Active,
    /// what the thread that swaps filters asks of workers
    pub orders: Orders,
    pub stats: Stats,
    pub recorder: Recorder,
    pub authority: Authority,
    pub targets: TargetPolicy,
    pub shutdown: Shutdown,
    /// `1.1 weir-…`: a pseudonym of this run of this agent (RFC 9110 section 7.6.3); seen again, a request has come back.
    pub via: HeaderValue,
}

/// What the exchanges of one worker share; `Rc`, never `Send`.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub upstreams: Upstreams,
    pub recorder: WorkerRecorder,
}
