//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// Who gets which secret.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// The first that fits decides.
    pub rules: Vec<RuleConfig>,
}

/// Requests, and the field that they get.
#[derive(Debug, Deserialize)]
pub struct RuleConfig {
    /// Which requests; hosts have to be named.
    #[serde(rename = "match")]
    pub scope: ScopeConfig,
    /// A secret that the publication grants.
    pub secret: String,
    /// The field.
    #[serde(default = "header")]
    pub header: String,
    /// What it holds: text with `{secret}` in it.
    #[serde(default = "value")]
    pub value: String,
}

fn header() -> String {
    "authorization".to_owned()
}

fn value() -> String {
    "Bearer {secret}".to_owned()
}
