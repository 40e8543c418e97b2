//! The configuration as it is written. `schema.json` says the same to editors.

use serde::Deserialize;

use crate::generate::Kind;

/// Whose ids, and where they stand.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The field of the id.
    pub header: String,
    /// What becomes of an id that the client sends.
    pub client: Client,
    /// What a new id is.
    pub generate: Kind,
    /// Bytes that a client's id may have.
    pub max_length: usize,
    /// Set the id on responses, too.
    pub echo: bool,
    /// W3C Trace Context.
    pub trace: Trace,
    /// Traces that are started here are to be recorded.
    pub sampled: bool,
}

/// What becomes of an id that the client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// It gives way to a new one.
    Replace,
    /// It is taken on if it is valid.
    Accept,
}

/// What becomes of `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trace {
    /// It is not looked at.
    Off,
    /// A valid one goes on as it is; where there is none, a trace begins.
    Continue,
    /// A trace begins, whatever the client sent.
    Restart,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: "x-request-id".to_owned(),
            client: Client::Replace,
            generate: Kind::Exchange,
            max_length: 128,
            echo: true,
            trace: Trace::Off,
            sampled: false,
        }
    }
}
