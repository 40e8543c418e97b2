//! One generation of one filter.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicU32},
};

use weir_artifact::{Digest, FailurePolicy, Isolation, Name, Publication};

use crate::{
    Failure, FailureKind, FilterStats, Host, LoadError, LoadFault, Subscription, World,
    breaker::Breaker,
    compiled::Compiled,
    generations::Generation,
    guest::Hooks,
    instances::Warm,
    kv::Namespace,
    line,
    log_rate::LogRate,
    metrics::{FilterMetrics, Series},
    middleware,
    room::Place,
};

/// One generation of one filter: compiled, linked and configured, but without state. Workers make instances of it.
pub struct Filter {
    host: Host,
    generation: Generation,
    publication: Arc<Publication>,
    code: Code,
    subscription: OnceLock<Subscription>,
    stats: FilterStats,
    log_rate: LogRate,
    breaker: Breaker,
    /// Of the hooks about tunnels: were it the same, a tunnel that got through would excuse the exchange that fails in it.
    connect_breaker: Breaker,
    fallback: Mutex<Option<Arc<Filter>>>,
    /// Places in the pool beyond one on each worker.
    places: Arc<AtomicU32>,
    metrics: Arc<FilterMetrics>,
    kv: Arc<Namespace>,
}

/// What it is made of.
pub(crate) enum Code {
    /// A component of the world `weir:filter/filter`.
    Events(Arc<Compiled>),
    /// A component of the world `weir:filter/stream-filter`.
    Streaming(Arc<middleware::StreamCompiled>),
    /// A component of the world `wasi:http/middleware`.
    Middleware(Arc<middleware::Compiled>),
}

/// Who serves a new exchange.
pub(crate) enum Pick {
    /// This generation.
    This,
    /// The one before: this one is broken.
    Fallback(Arc<Filter>),
    /// Nobody: the failure policy decides.
    Nobody,
}

