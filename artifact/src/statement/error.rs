//! Why signed bytes are no statement.

use super::{
    MAX_COMPONENT_BYTES, MAX_CONFIGURATION_BYTES, MAX_NUMBER, MAX_STATEMENT_BYTES, publication::FAILURE_RULES,
    publication::SECRETS,
};
use crate::{KeyId, LimitsError, Name, UpstreamFault, upstream::UPSTREAMS};

/// The signed bytes do not say what a statement must.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not a statement in JSON, or one with fields that this version does not know.
    #[error("the signed statement cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Over the bound.
    #[error("the statement has {0} bytes, more than {MAX_STATEMENT_BYTES}")]
    TooLarge(usize),
    /// A bound out of range.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The configuration is not JSON.
    #[error("config is not JSON: {0}")]
    Config(serde_json::Error),
    /// A server that no filter can call.
    #[error("upstreams.{name}: {fault}")]
    Upstream {
        /// Its name.
        name: Name,
        /// What is wrong with it.
        fault: UpstreamFault,
    },
    /// Too many servers.
    #[error("upstreams: {0}, more than {UPSTREAMS}")]
    Upstreams(usize),
    /// Too many rules about failures.
    #[error("on_failure_for: {0} rules, more than {FAILURE_RULES}")]
    FailureRules(usize),
    /// A rule about failures that fits everything.
    #[error("on_failure_for: a rule without a query: that is what on_failure is for")]
    FailureRule,
    /// Too many secrets.
    #[error("secrets: {0}, more than {SECRETS}")]
    Secrets(usize),
    /// A number that some reader would get wrong.
    #[error("{field} is {value}: it must be {low} to {MAX_NUMBER}")]
    Number {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least it may be.
        low: u64,
    },
    /// More than any agent takes.
    #[error("the component has {0} bytes, more than {MAX_COMPONENT_BYTES}")]
    ComponentTooLarge(u64),
    /// More than any agent takes.
    #[error("the configuration has {0} bytes, more than {MAX_CONFIGURATION_BYTES}")]
    ConfigurationTooLarge(usize),
    /// The key and the stated id differ.
    #[error("the endorsed key is not {0}")]
    KeyId(KeyId),
}
