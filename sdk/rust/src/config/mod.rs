//! JSON text of a configuration -> the filter's own type, or what is wrong and where (RFC 6901). A field that the type
//! does not know is a fault, whether or not the type says `deny_unknown_fields`: a misspelt key that is silently
//! ignored is how a block list blocks nothing.

mod de;
mod error;
mod rest;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Problem, Problems};

/// The configuration of a filter that has none: only `{}` and `null` are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<Empty>")]
pub struct NoConfig;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl From<Option<Empty>> for NoConfig {
    fn from(_: Option<Empty>) -> Self {
        Self
    }
}

/// Text without anything in it stands for `{}`.
pub(crate) fn parse<C: DeserializeOwned>(json: &str) -> Result<C, Problems> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let value: Value = serde_json::from_str(json).map_err(|fault| Problem::at("", fault.to_string()))?;
    C::deserialize(de::Node::root(&value)).map_err(|first| {
        let read = |value: &Value| C::deserialize(de::Node::root(value)).err();
        rest::all(value, first, &read)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether and where it fails to parse is of interest")]
    struct Config {
        hosts: Vec<String>,
        #[serde(default)]
        status: Option<u16>,
        #[serde(default)]
        by_name: BTreeMap<String, Inner>,
        #[serde(default)]
        mode: Option<Mode>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether and where it fails to parse is of interest")]
    struct Inner {
        size: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[allow(dead_code, reason = "only whether and where it fails to parse is of interest")]
    enum Mode {
        Off,
        Limit(u8),
        Range { low: u8 },
    }

    fn fault(json: &str) -> String {
        parse::<Config>(json).unwrap_err().to_string()
    }

    #[test]
    fn faults_have_their_place() {
        assert_eq!(fault("{"), "EOF while parsing an object at line 1 column 1");
        assert_eq!(fault("{}"), "missing field `hosts`");
        assert_eq!(fault("[]"), "invalid type: a list, expected an object");
        assert_eq!(fault(r#"{"hosts":["a",1]}"#), "/hosts/1: invalid type: integer `1`, expected a string");
        assert_eq!(fault(r#"{"hosts":[],"status":70000}"#), "/status: invalid value: integer `70000`, expected u16");
        assert_eq!(fault(r#"{"hosts":[],"by_name":{"a/b~":{}}}"#), "/by_name/a~1b~0: missing field `size`");
        assert_eq!(
            fault(r#"{"hosts":[],"mode":"on"}"#),
            "/mode: unknown variant `on`, expected one of `off`, `limit`, `range`"
        );
        assert_eq!(
            fault(r#"{"hosts":[],"mode":{"limit":-1}}"#),
            "/mode/limit: invalid value: integer `-1`, expected u8"
        );
        assert_eq!(fault(r#"{"hosts":[],"mode":{"range":{}}}"#), "/mode/range: missing field `low`");
    }

    #[test]
    fn unknown_fields_are_faults_without_being_asked_for() {
        let known = "expected one of `hosts`, `status`, `by_name`, `mode`";
        assert_eq!(fault(r#"{"hosts":[],"hots":[]}"#), format!("/hots: unknown field `hots`, {known}"));
        let text = r#"{"hosts":[],"by_name":{"a":{"size":1,"sise":{"x":2}}}}"#;
        assert_eq!(fault(text), "/by_name/a/sise: unknown field `sise`, expected `size`");
    }

    #[test]
    fn faults_are_told_all_at_once() {
        let text = r#"{"hosts":["a",1,2],"hots":[],"status":"x","by_name":{"a":{"size":-1},"b":{}},"mode":"on"}"#;
        let problems = parse::<Config>(text).unwrap_err();
        let places: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(places, ["/by_name/a/size", "/by_name/b", "/hosts/1", "/hosts/2", "/hots", "/mode", "/status"]);
        let problems = parse::<Config>(r#"{"status":"x","by_name":{"a":{"size":1,"b":2}}}"#).unwrap_err();
        let places: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(places, ["/by_name/a/b", "/status", ""]);
    }

    /// Whatever stands anywhere: each fault is told once, what is told is there, and what is good is taken.
    #[test]
    fn no_fault_is_made_up() {
        let values =
            ["null", "1", "-1", "\"a\"", "\"off\"", "[]", "[1]", "{}", "{\"size\":1}", "{\"limit\":2}", "{\"a\":{}}"];
        let is_good = |key: &str, value: &str| match key {
            "hosts" => value == "[]",
            "status" => ["null", "1"].contains(&value),
            "by_name" => value == "{}",
            _ => ["null", "\"off\"", "{\"limit\":2}"].contains(&value),
        };
        let keys = ["hosts", "status", "by_name", "mode"];
        for (first, second) in values.iter().flat_map(|first| values.iter().map(move |second| (first, second))) {
            for (one, other) in [("hosts", "status"), ("hosts", "by_name"), ("hosts", "mode")] {
                let text = format!(r#"{{"{one}":{first},"{other}":{second}}}"#);
                let problems = parse::<Config>(&text).err().unwrap_or_default();
                for key in keys {
                    let told = problems.iter().any(|problem| problem.pointer.starts_with(&format!("/{key}")));
                    let given = [(one, first), (other, second)].into_iter().find(|(name, _)| *name == key);
                    let is_wrong = given.is_some_and(|(_, value)| !is_good(key, value));
                    assert_eq!(told, is_wrong, "{text}: {problems}");
                }
                let mut once: Vec<String> = problems.iter().map(ToString::to_string).collect();
                once.sort();
                once.dedup();
                assert_eq!(once.len(), problems.iter().count(), "{text}: {problems}");
            }
        }
    }

    #[test]
    fn good_ones_are_taken() {
        let config: Config = parse(r#"{"hosts":["a"],"status":null,"by_name":{"a":{"size":1}},"mode":"off"}"#).unwrap();
        assert!(matches!(config, Config { status: None, mode: Some(Mode::Off), .. }));
        assert!(matches!(
            parse(r#"{"hosts":[],"mode":{"range":{"low":1}}}"#),
            Ok(Config { mode: Some(Mode::Range { low: 1 }), .. })
        ));
        for empty in ["", "{}", "null", " \n"] {
            parse::<NoConfig>(empty).unwrap();
        }
        assert_eq!(parse::<NoConfig>(r#"{"a":1}"#).unwrap_err().iter().next().unwrap().pointer, "/a");
    }
}
