//! `agent filter inspect`: takes a file apart, and really compiles and starts it.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use weir_adapter::Anatomy;
use weir_artifact::{Artifact, Digest, Publication};
use weir_host::{Hooks, Host, HostConfig, LoadError, LoadFault, Problem, Subscription};

use super::{Fault, file, portrait::Portrait, say};
use crate::filters::FilterLog;

/// Say what a file is, what it asks for, and whether an agent would load it
///
/// It is really compiled and started, in a host as an agent has it, with every capability granted. The exit code is 1 when no
/// agent would load it.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The component
    file: PathBuf,
    /// Configuration to start it with: JSON, or NAME.toml as it stands beside a component [default: {}]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What a host made of it.
pub(super) struct Loaded {
    /// Checking and compiling.
    pub(super) compile: Duration,
    /// Instantiating and looking at its configuration.
    pub(super) start: Duration,
    /// What it asked to see, or what is wrong with its configuration.
    pub(super) configured: Result<(Subscription, Hooks), Vec<Problem>>,
}

impl Inspect {
    pub(super) fn run(self) -> Result<bool, Fault> {
        let bytes = file::read(&self.file)?;
        let publication = file::publication(&self.file, self.config.as_deref())?;
        let limits = publication.limits.clone();
        let portrait = Portrait {
            file: self.file.display().to_string(),
            size: bytes.len() as u64,
            digest: Digest::of(&bytes),
            limits,
            anatomy: Anatomy::of(&bytes),
            loaded: load(publication, bytes)?,
        };
        say(&if self.json { portrait.json() } else { portrait.text() })?;
        Ok(match &portrait.loaded {
            Ok(loaded) => loaded.configured.is_ok() || self.config.is_none(),
            Err(_) => false,
        })
    }
}

fn load(publication: Publication, bytes: Vec<u8>) -> Result<Result<Loaded, LoadError>, Fault> {
    let artifact = Artifact::from_trusted_file(publication, bytes).map_err(|error| Fault::Usage(error.to_string()))?;
    let host = Host::new(HostConfig {
        cache_dir: None,
        kv_dir: None,
        workers: 1,
        log: Arc::new(FilterLog::default()),
        secrets: None,
    })?;
    let prepared = match host.prepare(&artifact) {
        Ok(prepared) => prepared,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let begun = Instant::now();
    let loaded = host.load(&artifact);
    let start = begun.elapsed();
    let configured = match loaded {
        Ok(filter) => Ok((filter.subscription(), filter.hooks())),
        Err(LoadError { fault: LoadFault::Config { problems }, .. }) => Err(problems),
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(Ok(Loaded { compile: prepared.time(), start, configured }))
}
