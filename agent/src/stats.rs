//! Counters: one update per event, from the one place where it happens.

/// Shared by all workers.
#[derive(Default)]
pub struct Stats {}
