//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;

/// What is not to be said, and how much at once.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Held against each message in this order; the first that drops or closes is the last.
    pub rules: Vec<Rule>,
    /// A message with more bytes closes.
    pub max_bytes: Option<u32>,
}

/// Either a literal or an expression, and what a match comes to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Rule {
    /// Text to find as it stands.
    #[serde(default)]
    pub literal: Option<String>,
    /// Regular expression on bytes.
    #[serde(default)]
    pub regex: Option<String>,
    /// Letters match without regard to case (ASCII).
    #[serde(default)]
    pub ignore_case: bool,
    /// Only what this side says; both unless given.
    #[serde(default)]
    pub from: Option<Side>,
    /// What a match comes to.
    pub then: Then,
    /// Stands in place of each match, for `replace`.
    #[serde(default = "default_replacement")]
    pub replacement: String,
    /// For `close` (RFC 6455 section 7.4).
    #[serde(default = "default_code")]
    pub code: u16,
    /// For `close`; the peers see it.
    #[serde(default)]
    pub reason: String,
}

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The client.
    Client,
    /// The upstream.
    Upstream,
}

/// What a match comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// The match is replaced.
    Replace,
    /// The message does not go on.
    Drop,
    /// The WebSocket, or the response, ends.
    Close,
}

fn default_replacement() -> String {
    "[redacted]".to_owned()
}

/// Policy violation.
fn default_code() -> u16 {
    1008
}
