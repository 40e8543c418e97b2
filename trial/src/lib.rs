//! Golden cases through a real host: a component and a case enter, what the filter made of the exchange and what that cost
//! leave. No network, and the limits of production. Must not know where components and cases come from.
#![deny(missing_docs)]

mod convert;
mod guests;
mod lines;
mod passage;
mod subject;
mod talk;
mod tunnel;

use std::{path::PathBuf, sync::Arc};

use tokio::runtime::Runtime;
use weir_artifact::{Artifact, ArtifactError, Name, Publication};
use weir_host::{Host, HostConfig, HostError, LoadError, SecretNames};

pub use convert::CaseFault;
pub use subject::{Report, Subject};

use lines::Lines;

/// A host to run cases in, for one thread.
pub struct Trial {
    host: Host,
    runtime: Runtime,
    lines: Arc<Lines>,
}

/// Every agent that a case thinks of has the secrets that the case names.
struct Any;

impl SecretNames for Any {
    fn has(&self, _: &Name) -> bool {
        true
    }
}

/// No case can be run: the component is to blame, or how it is to run.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Bounds or configuration are wrong.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// An agent would not load it.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Trial {
    /// Starts a host. `cache_dir` keeps what was compiled for the next one; none to compile anew.
    ///
    /// # Errors
    /// The machine or the cache folder does not allow it.
    pub fn start(cache_dir: Option<PathBuf>) -> Result<Self, HostError> {
        let lines = Arc::new(Lines::default());
        let log = Arc::<Lines>::clone(&lines);
        let host = Host::new(HostConfig { cache_dir, kv_dir: None, workers: 1, log, secrets: Some(Arc::new(Any)) })?;
        let runtime = guests::runtime().map_err(|error| HostError::Engine(format!("its timers: {error}")))?;
        Ok(Self { host, runtime, lines })
    }

    /// Checks and compiles a component, once for all cases. The failure policy does not count: a failure fails its case.
    ///
    /// # Errors
    /// No agent would load it.
    pub fn subject(&self, publication: Publication, component: Vec<u8>) -> Result<Subject<'_>, Unfit> {
        let artifact = Artifact::from_trusted_file(publication, component)?;
        let prepared = self.host.prepare(&artifact)?;
        Ok(Subject::new(self, artifact, prepared))
    }
}
