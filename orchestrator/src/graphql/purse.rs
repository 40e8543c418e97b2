//! How much one answer may carry: a question is small, however often it asks for the same. And few answers that may carry much
//! are made at a time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::fault::Fault;
use crate::{
    fair::{Fair, Share},
    rest::Problem,
};

/// Of what it says, and of messages and samples that it is read from, bytes.
const MOST: usize = 16 << 20;
/// Answers that hold whole messages, or may come to many values, at a time; and those of one name, so that one is left for others.
const WHOLE: usize = 4;
const EACH: usize = WHOLE - 1;

/// What an answer may still carry, and its turn once it holds something.
pub(super) struct Purse {
    left: AtomicUsize,
    turn: OnceCell<Share>,
    search: Mutex<()>,
}

/// Of all answers.
pub(super) struct Turns(Fair);

impl Default for Turns {
    fn default() -> Self {
        Self(Fair::new(WHOLE, EACH))
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
        let take = async || turns.0.take(name, 1).await.map_err(|_| Problem::unavailable());
        self.turn.get_or_try_init(take).await?;
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
        let next = Purse::default();
        assert!(timeout(Duration::from_millis(50), next.turn(&turns, "a")).await.is_err());
        purses.pop();
        assert!(timeout(Duration::from_secs(60), next.turn(&turns, "a")).await.expect("it waits").is_ok());
    }
}