impl Filter {
    pub(crate) fn new(host: Host, publication: Arc<Publication>, code: Code) -> Arc<Self> {
        Arc::new(Self {
            generation: host.new_generation(&publication.name),
            metrics: host.metrics().of(&publication.name),
            kv: host.kv().of(&publication.name),
            log_rate: LogRate::new(publication.limits.log_lines_per_second),
            host,
            publication,
            code,
            subscription: OnceLock::new(),
            stats: FilterStats::default(),
            breaker: Breaker::new(),
            connect_breaker: Breaker::new(),
            fallback: Mutex::new(None),
            places: Arc::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.publication.name
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.publication.version
    }

    /// The address of its component.
    pub fn digest(&self) -> Digest {
        self.publication.digest
    }

    /// How it is to run, as its publisher signed it.
    pub fn publication(&self) -> &Arc<Publication> {
        &self.publication
    }

    /// What it asked to see.
    pub fn subscription(&self) -> Subscription {
        self.subscription.get().copied().unwrap_or_default()
    }

    /// What it has done and cost.
    pub fn stats(&self) -> &FilterStats {
        &self.stats
    }

    /// What it counts for its operator, in all its generations.
    pub fn series(&self) -> Vec<Arc<Series>> {
        self.metrics.list()
    }

    /// What it keeps, in all its generations.
    pub(crate) fn kv(&self) -> &Namespace {
        &self.kv
    }

    pub(crate) fn metrics(&self) -> &FilterMetrics {
        &self.metrics
    }

    /// The breaker is open: it failed too often in a row, and new exchanges get what its failure policy says.
    pub fn is_broken(&self) -> bool {
        self.breaker.is_open() || self.connect_breaker.is_open()
    }

    /// Names the generation that new exchanges meet while this one is broken; only where the failure policy may be `last-good`,
    /// else it does nothing. If `previous` is broken itself, what it falls back to is taken.
    #[must_use]
    pub fn with_fallback(self: Arc<Self>, previous: &Arc<Filter>) -> Arc<Self> {
        if self.publication.falls_back() {
            // Taken out of the one before, whether used or not: else every generation would hold all before it.
            let older = lock(&previous.fallback).take();
            let good = if previous.is_broken() { older } else { Some(Arc::clone(previous)) };
            *lock(&self.fallback) = good;
        }
        self
    }

    /// An instance for a worker that is to keep one, made on the calling thread: the worker's exchanges do not wait while it
    /// starts.
    ///
    /// # Errors
    /// It does not start.
    pub fn warm(self: &Arc<Self>) -> Result<Warm, LoadError> {
        Warm::start(self)
    }

    pub(crate) fn fallback(&self) -> Option<Arc<Filter>> {
        lock(&self.fallback).clone()
    }

    /// Who serves a new exchange, which has this policy.
    pub(crate) fn pick(&self, policy: FailurePolicy) -> Pick {
        self.pick_by(policy, |filter| &filter.breaker)
    }

    /// Who decides about a new tunnel.
    pub(crate) fn pick_for_tunnel(&self, policy: FailurePolicy) -> Pick {
        self.pick_by(policy, |filter| &filter.connect_breaker)
    }

    fn pick_by(&self, policy: FailurePolicy, breaker: impl Fn(&Filter) -> &Breaker) -> Pick {
        if breaker(self).admits() {
            return Pick::This;
        }
        if policy != FailurePolicy::LastGood {
            return Pick::Nobody;
        }
        self.fallback().filter(|fallback| breaker(fallback).admits()).map_or(Pick::Nobody, Pick::Fallback)
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(crate) fn connect_breaker(&self) -> &Breaker {
        &self.connect_breaker
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// A place for one instance more than one on each worker.
    pub(crate) fn place(&self) -> Result<Place, LoadFault> {
        let room = match self.code {
            Code::Events(_) => self.host.room(),
            Code::Streaming(_) | Code::Middleware(_) => self.host.concurrent_room(),
        };
        room.take(&self.places).ok_or_else(|| LoadFault::NoRoom { share: room.share() })
    }

    /// Tells generations apart, of all filters.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.id()
    }

    /// None: it is of another world.
    pub(crate) fn compiled(&self) -> Option<&Compiled> {
        match &self.code {
            Code::Events(compiled) => Some(compiled),
            Code::Streaming(_) | Code::Middleware(_) => None,
        }
    }

    pub(crate) fn code(&self) -> &Code {
        &self.code
    }

    /// The world that its component is of.
    pub fn world(&self) -> World {
        match self.code {
            Code::Events(_) => World::Filter,
            Code::Streaming(_) => World::StreamFilter,
            Code::Middleware(_) => World::Middleware,
        }
    }

    /// Its guest runs beside the exchange, not within it: each exchange has an instance of its own, made when it comes.
    pub fn runs_beside(&self) -> bool {
        self.world() != World::Filter
    }

    /// Workers keep an instance of it. Else each exchange has its own.
    pub fn keeps_instances(&self) -> bool {
        !self.runs_beside() && self.publication.isolation == Isolation::Shared
    }

    /// Its configuration says nothing.
    pub(crate) fn takes_no_config(&self) -> bool {
        let bare: String = self.publication.config.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        matches!(bare.as_str(), "{}" | "null" | "")
    }

    /// The interfaces that it exports beside those of every filter.
    pub fn hooks(&self) -> Hooks {
        self.compiled().map(|compiled| compiled.exports.hooks()).unwrap_or_default()
    }

    pub(crate) fn log_rate(&self) -> &LogRate {
        &self.log_rate
    }

    pub(crate) fn subscribe(&self, subscription: Subscription) {
        self.subscription.get_or_init(|| subscription);
    }

    pub(crate) fn failure(&self, phase: &'static str, kind: FailureKind, reason: String) -> Failure {
        Failure { filter: self.name().clone(), version: self.version(), phase, kind, reason: line::reason(&reason) }
    }

    pub(crate) fn load_error(&self, fault: LoadFault) -> LoadError {
        LoadError { filter: self.name().clone(), version: self.version(), fault }
    }
}

fn lock(fallback: &Mutex<Option<Arc<Filter>>>) -> std::sync::MutexGuard<'_, Option<Arc<Filter>>> {
    fallback.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({} version {})", self.name(), self.version())
    }
}
