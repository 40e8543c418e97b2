//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;

/// What to replace, by what, and where.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// What to replace. Where two match at one place, the one that stands first wins.
    pub patterns: Vec<Pattern>,
    /// What stands in place of a match, unless its pattern says otherwise.
    #[serde(default = "default_replacement")]
    pub replacement: String,
    /// Redact request bodies.
    #[serde(default = "yes")]
    pub request: bool,
    /// Redact response bodies.
    #[serde(default = "yes")]
    pub response: bool,
    /// Bodies of these media types; `*` stands for any text. A body without a type is redacted too.
    #[serde(default = "default_content_types")]
    pub content_types: Vec<String>,
    /// Let clients ask for parts of a response. A match that lies in two parts is then missed.
    #[serde(default)]
    pub ranges: bool,
    /// Let bodies pass that cannot be read: coded in a way that the agent does not undo, or a part that nobody asked for.
    #[serde(default)]
    pub pass_unreadable: bool,
}

/// Either a literal or an expression.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pattern {
    /// Text to find as it stands.
    pub literal: Option<String>,
    /// Regular expression without unbounded repetition.
    pub regex: Option<String>,
    /// Letters match without regard to case (ASCII).
    pub ignore_case: bool,
    /// What stands in place of a match.
    pub replacement: Option<String>,
}

fn yes() -> bool {
    true
}

fn default_replacement() -> String {
    "[redacted]".to_owned()
}

fn default_content_types() -> Vec<String> {
    let types = [
        "text/*",
        "application/json",
        "application/*+json",
        "application/x-ndjson",
        "application/javascript",
        "application/xml",
        "application/*+xml",
        "application/x-www-form-urlencoded",
        "multipart/*",
    ];
    types.map(str::to_owned).into()
}
