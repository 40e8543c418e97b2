//! Whether a filter's `schema.json` says what its configuration is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Tested;
use crate::Filter;

/// Compares the keys of a `schema.json` with those that the filter's configuration knows (its outermost object), and that
/// neither takes others.
///
/// # Errors
/// The schema is no JSON, lets every key pass, or lists other keys than there are.
pub fn schema<F: Filter>(text: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
    if schema["additionalProperties"] != false {
        return Err("it lets keys pass that nobody knows".to_owned());
    }
    let properties = schema["properties"].as_object().ok_or("it has no `properties`")?;
    let listed: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    let Err(fault) = Tested::<F>::new(r#"{"\u0000": 1}"#) else {
        return Err("the filter takes a key that nobody knows".to_owned());
    };
    // `…, expected one of `a`, `b``: what stands between the accents
    let fault = fault.to_string();
    let expected = fault.split_once("expected ").map_or("", |(_, keys)| keys);
    let known: BTreeSet<&str> = expected.split('`').skip(1).step_by(2).collect();
    if listed == known { Ok(()) } else { Err(format!("the schema has {listed:?}, the filter {known:?}")) }
}
