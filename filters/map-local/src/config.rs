//! The configuration as it is written. `schema.json` says the same to editors.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// Fixed responses; the first rule that fits answers.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// In order.
    pub rules: Vec<Rule>,
}

/// A response, and which requests get it.
#[derive(Debug, Deserialize)]
pub struct Rule {
    /// Which requests.
    #[serde(rename = "match", default)]
    pub scope: ScopeConfig,
    /// 200 unless given.
    #[serde(default = "ok")]
    pub status: u16,
    /// Fields beside Content-Type.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Media type of the body.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The body as text.
    #[serde(default)]
    pub text: Option<String>,
    /// The body as JSON.
    #[serde(default)]
    pub json: Option<serde_json::Value>,
    /// The body in base64 (RFC 4648 section 4).
    #[serde(default)]
    pub base64: Option<String>,
}

fn ok() -> u16 {
    200
}
