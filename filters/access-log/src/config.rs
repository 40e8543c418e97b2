//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;

/// What is written.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// A line for each exchange.
    pub lines: bool,
    /// Only those whose status is at least this, and those without a response.
    pub status_from: u16,
    /// Write queries: they often hold what is nobody's business.
    pub query: bool,
    /// Sums of so many milliseconds, too.
    pub sums_ms: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self { lines: true, status_from: 0, query: false, sums_ms: None }
    }
}
