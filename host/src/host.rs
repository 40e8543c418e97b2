//! The engine and everything that filters of one agent share.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;
use wasmtime::{Engine, component::Linker};
use weir_artifact::{Artifact, Name};

use crate::{
    Filter, LoadError, LoadFault, clock,
    compiled::{self, Compilations, Compiled},
    component::{self, World},
    engine::{self, Ticker},
    filter::Code,
    generations::{Generation, Generations},
    imports,
    instance::Instance,
    kv::Kv,
    metrics::Metrics,
    middleware,
    room::Room,
    state::State,
};

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the filter's author.
    Debug,
    /// For the record.
    Info,
    /// Somebody should look.
    Warn,
    /// Something is broken.
    Error,
}

/// Where filters' log lines go. Called on the worker's thread: it must not block.
pub trait LogSink: Send + Sync {
    /// One line, without control characters, within the filter's limits. `exchange` is the one whose hook wrote it.
    fn write(&self, filter: &Filter, exchange: Option<Uuid>, level: Level, message: &str);
}

/// Which secrets there are. Their values are nothing that a host could tell a guest.
pub trait SecretNames: Send + Sync {
    /// Is there one of this name? Called on the worker's thread: it must not block.
    fn has(&self, secret: &Name) -> bool;
}

/// What a host needs to know.
#[derive(Clone)]
pub struct HostConfig {
    /// Keeps compiled components between starts; none to compile each time. Made with mode 0700.
    pub cache_dir: Option<PathBuf>,
    /// Keeps what filters keep; none to forget it at the end. Made with mode 0700.
    pub kv_dir: Option<PathBuf>,
    /// Worker threads that will have [`crate::Instances`].
    pub workers: usize,
    /// Takes filters' log lines.
    pub log: Arc<dyn LogSink>,
    /// Which secrets filters can be granted; none where there are none.
    pub secrets: Option<Arc<dyn SecretNames>>,
}

/// The host cannot start: the agent's environment is to blame.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine does not start on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The cache folder cannot be used.
    #[error("the compile cache {path} cannot be used: {reason}", path = path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What filters keep cannot be read.
    #[error("the store of the filters in {path} cannot be used: {reason}", path = path.display())]
    Kv {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The ticker thread cannot be made.
    #[error("the thread that limits CPU time cannot be started: {0}")]
    Ticker(std::io::Error),
}

/// Compiles filters and owns what they share: engine, linker, compile cache and the thread that limits CPU time. Cheap
/// to clone.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

/// A component that is compiled, and stays so.
pub struct Prepared {
    _code: Code,
    time: Duration,
}

impl Prepared {
    /// How long checking and compiling took.
    pub fn time(&self) -> Duration {
        self.time
    }
}

struct Shared {
    engine: Engine,
    linker: Linker<State>,
    log: Arc<dyn LogSink>,
    secrets: Option<Arc<dyn SecretNames>>,
    generations: Generations,
    compilations: Compilations<Compiled>,
    middleware: middleware::Lazy,
    room: Arc<Room>,
    metrics: Metrics,
    kv: Kv,
    _ticker: Ticker,
}

impl Host {
    /// Starts the engine.
    ///
    /// # Errors
    /// The machine or the cache folder does not allow it.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        clock::start();
        let engine = engine::start(&config)?;
        let linker = imports::linker(&engine).map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(&engine)?;
        let middleware = middleware::Lazy::new(config.clone());
        let kv = match config.kv_dir {
            None => Kv::default(),
            Some(path) => Kv::open(&path).map_err(|reason| HostError::Kv { path, reason })?,
        };
        let shared = Shared {
            engine,
            linker,
            log: config.log,
            secrets: config.secrets,
            generations: Generations::default(),
            compilations: Compilations::default(),
            middleware,
            metrics: Metrics::default(),
            kv,
            room: Room::new(engine::room(config.workers)),
            _ticker: ticker,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes a filter of an artifact: parse, check world, imports and grants, compile, link, instantiate,
    /// `validate-config`, `configure`. Blocks (compiling takes up to seconds): call it off the I/O threads.
    ///
    /// # Errors
    /// What is wrong, with filter, phase and reason.
    pub fn load(&self, artifact: &Artifact) -> Result<Arc<Filter>, LoadError> {
        let publication = artifact.publication();
        self.try_load(artifact).map_err(|fault| LoadError {
            filter: publication.name.clone(),
            version: publication.version,
            fault,
        })
    }

    /// Checks and compiles only. Loads of the same component find it compiled for as long as the answer lives.
    ///
    /// # Errors
    /// What is wrong, with filter, phase and reason.
    pub fn prepare(&self, artifact: &Artifact) -> Result<Prepared, LoadError> {
        let publication = artifact.publication();
        let begun = Instant::now();
        let code = self.compile(artifact);
        let fault = |fault| LoadError { filter: publication.name.clone(), version: publication.version, fault };
        Ok(Prepared { _code: code.map_err(fault)?, time: begun.elapsed() })
    }

    fn try_load(&self, artifact: &Artifact) -> Result<Arc<Filter>, LoadFault> {
        let publication = artifact.publication();
        let filter = Filter::new(self.clone(), Arc::clone(publication), self.compile(artifact)?);
        if filter.runs_beside() {
            filter.subscribe(middleware::try_out(&filter)?);
            return Ok(filter);
        }
        let mut instance = Instance::instantiate(&filter)?;
        let problems = instance.validate()?;
        if !problems.is_empty() {
            return Err(LoadFault::Config { problems });
        }
        filter.subscribe(instance.configure()?);
        Ok(filter)
    }

    fn compile(&self, artifact: &Artifact) -> Result<Code, LoadFault> {
        match component::check(artifact.component(), &artifact.publication().grants)? {
            World::Filter => {
                let compile = || compiled::compile(artifact, self.engine(), &self.shared.linker);
                self.shared.compilations.of(artifact, compile).map(Code::Events)
            }
            World::StreamFilter => self.shared.middleware.start()?.compile_stream(artifact).map(Code::Streaming),
            World::Middleware => self.shared.middleware.start()?.compile(artifact).map(Code::Middleware),
        }
    }

    /// Forgets what a filter keeps. For those who try filters out.
    pub fn forget(&self, name: &Name) {
        self.shared.kv.forget(name);
    }

    /// Live generations by filter name: more than one while exchanges of an older one are in flight.
    pub fn generations(&self) -> Vec<(Name, u64)> {
        self.shared.generations.count()
    }

    pub(crate) fn new_generation(&self, name: &Name) -> Generation {
        self.shared.generations.begin(name)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn kv(&self) -> &Kv {
        &self.shared.kv
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.shared.room
    }

    pub(crate) fn has_secret(&self, secret: &Name) -> bool {
        self.shared.secrets.as_ref().is_some_and(|secrets| secrets.has(secret))
    }

    pub(crate) fn concurrent_engine(&self) -> &Engine {
        self.shared.middleware.started().engine()
    }

    pub(crate) fn concurrent_room(&self) -> &Arc<Room> {
        self.shared.middleware.started().room()
    }

    pub(crate) fn log(&self) -> &Arc<dyn LogSink> {
        &self.shared.log
    }
}
