//! The time. The publication has to grant `clock`.

use crate::imports;

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> f64 {
    imports::now()
}

/// Milliseconds since some moment before; never goes back.
pub fn monotonic_ms() -> f64 {
    imports::monotonic()
}
