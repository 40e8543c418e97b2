//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// Who may read what.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// `https://app.example.com`, `https://*.example.com`, `null`, `*`.
    pub origins: Vec<String>,
    /// Methods that may be used; `*` for any.
    #[serde(default = "default_methods")]
    pub methods: Vec<String>,
    /// Request fields that may be sent; `*` for any.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Response fields that may be read, beside those that always may; `*` for any.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Requests may carry cookies and logins.
    #[serde(default)]
    pub credentials: bool,
    /// Seconds that a preflight's answer may be kept.
    #[serde(default)]
    pub max_age: Option<u32>,
    /// Pages of public networks may reach these hosts in a private one.
    #[serde(default)]
    pub private_network: bool,
    /// Only these requests; all unless given.
    #[serde(default, rename = "match")]
    pub scope: ScopeConfig,
}

fn default_methods() -> Vec<String> {
    ["GET", "HEAD", "POST"].map(str::to_owned).into()
}
