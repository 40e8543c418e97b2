//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// Bounds; each operation of a document has to keep them, whether it is run or not.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Which requests are GraphQL's. Nothing else than GraphQL gets through there.
    #[serde(rename = "match")]
    pub scope: ScopeConfig,
    /// Levels of fields.
    pub max_depth: u32,
    /// Fields with another name than their own.
    pub max_aliases: u32,
    /// Fields at the top.
    pub max_root_fields: u32,
    /// Fields in all, those of fragments each time that they are spread.
    pub max_fields: u32,
    /// Directives in all.
    pub max_directives: u32,
    /// Operations in one request.
    pub max_batch: usize,
    /// Tokens of a document.
    pub max_tokens: usize,
    /// Bytes of a body.
    pub max_bytes: u32,
    /// `__schema` and `__type` may be asked for.
    pub introspection: bool,
    /// The only operations that get through; any unless given.
    pub allow: Option<AllowConfig>,
}

/// Operations that get through. One of both lists is enough.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AllowConfig {
    /// SHA-256 of the query's text, in hexadecimal, as in automatic persisted queries.
    pub hashes: Vec<String>,
    /// Names of operations; whoever asks chooses the name.
    pub names: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scope: ScopeConfig::default(),
            max_depth: 10,
            max_aliases: 30,
            max_root_fields: 20,
            max_fields: 500,
            max_directives: 50,
            max_batch: 1,
            max_tokens: 5000,
            max_bytes: 256 << 10,
            introspection: false,
            allow: None,
        }
    }
}
