//! How many log lines a filter may write: whole seconds, counted over all workers.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// Admits so many lines in each second.
#[derive(Debug)]
pub(crate) struct LogRate {
    limit: u32,
    begin: Instant,
    /// The second since `begin` in the upper half, lines asked for within it in the lower.
    window: AtomicU64,
}

impl LogRate {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, begin: Instant::now(), window: AtomicU64::new(0) }
    }

    /// None: over the limit. Otherwise how many lines were lost in the last window that had any, to be told once.
    pub(crate) fn admit(&self) -> Option<u32> {
        self.admit_at(self.begin.elapsed().as_secs())
    }

    fn admit_at(&self, second: u64) -> Option<u32> {
        let before = self
            .window
            .fetch_update(Relaxed, Relaxed, |window| {
                let same = window >> 32 == second;
                Some(if same { window.saturating_add(1) } else { second << 32 | 1 })
            })
            .unwrap_or_else(|window| window);
        let count = before as u32;
        if before >> 32 != second {
            return (self.limit > 0).then(|| count.saturating_sub(self.limit));
        }
        (count < self.limit).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_admits_its_share_and_tells_what_was_lost() {
        let rate = LogRate::new(2);
        let asked = [0, 0, 0, 0, 1, 1, 1, 5];
        let admitted: Vec<_> = asked.into_iter().map(|second| rate.admit_at(second)).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None, Some(2), Some(0), None, Some(1)]);
    }

    #[test]
    fn a_limit_of_none_admits_none() {
        let rate = LogRate::new(0);
        assert_eq!((rate.admit_at(0), rate.admit_at(1)), (None, None));
    }
}
