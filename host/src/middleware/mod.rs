//! Filters of the standard world `wasi:http/middleware`: components that take a request, hand one on to whatever comes
//! next, and give back a response. Their engine, apart from that of the other filters: they need concurrency support,
//! which costs every call there. It starts with the first component that needs it.

mod body;
mod data;
mod drive;
mod stretch;
mod wire;

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Waker},
};

use wasmtime::{
    Engine,
    component::{Component, InstancePre, Linker},
};
use wasmtime_wasi_http::p3::bindings::{ServiceIndices, ServicePre};
use weir_artifact::Artifact;

pub use self::drive::Task;
pub(crate) use self::{body::InputBody, data::is_agents_own, drive::start, wire::Wire};
use self::{data::Data, drive::Trial};
use crate::{
    BodyMode, Filter, HostConfig, HostError, LoadFault, Subscription,
    compiled::Compilations,
    engine::{self, Ticker},
    room::Room,
};

/// Every middleware has all of every exchange.
pub(crate) const SEES_ALL: Subscription = Subscription {
    request_head: true,
    request_body: BodyMode::Transform,
    request_trailers: true,
    response_head: true,
    response_body: BodyMode::Transform,
    response_trailers: true,
    decoded: false,
    max_buffer: 0,
};

/// Middleware, compiled and linked.
pub(crate) struct Compiled {
    service: ServicePre<Data>,
}

/// What all middleware of one agent shares.
pub(crate) struct Tier {
    engine: Engine,
    linker: Linker<Data>,
    room: Arc<Room>,
    compilations: Compilations<Compiled>,
    _ticker: Ticker,
}

/// None as long as no filter needs it.
pub(crate) struct Lazy {
    config: HostConfig,
    tier: OnceLock<Tier>,
    starting: Mutex<()>,
}

impl Lazy {
    pub(crate) fn new(config: HostConfig) -> Self {
        Self { config, tier: OnceLock::new(), starting: Mutex::new(()) }
    }

    /// Starts it the first time.
    pub(crate) fn start(&self) -> Result<&Tier, LoadFault> {
        let _one_at_a_time = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tier) = self.tier.get() {
            return Ok(tier);
        }
        let tier = Tier::start(&self.config).map_err(|error| LoadFault::Instantiate(error.to_string()))?;
        Ok(self.tier.get_or_init(|| tier))
    }

    /// The engine of a filter that was loaded by it.
    pub(crate) fn started(&self) -> &Tier {
        self.tier.get().expect("middleware is compiled before anything is made of it")
    }
}

impl Tier {
    fn start(config: &HostConfig) -> Result<Self, HostError> {
        let engine = engine::start_concurrent(config)?;
        let ticker = Ticker::start(&engine)?;
        let linker = data::link(&engine).map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let room = Room::new(engine::concurrent_room(config.workers));
        Ok(Self { engine, linker, room, compilations: Compilations::default(), _ticker: ticker })
    }

    /// Compiles, unless a live generation has done so.
    pub(crate) fn compile(&self, artifact: &Artifact) -> Result<Arc<Compiled>, LoadFault> {
        self.compilations.of(artifact, || {
            let component = Component::from_binary(&self.engine, artifact.component())
                .map_err(|error| LoadFault::Compile(format!("{error:#}")))?;
            let link = |error: wasmtime::Error| LoadFault::Link(format!("{error:#}"));
            let linked: InstancePre<Data> = self.linker.instantiate_pre(&component).map_err(link)?;
            ServiceIndices::new(&linked).map_err(link)?;
            Ok(Compiled { service: ServicePre::new(linked).map_err(link)? })
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }
}

/// Does it start at all? It has no configuration to look at.
pub(crate) fn try_out(filter: &Arc<Filter>) -> Result<(), LoadFault> {
    if !filter.takes_no_config() {
        let message = "a component of wasi:http/middleware takes no configuration: leave it out".to_owned();
        return Err(LoadFault::Config { problems: vec![crate::Problem { pointer: String::new(), message }] });
    }
    now(Trial::of(filter))
}

/// Runs what waits for nothing but its own slices of CPU time.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let std::task::Poll::Ready(done) = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}
