//! The configuration as it is written. `schema.json` says the same to editors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use weir_sdk::matching::ScopeConfig;

/// Whose tokens, and what they must say.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// A JWK set (RFC 7517), as issuers publish it.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// Or where the issuer publishes it.
    #[serde(default)]
    pub jwks_from: Option<Remote>,
    /// `iss`, exactly.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `aud`: one of these.
    #[serde(default)]
    pub audience: Vec<String>,
    /// Claims that must be there and say this.
    #[serde(default)]
    pub required: BTreeMap<String, Value>,
    /// Scopes that all must be in `scope` (RFC 8693 section 4.2).
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Seconds that clocks may differ.
    #[serde(default = "default_leeway")]
    pub leeway: u32,
    /// Tokens without `exp` are taken.
    #[serde(default)]
    pub without_expiry: bool,
    /// Fields for the upstream, and the claims that go into them.
    #[serde(default)]
    pub claim_headers: BTreeMap<String, String>,
    /// A cookie that may hold the token.
    #[serde(default)]
    pub cookie: Option<String>,
    /// A parameter of the query that may hold the token.
    #[serde(default)]
    pub query: Option<String>,
    /// Pass the token on to the upstream.
    #[serde(default)]
    pub forward: bool,
    /// Bytes that a token may have.
    #[serde(default = "default_length")]
    pub max_length: usize,
    /// What needs no token.
    #[serde(default)]
    pub except: ScopeConfig,
    /// What the token is for.
    #[serde(default = "default_realm")]
    pub realm: String,
}

/// Where an issuer publishes its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// Of the publication.
    pub upstream: String,
    /// And query, below the path of that upstream.
    #[serde(default = "default_path")]
    pub path: String,
    /// Seconds until it is asked again.
    #[serde(default = "default_refresh")]
    pub refresh_s: u32,
    /// Seconds for which a set is good where no newer one can be had.
    #[serde(default = "default_stale")]
    pub stale_s: u32,
}

fn default_path() -> String {
    "/".to_owned()
}

fn default_refresh() -> u32 {
    300
}

fn default_stale() -> u32 {
    86_400
}

fn default_leeway() -> u32 {
    30
}

fn default_length() -> usize {
    8192
}

fn default_realm() -> String {
    "weir".to_owned()
}
