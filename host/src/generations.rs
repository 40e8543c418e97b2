//! How many generations of each filter are alive: more than one while exchanges of an older one are in flight.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use weir_artifact::Name;

/// Live generations by filter.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    live: Mutex<BTreeMap<Name, Arc<()>>>,
    next: AtomicU64,
}

/// One live generation: counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Generation {
    id: u64,
    _counted: Arc<()>,
}

impl Generation {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Generations {
    pub(crate) fn begin(&self, name: &Name) -> Generation {
        let counted = Arc::clone(self.live().entry(name.clone()).or_default());
        Generation { id: self.next.fetch_add(1, Relaxed), _counted: counted }
    }

    pub(crate) fn count(&self) -> Vec<(Name, u64)> {
        let mut live = self.live();
        live.retain(|_, counted| Arc::strong_count(counted) > 1);
        live.iter().map(|(name, counted)| (name.clone(), Arc::strong_count(counted) as u64 - 1)).collect()
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<()>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
