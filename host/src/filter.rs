//! One generation of one filter.

use std::sync::{Arc, Mutex, OnceLock};

use weir_artifact::{Digest, Name, Publication};

use crate::{FilterStats, Subscription};

/// One generation of one filter: compiled, linked and configured, but without state. Workers make instances of it.
#[derive(Debug)]
pub struct Filter {
    publication: Arc<Publication>,
    subscription: OnceLock<Subscription>,
    stats: FilterStats,
    fallback: Mutex<Option<Arc<Filter>>>,
}

impl Filter {
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

    /// Names the generation that new exchanges meet while this one's breaker is open; only for the failure policy
    /// `last-good`, else it does nothing. If `previous` is itself broken, what it falls back to is taken.
    #[must_use]
    pub fn with_fallback(self: Arc<Self>, previous: &Arc<Filter>) -> Arc<Self> {
        if let Ok(mut fallback) = self.fallback.lock() {
            *fallback = Some(Arc::clone(previous));
        }
        self
    }
}
