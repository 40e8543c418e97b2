//! The configuration as it is written. `schema.json` says the same to editors.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_sdk::matching::ScopeConfig;

/// What fails, and how often. The first fault that strikes decides.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// In order.
    pub faults: Vec<FaultConfig>,
}

/// One way to fail.
#[derive(Debug, Deserialize)]
pub struct FaultConfig {
    /// Which requests; all unless given.
    #[serde(rename = "match", default)]
    pub scope: ScopeConfig,
    /// Only requests with this field.
    #[serde(default)]
    pub header: Option<OptIn>,
    /// Of a hundred that fit, so many are struck.
    #[serde(default = "all")]
    pub percent: f64,
    /// Before the upstream hears of it, or after.
    #[serde(default)]
    pub phase: Phase,
    /// So much later.
    #[serde(default)]
    pub delay: Option<DelayConfig>,
    /// What happens; unless given, the exchange goes on, late.
    #[serde(rename = "do", default)]
    pub effect: Option<EffectConfig>,
}

/// Latency, milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct DelayConfig {
    /// At least.
    pub ms: u32,
    /// Up to so many more, each as likely as any other.
    #[serde(default)]
    pub jitter_ms: u32,
}

/// A field by which a client asks for the fault.
#[derive(Debug, Clone, Deserialize)]
pub struct OptIn {
    /// Its name.
    pub name: String,
    /// Its whole value; any unless given.
    #[serde(default)]
    pub value: Option<String>,
}

/// When it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The upstream never hears of the request.
    #[default]
    Request,
    /// The upstream has done its work, and the client does not hear of it.
    Response,
}

/// What happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectConfig {
    /// The connection closes without an answer; over HTTP/2 its stream is reset.
    Abort,
    /// An answer.
    Respond(Answer),
}

/// An answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// Fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; a problem document unless given.
    #[serde(default)]
    pub body: Option<String>,
}

fn all() -> f64 {
    100.0
}
