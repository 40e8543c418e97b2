//! Servers that a filter may call, as its publisher names them.

use serde::{Deserialize, Serialize};

/// Most upstreams of one filter.
pub(crate) const UPSTREAMS: usize = 32;

/// Longest URL, in bytes.
const URL_BYTES: usize = 2048;

/// A server that a filter may send requests to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// `http://` or `https://`, host, port if it is not the scheme's, and a path below which every request goes. Neither
    /// user information nor query nor fragment.
    pub url: String,
    /// A call that takes longer fails, milliseconds. Default 5,000.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
    /// A response whose content is longer fails, bytes. Default 1 MiB.
    #[serde(default = "max_bytes")]
    pub max_bytes: u32,
}

fn timeout_ms() -> u32 {
    5_000
}

fn max_bytes() -> u32 {
    1 << 20
}

/// The upstream cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFault {
    /// Not a URL that requests can be sent to.
    #[error("url is `{0}`: http:// or https://, a host, and at most a port and a path, in visible ASCII")]
    Url(String),
    /// A bound out of range.
    #[error("{field} is {value}: it must be {low} to {high}")]
    Bound {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u32,
        /// The least it may be.
        low: u32,
        /// The most it may be.
        high: u32,
    },
}

impl Upstream {
    /// An upstream at a URL, with the bounds that are the default.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), timeout_ms: timeout_ms(), max_bytes: max_bytes() }
    }

    /// Checks URL and bounds.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), UpstreamFault> {
        if !is_url(&self.url) {
            let shown = self.url.chars().take(200).flat_map(char::escape_debug).collect();
            return Err(UpstreamFault::Url(shown));
        }
        let bounds = [("timeout_ms", self.timeout_ms, 1, 60_000), ("max_bytes", self.max_bytes, 0, 16 << 20)];
        for (field, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                return Err(UpstreamFault::Bound { field, value, low, high });
            }
        }
        Ok(())
    }
}

fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest.filter(|_| url.len() <= URL_BYTES) else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@\\<>\"^`{|}".contains(&byte));
    plain && !host.is_empty() && !host.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_requests_can_be_sent_to_is_a_url() {
        for good in ["http://a", "https://a.example:8443/keys/v1", "http://[::1]:80", "http://192.0.2.1/"] {
            Upstream::new(good).check().unwrap();
        }
        for bad in [
            "",
            "a",
            "ftp://a",
            "http://",
            "http:///x",
            "http://u@a",
            "http://a?b",
            "http://a#b",
            "http://:80",
            "http://a b",
        ] {
            assert!(Upstream::new(bad).check().is_err(), "{bad:?}");
        }
        let slow = Upstream { timeout_ms: 0, ..Upstream::new("http://a") };
        assert_eq!(slow.check().unwrap_err().to_string(), "timeout_ms is 0: it must be 1 to 60000");
    }
}
