//! What exchanges get when a filter fails them, and whether they share an instance of it.

use serde::{Deserialize, Serialize};

/// What an exchange gets when a filter fails it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// An error response: the filter may be what keeps clients out.
    #[default]
    Closed,
    /// The exchange goes on without the filter.
    Open,
    /// New exchanges meet the version before; where there is none, as `closed`.
    LastGood,
}

impl FailurePolicy {
    /// Of two the one that lets less through.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Closed, _) | (_, Self::Closed) => Self::Closed,
            (Self::LastGood, _) | (_, Self::LastGood) => Self::LastGood,
            (Self::Open, Self::Open) => Self::Open,
        }
    }
}

/// What some exchanges get when a filter fails them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureRule {
    /// Which exchanges, in the query grammar, as of [`Publication::matching`]; not empty.
    #[serde(rename = "match")]
    pub matching: String,
    /// What they get.
    pub on_failure: FailurePolicy,
}

/// Whether exchanges share an instance of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// One live instance per worker.
    #[default]
    Shared,
    /// A fresh instance for each exchange.
    Exchange,
}
