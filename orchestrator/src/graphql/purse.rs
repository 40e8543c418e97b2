//! How much one answer may carry: a question is small, however often it asks for the same. And few answers that may carry much
//! are made at a time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::{Mutex, MutexGuard, OnceCell, OwnedSemaphorePermit, Semaphore};

use super::fault::Fault;
use crate::rest::Problem;

/// Of what it says, and of messages and samples that it is read from, bytes.
const MOST: usize = 16 << 20;
/// Answers that hold whole messages, or may come to many values, at a time; and those of one name, so that one is left for others.
const WHOLE: usize = 4;
const EACH: usize = WHOLE - 1;

/// What an answer may still carry, and its turn once it holds something.
pub(super) struct Purse {
    left: AtomicUsize,
    turn: OnceCell<[OwnedSemaphorePermit; 2]>,
    search: Mutex<()>,
}

/// Of all answers, and of those of each name.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    names: parking_lot::Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(WHOLE)), names: parking_lot::Mutex::default() }
    }
}

impl Turns {
    fn of(&self, name: &str) -> Arc<Semaphore> {
        let mut names = self.names.lock();
        if let Some(turns) = names.get(name).and_then(Weak::upgrade) {
            return turns;
        }
        names.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(EACH));
        names.insert(name.to_owned(), Arc::downgrade(&turns));
        turns
    }

    /// First among those of this name, then among all.
    async fn take(&self, name: &str) -> Result<[OwnedSemaphorePermit; 2], Problem> {
        let own = self.of(name).acquire_owned().await.map_err(|_| Problem::unavailable())?;
        let all = Arc::clone(&self.all).acquire_owned().await.map_err(|_| Problem::unavailable())?;
        Ok([own, all])
    }
}

impl Default for Purse {
    fn default() -> Self {
        Self { left: AtomicUsize::new(MOST), turn: OnceCell::new(), search: Mutex::new(()) }
    }
}

impl Purse {
    /// So many bytes go into the answer, or into memory for it.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Fault> {
        let spent = self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
        spent.map(drop).map_err(|_| Fault::too_much(MOST >> 20))
    }

    /// Waits until no other part of the question searches.
    pub(super) async fn search(&self) -> MutexGuard<'_, ()> {
        self.search.lock().await
    }

    /// Waits for the turn of whoever asks, which lasts as long as the purse.
    pub(super) async fn turn(&self, turns: &Turns, name: &str) -> Result<(), Fault> {
        self.turn.get_or_try_init(|| turns.take(name)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn what_is_spent_is_gone() {
        let purse = Purse::default();
        assert!(purse.spend(MOST).is_ok() && purse.spend(0).is_ok());
        assert!(purse.spend(1).is_err());
    }

    #[tokio::test]
    async fn a_turn_lasts_as_long_as_the_purse_and_is_taken_once() {
        let turns = Turns::default();
        let mut purses: Vec<Purse> = (0..EACH).map(|_| Purse::default()).collect();
        for purse in &purses {
            assert!(purse.turn(&turns, "a").await.is_ok() && purse.turn(&turns, "a").await.is_ok());
        }
        assert_eq!(turns.all.available_permits(), WHOLE - EACH);
        purses.pop();
        assert_eq!(turns.all.available_permits(), WHOLE - EACH + 1);
    }

    #[tokio::test]
    async fn whoever_asks_for_much_leaves_a_turn_for_others() {
        let turns = Turns::default();
        let purses: Vec<Purse> = (0..=EACH).map(|_| Purse::default()).collect();
        let all = futures_util::future::join_all(purses.iter().map(|purse| purse.turn(&turns, "a")));
        assert!(timeout(Duration::from_millis(50), all).await.is_err(), "one of them waits");
        let other = Purse::default();
        assert!(timeout(Duration::from_secs(60), other.turn(&turns, "b")).await.expect("it waits").is_ok());
        drop((purses, other));
        assert_eq!(turns.all.available_permits(), WHOLE);
        drop(turns.of("c"));
        assert_eq!(turns.names.lock().len(), 1, "of who is gone nothing is kept");
    }
}
