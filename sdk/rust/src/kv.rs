//! A store of the filter's own, by key: its versions and instances share one on each agent, and it survives swaps and
//! restarts. The publication has to grant `kv`; its limits `kv_entries` and `kv_bytes` bound the store.
//!
//! ```
//! use std::time::Duration;
//! use weir_sdk::kv;
//!
//! fn is_over(client: &str) -> bool {
//!     // in this minute
//!     kv::add(&format!("seen:{client}"), 1.0, Some(Duration::from_secs(60))).is_ok_and(|seen| seen > 100.0)
//! }
//! assert!(!is_over("192.0.2.7"));
//! ```

use std::{fmt, time::Duration};

use crate::imports;

/// What is kept under a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Changes with each write of the key.
    pub version: f64,
}

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvError {
    /// A key is 1 to 512 bytes, a value at most 64 KiB.
    TooLarge,
    /// The filter's store is full.
    Full,
    /// [`add`] to a value that is no number.
    NotANumber,
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the key or the value is too large",
            Self::Full => "the filter's store is full",
            Self::NotANumber => "the value is no number",
        })
    }
}

impl std::error::Error for KvError {}

/// What is there.
pub fn get(key: &str) -> Option<Entry> {
    imports::kv_get(key)
}

/// Keeps a value, for so long or until it is deleted.
///
/// # Errors
/// Nothing changed.
pub fn set(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
    imports::kv_set(key, value, milliseconds(ttl))
}

/// Keeps a value if the entry has this version still; `None`: if there is no entry. Whether it was kept.
///
/// # Errors
/// Nothing changed.
pub fn compare_and_set(key: &str, version: Option<f64>, value: &[u8], ttl: Option<Duration>) -> Result<bool, KvError> {
    imports::kv_compare_and_set(key, version, value, milliseconds(ttl))
}

/// Whether there was one.
pub fn delete(key: &str) -> bool {
    imports::kv_delete(key)
}

/// Adds to a number, and gives the sum. An absent one counts as 0 and lives for `ttl`; one that is there keeps its time.
///
/// # Errors
/// Nothing changed.
pub fn add(key: &str, by: f64, ttl: Option<Duration>) -> Result<f64, KvError> {
    imports::kv_add(key, by, milliseconds(ttl))
}

fn milliseconds(ttl: Option<Duration>) -> Option<f64> {
    ttl.map(|ttl| ttl.as_secs_f64() * 1000.0)
}
