//! Stops a version that fails again and again. It never weakens the failure policy: what it answers with is the policy.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// Failed exchanges in a row that open the breaker.
const THRESHOLD: u32 = 20;
/// Milliseconds to the first trial; doubled with each that fails.
const FIRST_PAUSE: u64 = 1_000;
const LONGEST_PAUSE: u64 = 60_000;

/// Counts failed exchanges in a row, over all workers.
#[derive(Debug)]
pub(crate) struct Breaker {
    begin: Instant,
    failures: AtomicU32,
    /// When the next exchange may try again, in milliseconds since `begin`.
    retry: AtomicU64,
    pause: AtomicU64,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self { begin: Instant::now(), failures: AtomicU32::new(0), retry: AtomicU64::new(0), pause: AtomicU64::new(0) }
    }

    /// May an exchange meet the filter? While open: one, after each pause.
    pub(crate) fn admits(&self) -> bool {
        !self.is_open() || self.try_again(self.now())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.failures.load(Relaxed) >= THRESHOLD
    }

    /// An exchange got through the filter.
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// The filter failed an exchange.
    pub(crate) fn failed(&self) {
        self.failed_at(self.now());
    }

    fn failed_at(&self, now: u64) {
        let before = self.failures.fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_add(1)));
        if before == Ok(THRESHOLD - 1) {
            self.pause.store(FIRST_PAUSE, Relaxed);
            self.retry.store(now + FIRST_PAUSE, Relaxed);
        }
    }

    /// The next pause begins with the trial and not with its failure: a trial may last as long as a WebSocket.
    fn try_again(&self, now: u64) -> bool {
        let retry = self.retry.load(Relaxed);
        let pause = (self.pause.load(Relaxed) * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        if now < retry || self.retry.compare_exchange(retry, now + pause, Relaxed, Relaxed).is_err() {
            return false;
        }
        self.pause.store(pause, Relaxed);
        true
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(breaker: &Breaker, now: u64) {
        for _ in 0..THRESHOLD {
            assert!(!breaker.is_open());
            breaker.failed_at(now);
        }
        assert!(breaker.is_open());
    }

    #[test]
    fn one_trial_after_each_pause_and_pauses_grow() {
        let breaker = Breaker::new();
        open(&breaker, 0);
        assert!(!breaker.try_again(FIRST_PAUSE - 1));
        assert!(breaker.try_again(FIRST_PAUSE));
        assert!(!breaker.try_again(FIRST_PAUSE));
        breaker.failed_at(FIRST_PAUSE);
        assert!(!breaker.try_again(3 * FIRST_PAUSE - 1));
        assert!(breaker.try_again(3 * FIRST_PAUSE));
    }

    #[test]
    fn a_success_closes_it_and_the_count_begins_again() {
        let breaker = Breaker::new();
        open(&breaker, 0);
        breaker.succeeded();
        open(&breaker, 10);
    }
}
