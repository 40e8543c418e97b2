//! A change and its entry in the audit trail are in one transaction: whatever ends an orchestrator in between, both are there or
//! neither.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering::Relaxed},
};

use super::{Audited, StoreError, sql::Transaction};
use crate::clock::now_us;

/// What somebody asks to have changed, as the audit trail is to tell it. Clones are of the same deed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deed {
    /// None where nobody asked, such as retention.
    entry: Option<Arc<Audited>>,
    /// What the address does not say.
    given: Option<String>,
    /// HTTP status of the answer when it is done.
    status: u16,
    /// That of the entry that is in the trail; 0 while there is none.
    told: Arc<AtomicU16>,
}

impl Deed {
    /// `entry` has who asks for what; its time and status are those of the change.
    pub(crate) fn new(entry: Audited) -> Self {
        Self { entry: Some(Arc::new(entry)), ..Self::default() }
    }

    /// The same, when it is answered with this status if it is done.
    pub(crate) fn answered(&self, status: u16) -> Self {
        Self { status, ..self.clone() }
    }

    /// The same, with what somebody is given by it, which the address does not say.
    pub(crate) fn giving(self, given: String) -> Self {
        Self { given: Some(given), ..self }
    }

    /// The entry with this status, unless it is in the trail.
    pub(crate) fn untold(&self, status: u16) -> Option<Audited> {
        let entry = self.entry.as_deref().filter(|_| self.told.load(Relaxed) != status)?;
        let object = match &self.given {
            Some(given) => format!("{} {given}", entry.object),
            None => entry.object.clone(),
        };
        Some(Audited { at_us: now_us(), object, status, ..entry.clone() })
    }

    /// Ends the transaction in which it was done, with its entry; of what is done in several, with the first.
    pub(super) async fn commit(&self, mut transaction: Transaction) -> Result<(), StoreError> {
        if let Some(entry) = self.untold(self.status) {
            entry.sql().execute(&mut transaction).await?;
        }
        transaction.commit().await?;
        self.told.store(self.status, Relaxed);
        Ok(())
    }
}
