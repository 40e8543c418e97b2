//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// What to block, and what to answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Hosts to block, whatever is asked of them.
    pub hosts: Vec<String>,
    /// Paths to block on every host.
    pub paths: Vec<String>,
    /// Methods to block on every host.
    pub methods: Vec<String>,
    /// Combinations: a rule blocks what meets each list that it has.
    pub rules: Vec<ScopeConfig>,
    /// Status of the answer, 403 unless given.
    pub status: Option<u16>,
    /// Body of the answer; a problem document unless given.
    pub body: Option<String>,
    /// Media type of `body`, plain text unless given.
    pub content_type: Option<String>,
}
