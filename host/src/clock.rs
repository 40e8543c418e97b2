//! Cheap time for hooks: the processor's time stamp counter where there is one (a third of the cost of a clock read),
//! scaled against the monotonic clock only when somebody looks at a counter.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

static START: OnceLock<(Instant, u64)> = OnceLock::new();

/// Begins the scale; the longer ago this was, the more exact it is.
pub(crate) fn start() {
    START.get_or_init(|| (Instant::now(), ticks()));
}

/// A count that only grows, in a unit of its own.
#[cfg(target_arch = "x86_64")]
pub(crate) fn ticks() -> u64 {
    // SAFETY: RDTSC exists on every x86_64 processor and touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// A count that only grows, in a unit of its own.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn ticks() -> u64 {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    ORIGIN.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// How long so many ticks are.
pub(crate) fn duration(count: u64) -> Duration {
    let Some((instant, tick)) = START.get() else { return Duration::ZERO };
    let ticks = ticks().saturating_sub(*tick).max(1);
    Duration::from_secs_f64(instant.elapsed().as_secs_f64() * (count as f64 / ticks as f64))
}

/// How many ticks so long a time is. Waits until the scale is old enough to be exact to a percent.
pub(crate) fn ticks_of(time: Duration) -> u64 {
    let Some((instant, tick)) = START.get() else { return u64::MAX };
    while instant.elapsed() < Duration::from_millis(1) {
        std::hint::spin_loop();
    }
    let ratio = ticks().saturating_sub(*tick) as f64 / instant.elapsed().as_secs_f64();
    (time.as_secs_f64() * ratio) as u64
}

/// Milliseconds since the scale began.
pub(crate) fn since_start() -> f64 {
    START.get().map_or(0.0, |(instant, _)| instant.elapsed().as_secs_f64() * 1000.0)
}

/// CPU time this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write one timespec to.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(done, 0, "Linux has a CPU clock for every thread");
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
