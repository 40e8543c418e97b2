//! What one generation of a filter has done and cost, summed over all workers.
//!
//! Instances count for themselves and add up here at the end of each exchange, so that workers seldom touch the same
//! cache line.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
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
}

/// What an instance has counted since it last added up.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) ticks: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
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
