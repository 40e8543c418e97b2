//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// What goes where; the first rule that fits decides.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// In order.
    pub rules: Vec<Rule>,
    /// Tell the new upstream the host that the client asked for, in X-Forwarded-Host.
    #[serde(default)]
    pub forwarded_host: bool,
}

/// Whether the upstream is spoken to in TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In clear.
    Http,
    /// In TLS.
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Requests, and where they go.
#[derive(Debug, Deserialize)]
pub struct Rule {
    /// Which requests.
    #[serde(rename = "match", default)]
    pub scope: ScopeConfig,
    /// `host` or `host:port`; as it was unless given.
    #[serde(default)]
    pub authority: Option<String>,
    /// `http` or `https`; as it was unless given.
    #[serde(default)]
    pub scheme: Option<Scheme>,
    /// The beginning of the path that is replaced.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What stands in its place.
    #[serde(default)]
    pub to: Option<String>,
}
