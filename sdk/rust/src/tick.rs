//! Work by the clock.

use std::time::Duration;

use crate::Filter;

/// A filter that works by the clock, in each instance that a worker keeps; exported by
/// `weir_sdk::export!(MyFilter, with Tick)`. There is no exchange: logs, metrics, clocks and the store work here, calls, timers,
/// tags and secrets do not.
pub trait Tick: Filter {
    /// From one tick to the next, at least 100 ms. Asked once.
    fn interval(&self) -> Duration;

    /// The time has come. What was missed, because the worker was busy, is not made up for.
    fn tick(&self);
}
