//! Samples that the orchestrator does not have yet. Enters: each as it was taken; leaves: the oldest of them, until they are
//! acknowledged. Counted, not told by their times: a clock may jump back, and two samples may have one time. Bounded: the oldest
//! go first.

use std::collections::VecDeque;

use weir_proto::v1::SystemMetrics;

#[derive(Default)]
pub(super) struct Kept {
    samples: VecDeque<SystemMetrics>,
    /// how many there were before the first
    gone: u64,
}

impl Kept {
    /// One more, at the cost of the oldest where there are so many already.
    pub(super) fn push(&mut self, sample: SystemMetrics, most: usize) {
        while self.samples.len() >= most.max(1) {
            self.samples.pop_front();
            self.gone += 1;
        }
        self.samples.push_back(sample);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The oldest, at most so many, and what [`Self::told`] is to be called with.
    pub(super) fn first(&self, most: usize) -> (Vec<SystemMetrics>, u64) {
        let first: Vec<_> = self.samples.iter().take(most).cloned().collect();
        let up_to = self.gone + first.len() as u64;
        (first, up_to)
    }

    /// These, and those before them, have arrived.
    pub(super) fn told(&mut self, up_to: u64) {
        while self.gone < up_to && self.samples.pop_front().is_some() {
            self.gone += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_us: u64) -> SystemMetrics {
        SystemMetrics { at_us, ..SystemMetrics::default() }
    }

    fn times(kept: &Kept) -> Vec<u64> {
        kept.first(100).0.iter().map(|sample| sample.at_us).collect()
    }

    #[test]
    fn a_clock_that_jumps_back_loses_nothing_and_repeats_nothing() {
        let mut kept = Kept::default();
        kept.push(at(100), 9);
        let (batch, up_to) = kept.first(9);
        assert_eq!(batch.len(), 1);
        // before the answer is there, the clock is set back
        kept.push(at(50), 9);
        kept.told(up_to);
        assert_eq!(times(&kept), [50]);
        kept.push(at(40), 9);
        let (_, up_to) = kept.first(9);
        kept.told(up_to);
        assert!(kept.is_empty(), "{:?}", times(&kept));
    }

    #[test]
    fn what_was_dropped_while_it_was_on_its_way_is_not_taken_for_what_came_after() {
        let mut kept = Kept::default();
        (0..3).for_each(|n| kept.push(at(n), 3));
        let (_, up_to) = kept.first(2);
        (3..5).for_each(|n| kept.push(at(n), 3));
        kept.told(up_to);
        assert_eq!(times(&kept), [2, 3, 4]);
        // and a smaller bound is kept from then on
        kept.push(at(5), 1);
        assert_eq!(times(&kept), [5]);
    }
}
