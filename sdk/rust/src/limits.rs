//! What this filter may use, as its publication says. A native build has the defaults.

use crate::imports;

/// CPU time of one hook, milliseconds.
pub fn cpu_ms() -> u32 {
    imports::cpu_ms()
}

/// Linear memory of an instance, bytes.
pub fn memory_bytes() -> f64 {
    imports::memory_bytes()
}

/// What [`Subscription::max_buffer`](crate::Subscription::max_buffer) is capped to, bytes.
pub fn buffer_bytes() -> u32 {
    imports::buffer_bytes()
}

/// What one answer may hold, bytes.
pub fn answer_bytes() -> u32 {
    imports::answer_bytes()
}
