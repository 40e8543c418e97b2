//! Something that there is little of, for all who ask. Whoever asks for much of it waits among their own first, so that some is left
//! for others.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// So much in all, and less for each name.
pub(crate) struct Fair {
    all: Arc<Semaphore>,
    each: usize,
    names: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Some of it, until it is dropped.
pub(crate) type Share = [OwnedSemaphorePermit; 2];

impl Fair {
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), each, names: Mutex::default() }
    }

    /// Waits for so much; whoever wants more than a name may have has all of that.
    pub(crate) async fn take(&self, name: &str, much: usize) -> Result<Share, AcquireError> {
        let much = u32::try_from(much.min(self.each)).unwrap_or(u32::MAX);
        let own = self.of(name).acquire_many_owned(much).await?;
        Ok([own, Arc::clone(&self.all).acquire_many_owned(much).await?])
    }

    fn of(&self, name: &str) -> Arc<Semaphore> {
        let mut names = self.names.lock();
        if let Some(own) = names.get(name).and_then(Weak::upgrade) {
            return own;
        }
        names.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.each));
        names.insert(name.to_owned(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn whoever_asks_for_much_leaves_some_for_others() {
        let fair = Fair::new(4, 3);
        let first = fair.take("a", 9).await.unwrap();
        assert!(timeout(Duration::from_millis(50), fair.take("a", 1)).await.is_err(), "it has what it may");
        let other = timeout(Duration::from_secs(60), fair.take("b", 1)).await.expect("it waits").unwrap();
        assert_eq!(fair.all.available_permits(), 0);
        drop(first);
        let again = timeout(Duration::from_secs(60), fair.take("a", 3)).await.expect("it waits").unwrap();
        drop((other, again));
        assert_eq!(fair.all.available_permits(), 4);
        let last = fair.take("c", 1).await.unwrap();
        assert_eq!(fair.names.lock().len(), 1, "of who is gone nothing is kept");
        drop(last);
    }
}
