//! What a filter may import beyond what every filter may.

use serde::{Deserialize, Serialize};

/// An import that has to be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `weir:filter/log`: lines for the operator.
    Log,
    /// `weir:filter/metrics`: numbers for the operator.
    Metrics,
    /// `weir:filter/clock`: the time.
    Clock,
    /// `weir:filter/random`: random numbers.
    Random,
    /// `weir:filter/kv`: a store of its own.
    Kv,
    /// `weir:filter/tags`: facts for other filters and the record.
    Tags,
    /// `weir:filter/timer`: to wait for some time.
    Timer,
    /// `weir:filter/callout`: requests to the upstreams that the publication names.
    Callout,
    /// `weir:filter/secrets`: the use of secrets that the publication names.
    Secrets,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 9] = [
        Self::Log,
        Self::Metrics,
        Self::Clock,
        Self::Random,
        Self::Kv,
        Self::Tags,
        Self::Timer,
        Self::Callout,
        Self::Secrets,
    ];

    /// Interfaces of `weir:filter` that every filter may import: they take no grant.
    pub const FREE: [&str; 2] = ["http", "limits"];

    /// The interface's name within `weir:filter`.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Metrics => "metrics",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Kv => "kv",
            Self::Tags => "tags",
            Self::Timer => "timer",
            Self::Callout => "callout",
            Self::Secrets => "secrets",
        }
    }
}
