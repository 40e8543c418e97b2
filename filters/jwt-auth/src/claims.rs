//! What a token must say (RFC 7519 section 4.1).

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use weir_sdk::Problems;

use crate::{config::Config, token::Invalid};

/// Seconds: more than clocks differ, and less than a token that was taken back should live on.
const LONGEST_LEEWAY: u32 = 300;

#[derive(Debug)]
pub(crate) struct Rules {
    issuer: Option<String>,
    audience: Vec<String>,
    required: BTreeMap<String, Value>,
    scopes: Vec<String>,
    leeway: f64,
    without_expiry: bool,
}

impl Rules {
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        if config.leeway > LONGEST_LEEWAY {
            problems.push("/leeway", format!("{LONGEST_LEEWAY} seconds at most"));
        }
        for (index, scope) in config.scopes.iter().enumerate() {
            if scope.is_empty() || scope.contains(char::is_whitespace) {
                problems.push(format!("/scopes/{index}"), "one scope a line, without spaces");
            }
        }
        for name in ["iss", "aud", "exp", "nbf"] {
            if config.required.contains_key(name) {
                problems
                    .push(format!("/required/{name}"), "this claim has a key of its own, or is checked in any case");
            }
        }
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            required: config.required.clone(),
            scopes: config.scopes.clone(),
            leeway: config.leeway.into(),
            without_expiry: config.without_expiry,
        }
    }

    /// `now` in seconds since 1970.
    pub(crate) fn check(&self, claims: &Map<String, Value>, now: f64) -> Result<(), Invalid> {
        match time(claims, "exp")? {
            Some(expiry) if now >= expiry + self.leeway => return Err(Invalid::Expired),
            None if !self.without_expiry => return Err(Invalid::Expired),
            _ => {}
        }
        if time(claims, "nbf")?.is_some_and(|begin| now + self.leeway < begin) {
            return Err(Invalid::NotYet);
        }
        if self.issuer.as_ref().is_some_and(|issuer| claims.get("iss") != Some(&Value::from(issuer.as_str()))) {
            return Err(Invalid::Issuer);
        }
        let is_for = |audience: &String| claims.get("aud").is_some_and(|value| says(value, &audience.as_str().into()));
        if !self.audience.is_empty() && !self.audience.iter().any(is_for) {
            return Err(Invalid::Audience);
        }
        if !self.required.iter().all(|(name, wanted)| claims.get(name).is_some_and(|value| says(value, wanted))) {
            return Err(Invalid::Required);
        }
        let granted = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        let is_granted = |scope: &String| granted.split(' ').any(|granted| granted == scope);
        if self.scopes.iter().all(is_granted) { Ok(()) } else { Err(Invalid::NotEnough) }
    }
}

/// The claim is this, or a list with this in it.
fn says(value: &Value, wanted: &Value) -> bool {
    value == wanted || value.as_array().is_some_and(|list| list.contains(wanted))
}

/// NumericDate (RFC 7519 section 2). Something else than a number is no time at all.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Invalid> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Invalid::Malformed),
    }
}
