//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;
use serde_json::Value;
use weir_sdk::matching::ScopeConfig;

/// Bytes of a body, whatever the configuration says: text, tree and new text are in memory at once.
pub(crate) const MOST_BYTES: u32 = 4 << 20;

/// What is edited.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// All that fit are applied, in order.
    pub rules: Vec<RuleConfig>,
    /// Media types of bodies that are JSON; `*` for any text.
    #[serde(default = "default_types")]
    pub content_types: Vec<String>,
    /// What becomes of a body that is no JSON, or to which a patch does not fit.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Bytes that a body may have.
    #[serde(default = "default_bytes")]
    pub max_bytes: u32,
}

/// A patch, and for which bodies.
#[derive(Debug, Deserialize)]
pub struct RuleConfig {
    /// Which exchanges, by their request; all unless given.
    #[serde(rename = "match", default)]
    pub scope: ScopeConfig,
    /// Which of their two bodies.
    pub body: Direction,
    /// RFC 6902.
    pub patch: Vec<OperationConfig>,
}

/// One operation of a JSON Patch (RFC 6902 section 4).
#[derive(Debug, Deserialize)]
pub struct OperationConfig {
    /// `add`, `remove`, `replace`, `move`, `copy`, `test`
    pub op: Op,
    /// RFC 6901.
    pub path: String,
    /// For `move` and `copy`.
    #[serde(default)]
    pub from: Option<String>,
    /// For `add`, `replace` and `test`; `null` where it is left out.
    #[serde(default)]
    pub value: Value,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "RFC 6902 section 4 says what they do")]
pub enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// Which body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The client's.
    Request,
    /// The upstream's.
    Response,
}

/// What becomes of a body that cannot be edited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It goes on as it is.
    #[default]
    Pass,
    /// The exchange is refused.
    Refuse,
}

fn default_types() -> Vec<String> {
    ["application/json", "application/*+json"].map(str::to_owned).into()
}

fn default_bytes() -> u32 {
    1 << 20
}
