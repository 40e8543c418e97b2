//! From an artifact to an active filter: load off the I/O threads, an instance on every worker, then one atomic store.
//! The only way by which a filter becomes active, wherever it comes from. A fault leaves everything as it was.

use std::sync::Arc;

use weir_artifact::{Artifact, Name};
use weir_host::{Filter, LoadError};
use weir_query::QueryError;

use super::{Active, Clash, Source};
use crate::{memory, worker::Shared};

/// Why an artifact does not become active. The publisher is to blame, or for a clash the operator.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    #[error("its match is wrong: {0}")]
    Match(#[from] QueryError),
    #[error(transparent)]
    Clash(#[from] Clash),
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A fault of ours, contained.
    #[error("loading it ended abnormally: {0}")]
    Crashed(#[from] tokio::task::JoinError),
}

impl SwapError {
    /// The step that refused it, as in the protocol's `FilterOutcome`.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Match(_) => "match",
            Self::Clash(_) => "name",
            Self::Load(error) => error.phase(),
            Self::Crashed(_) => "load",
        }
    }

    /// Only the fault, where the filter's name is said beside it anyway.
    pub fn reason(&self) -> String {
        match self {
            Self::Load(error) => error.reason(),
            other => other.to_string(),
        }
    }
}

/// Makes the artifact's filter active in place of the one of its name.
///
/// # Errors
/// The step that failed; what was active still is.
pub async fn swap(shared: &Shared, artifact: Artifact, source: Source) -> Result<Arc<Filter>, SwapError> {
    Active::check_queries(artifact.publication())?;
    shared.active.check_name(&artifact.publication().name, source)?;
    let host = shared.host.clone();
    let load = move || {
        let loaded = host.load(&artifact);
        memory::give_back();
        loaded
    };
    let filter = tokio::task::spawn_blocking(load).await??;
    if let Err(error) = shared.orders.warm(&filter).await {
        // the workers where it did start are to let go of it
        shared.orders.keep(&shared.active.load().chain);
        return Err(error.into());
    }
    // last of all, since it takes from the one before what that one falls back to
    let filter = match shared.active.find(filter.name()) {
        Some(previous) if filter.publication().falls_back() => filter.with_fallback(&previous),
        _ => filter,
    };
    let snapshot = shared.active.put(Arc::clone(&filter), source)?;
    shared.orders.keep(&snapshot.chain);
    Ok(filter)
}

/// Takes a filter out of the chain; false if this source has none of that name.
pub fn remove(shared: &Shared, name: &Name, source: Source) -> bool {
    let snapshot = shared.active.remove(name, source);
    if let Some(snapshot) = &snapshot {
        shared.orders.keep(&snapshot.chain);
    }
    snapshot.is_some()
}
