//! The engine and everything that filters of one agent share.

use std::{path::PathBuf, sync::Arc};

use uuid::Uuid;
use weir_artifact::{Artifact, Name};

use crate::{Filter, LoadError, LoadFault};

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

/// What a host needs to know.
#[derive(Clone)]
pub struct HostConfig {
    /// Keeps compiled components between starts; none to compile each time. Made with mode 0700.
    pub cache_dir: Option<PathBuf>,
    /// Worker threads that will have [`crate::Instances`].
    pub workers: usize,
    /// Takes filters' log lines.
    pub log: Arc<dyn LogSink>,
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
    /// The ticker thread cannot be made.
    #[error("the thread that limits CPU time cannot be started: {0}")]
    Ticker(std::io::Error),
}

/// Compiles filters and owns what they share: engine, linker, compile cache and the thread that limits CPU time. Cheap
/// to clone.
#[derive(Clone)]
pub struct Host {
    _config: Arc<HostConfig>,
}

impl Host {
    /// Starts the engine.
    ///
    /// # Errors
    /// The machine or the cache folder does not allow it.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        Ok(Self { _config: Arc::new(config) })
    }

    /// Makes a filter of an artifact: parse, check world, imports and grants, compile, link, instantiate,
    /// `validate-config`, `configure`. Blocks (compiling takes up to seconds): call it off the I/O threads.
    ///
    /// # Errors
    /// What is wrong, with filter, phase and reason.
    pub fn load(&self, artifact: &Artifact) -> Result<Arc<Filter>, LoadError> {
        let publication = artifact.publication();
        Err(LoadError { filter: publication.name.clone(), version: publication.version, fault: LoadFault::NotWasm })
    }

    /// Live generations by filter name: more than one while exchanges of an older one are in flight.
    pub fn generations(&self) -> Vec<(Name, u64)> {
        Vec::new()
    }
}
