//! Claims for the upstream, in fields that nobody else may set.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use weir_sdk::{HeaderError, Problems, Request, field, latin1};

#[derive(Debug)]
pub(crate) struct ClaimHeaders(Vec<(String, String)>);

impl ClaimHeaders {
    /// From fields to claims.
    pub(crate) fn new(config: &BTreeMap<String, String>, problems: &mut Problems) -> Self {
        let mut fields = Vec::with_capacity(config.len());
        for (name, claim) in config {
            if let Err(fault) = field::check_name(name) {
                problems.push(format!("/claim_headers/{}", name.replace('~', "~0").replace('/', "~1")), fault);
            }
            fields.push((name.to_ascii_lowercase(), claim.clone()));
        }
        Self(fields)
    }

    /// Takes out what the client says itself.
    pub(crate) fn clear(&self, request: &mut Request) -> Result<(), HeaderError> {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        request.headers_mut().remove_forged(&names)
    }

    /// A claim that cannot stand in a field is an error: half an identity is none.
    pub(crate) fn set(&self, claims: &Map<String, Value>, request: &mut Request) -> Result<(), HeaderError> {
        for (name, claim) in &self.0 {
            if let Some(text) = claims.get(claim).and_then(text) {
                request.headers_mut().set(name, &latin1::from_utf8(&text))?;
            }
        }
        Ok(())
    }
}

/// Text as it is, lists of texts with commas, anything else as JSON; `null` is nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        }
        other => Some(other.to_string()),
    }
}
