//! What one filter may use. Every bound has a default that is stated here and nowhere else.

use serde::{Deserialize, Serialize};

/// Bounds on one filter, part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory of one instance, bytes. Default 64 MiB.
    pub memory_bytes: u32,
    /// CPU time of one hook, milliseconds. Default 50.
    pub cpu_ms: u32,
    /// CPU time of instantiation with `configure` or `validate-config`, milliseconds. Default 2,000.
    pub startup_ms: u32,
    /// The most that `buffer` or `hold-for-body` may keep of one body, bytes. Default 1 MiB.
    pub buffer_bytes: u32,
    /// The most that one answer of a hook may carry (replaced chunk, local response) or one log line, bytes. Default 4 MiB.
    pub answer_bytes: u32,
    /// Log lines per second and agent; more are counted, not written. Default 100.
    pub log_lines_per_second: u32,
    /// A shared instance is replaced after this many exchanges. Default 1,000,000.
    pub recycle_exchanges: u32,
    /// A shared instance is replaced when its linear memory exceeds this, bytes. Default 32 MiB.
    pub recycle_bytes: u32,
    /// Exchanges that may be in flight on one shared instance: what one trap can end. Default 10,000.
    pub exchanges_per_instance: u32,
    /// Entries that the filter keeps in its store on one agent. Default 10,000.
    pub kv_entries: u32,
    /// Keys and values that it keeps there, bytes. Default 4 MiB.
    pub kv_bytes: u32,
    /// How long a `wasi:http` middleware may do nothing while its exchange waits for it and for nobody else, milliseconds.
    /// Default 30,000.
    pub stall_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            cpu_ms: 50,
            startup_ms: 2_000,
            buffer_bytes: 1 << 20,
            answer_bytes: 4 << 20,
            log_lines_per_second: 100,
            recycle_exchanges: 1_000_000,
            recycle_bytes: 32 << 20,
            exchanges_per_instance: 10_000,
            kv_entries: 10_000,
            kv_bytes: 4 << 20,
            stall_ms: 30_000,
        }
    }
}

/// A bound that no filter can work under or that an agent does not give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limits.{field} is {value}: it must be {low} to {high}")]
pub struct LimitsError {
    field: &'static str,
    value: u32,
    low: u32,
    high: u32,
}

impl Limits {
    /// Checks each bound against the range that agents give.
    ///
    /// # Errors
    /// The first bound out of its range.
    pub fn check(&self) -> Result<(), LimitsError> {
        let ranges = [
            ("memory_bytes", self.memory_bytes, 64 << 10, 256 << 20),
            ("cpu_ms", self.cpu_ms, 1, 10_000),
            ("startup_ms", self.startup_ms, 1, 60_000),
            ("buffer_bytes", self.buffer_bytes, 0, 64 << 20),
            ("answer_bytes", self.answer_bytes, 1, 64 << 20),
            ("log_lines_per_second", self.log_lines_per_second, 0, 100_000),
            ("recycle_exchanges", self.recycle_exchanges, 1, u32::MAX),
            ("recycle_bytes", self.recycle_bytes, 64 << 10, u32::MAX),
            ("exchanges_per_instance", self.exchanges_per_instance, 1, 60_000),
            ("kv_entries", self.kv_entries, 0, 1_000_000),
            ("kv_bytes", self.kv_bytes, 0, 256 << 20),
            ("stall_ms", self.stall_ms, 100, 3_600_000),
        ];
        for (field, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(LimitsError { field, value, low, high });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_own_ranges() {
        Limits::default().check().unwrap();
    }

    #[test]
    fn the_fault_names_field_and_range() {
        let fault = Limits { cpu_ms: 0, ..Limits::default() }.check().unwrap_err();
        assert_eq!(fault.to_string(), "limits.cpu_ms is 0: it must be 1 to 10000");
    }
}
