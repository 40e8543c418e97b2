//! What one generation of a filter has done and cost, summed over all workers.
//!
//! Instances count for themselves and add up here at the end of each exchange, so that workers seldom touch the same
//! cache line.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{FailureKind, clock, failure::LABELS};

/// Counters of one generation of a filter.
#[derive(Debug, Default)]
pub struct FilterStats {
    calls: AtomicU64,
    exchanges: AtomicU64,
    failures: [AtomicU64; FailureKind::COUNT],
    ticks: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    instances: AtomicU64,
    instances_made: AtomicU64,
    log_lines: AtomicU64,
    log_suppressed: AtomicU64,
    memory: AtomicU64,
    memory_peak: AtomicU64,
    times: [AtomicU64; BUCKETS],
}

/// Upper bounds of [`FilterStats::times`], microseconds; one more bucket has none.
pub const TIME_BOUNDS: [u32; BUCKETS - 1] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 20_000, 100_000];

pub(crate) const BUCKETS: usize = 14;

/// [`TIME_BOUNDS`] in ticks. Fixed when the first call is counted, so that no bound ever moves.
fn bounds() -> &'static [u64; BUCKETS - 1] {
    static TICKS: OnceLock<[u64; BUCKETS - 1]> = OnceLock::new();
    TICKS.get_or_init(|| TIME_BOUNDS.map(|micros| clock::ticks_of(Duration::from_micros(micros.into()))))
}

/// What an instance has counted since it last added up.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) ticks: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    times: [u32; BUCKETS],
}

impl Tally {
    /// One call, which took so many ticks.
    pub(crate) fn called(&mut self, ticks: u64) {
        self.calls += 1;
        self.ticks += ticks;
        let bucket = &mut self.times[bounds().partition_point(|bound| *bound < ticks)];
        *bucket = bucket.saturating_add(1);
    }
}

impl FilterStats {
    /// Calls into guests.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Exchanges that met a hook.
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Relaxed)
    }

    /// Failures by kind, each with its metric label.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LABELS.into_iter().zip(self.failures.iter().map(|count| count.load(Relaxed)))
    }

    /// Failures of one kind.
    pub fn failures_of(&self, kind: FailureKind) -> u64 {
        self.failures[kind.index()].load(Relaxed)
    }

    /// Time spent in hooks. Hooks never wait, so this is CPU time as far as the worker was not preempted.
    pub fn time(&self) -> Duration {
        clock::duration(self.ticks.load(Relaxed))
    }

    /// Calls by the time that each took: as many buckets as [`TIME_BOUNDS`] and one.
    pub fn times(&self) -> [u64; BUCKETS] {
        self.times.each_ref().map(|count| count.load(Relaxed))
    }

    /// Linear memory of the live instances, bytes, as of the end of the last exchange of each.
    pub fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    /// The most linear memory that one instance had, bytes.
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak.load(Relaxed)
    }

    /// Body bytes copied into guests.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Body bytes copied out of guests.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Relaxed)
    }

    /// Live instances.
    pub fn instances(&self) -> u64 {
        self.instances.load(Relaxed)
    }

    /// Instances ever made.
    pub fn instances_made(&self) -> u64 {
        self.instances_made.load(Relaxed)
    }

    /// Log lines written.
    pub fn log_lines(&self) -> u64 {
        self.log_lines.load(Relaxed)
    }

    /// Log lines over the limit: counted, not written.
    pub fn log_suppressed(&self) -> u64 {
        self.log_suppressed.load(Relaxed)
    }

    pub(crate) fn add(&self, tally: Tally) {
        self.calls.fetch_add(tally.calls, Relaxed);
        self.ticks.fetch_add(tally.ticks, Relaxed);
        for (count, more) in self.times.iter().zip(tally.times).filter(|(_, more)| *more != 0) {
            count.fetch_add(more.into(), Relaxed);
        }
        if tally.bytes_in != 0 {
            self.bytes_in.fetch_add(tally.bytes_in, Relaxed);
        }
        if tally.bytes_out != 0 {
            self.bytes_out.fetch_add(tally.bytes_out, Relaxed);
        }
    }

    pub(crate) fn exchange(&self) {
        self.exchanges.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self, kind: FailureKind) {
        self.failures[kind.index()].fetch_add(1, Relaxed);
    }

    /// An instance had `before` bytes of memory and has `now`.
    pub(crate) fn memory_changed(&self, before: u64, now: u64) {
        if before != now {
            self.memory.fetch_add(now.wrapping_sub(before), Relaxed);
            self.memory_peak.fetch_max(now, Relaxed);
        }
    }

    pub(crate) fn instance_made(&self) {
        self.instances.fetch_add(1, Relaxed);
        self.instances_made.fetch_add(1, Relaxed);
    }

    pub(crate) fn instance_gone(&self) {
        self.instances.fetch_sub(1, Relaxed);
    }

    pub(crate) fn logged(&self) {
        self.log_lines.fetch_add(1, Relaxed);
    }

    pub(crate) fn suppressed(&self) {
        self.log_suppressed.fetch_add(1, Relaxed);
    }
}
