//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// Who may send how much.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// Every one that a request meets counts it, and the first that is used up refuses it.
    pub rules: Vec<RuleConfig>,
    /// Whether responses say what is left (`RateLimit`).
    #[serde(default)]
    pub headers: bool,
    /// What becomes of a request whose key does not fit into the store any more.
    #[serde(default)]
    pub when_full: WhenFull,
}

/// A limit.
#[derive(Debug, Deserialize)]
pub struct RuleConfig {
    /// Stands in the response's fields, and in the store: a rule that keeps its name keeps its counts.
    pub name: String,
    /// Which requests; all unless given.
    #[serde(rename = "match", default)]
    pub scope: ScopeConfig,
    /// Who shares a count.
    #[serde(default)]
    pub by: By,
    /// So many requests ...
    pub limit: u32,
    /// ... in any so many seconds.
    pub window_seconds: u32,
    /// Of the refusal.
    #[serde(default = "too_many_requests")]
    pub status: u16,
}

/// Who shares a count.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// An IPv4 address, or the /64 of an IPv6 address.
    #[default]
    Client,
    /// Who the client proved to be to the agent; an address where it proved nothing.
    User,
    /// The host that the request is for.
    Host,
    /// Everybody.
    All,
    /// The value of a request field; an address where there is none.
    Header(String),
}

/// What becomes of a request whose key does not fit into the store any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// It goes on uncounted, and the log says so.
    #[default]
    Pass,
    /// It is refused.
    Refuse,
}

fn too_many_requests() -> u16 {
    429
}
