//! `NAME.toml` beside `NAME.wasm`: how a filter of the folder is to run. Text enters, a publication leaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;
use weir_artifact::{
    Capability, FailurePolicy, FailureRule, Isolation, Limits, Name, NameError, Publication, TagPattern, Upstream,
};

/// What the file may say; each key as in a signed publication.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Sidecar {
    version: Option<u64>,
    #[serde(rename = "match")]
    matching: String,
    priority: i32,
    /// a table, or JSON in a string
    config: Option<toml::Value>,
    on_failure: FailurePolicy,
    on_failure_for: Vec<FailureRule>,
    isolation: Isolation,
    limits: Limits,
    /// what the component may import; `None` for [`harmless`]
    grants: Option<BTreeSet<Capability>>,
    upstreams: BTreeMap<Name, Upstream>,
    reads: BTreeSet<TagPattern>,
    secrets: BTreeSet<Name>,
}

/// What a filter may import of which nobody has said anything.
fn harmless() -> BTreeSet<Capability> {
    [Capability::Log, Capability::Clock, Capability::Random, Capability::Timer].into()
}

/// The file cannot be used: the operator is to blame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SidecarError {
    #[error("{path}:{line}: {problem}")]
    Toml { path: String, line: usize, problem: String },
    #[error("{path}: config: {problem}")]
    Config { path: String, problem: String },
    #[error("{0}: the file's name is no name for a filter: {1}")]
    Name(String, NameError),
}

/// The filter's name: the component's file name without `.wasm`.
pub(crate) fn name(component: &Path) -> Result<Name, SidecarError> {
    let stem = component.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().map_err(|error| SidecarError::Name(component.display().to_string(), error))
}

/// How the component is to run. `text` is what the file says, if there is one.
pub(crate) fn publication(name: Name, path: &Path, text: Option<&str>) -> Result<Publication, SidecarError> {
    let at = || path.display().to_string();
    let sidecar: Sidecar = toml::from_str(text.unwrap_or_default()).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text.unwrap_or_default()[..span.start].matches('\n').count());
        SidecarError::Toml { path: at(), line, problem: error.message().to_owned() }
    })?;
    let config = match sidecar.config {
        None => "{}".to_owned(),
        Some(toml::Value::String(json)) => json,
        Some(value) => {
            let json = json(value).map_err(|problem| SidecarError::Config { path: at(), problem })?;
            json.to_string()
        }
    };
    Ok(Publication {
        version: sidecar.version.unwrap_or(1),
        matching: sidecar.matching,
        priority: sidecar.priority,
        config,
        on_failure: sidecar.on_failure,
        on_failure_for: sidecar.on_failure_for,
        isolation: sidecar.isolation,
        limits: sidecar.limits,
        grants: sidecar.grants.unwrap_or_else(harmless),
        upstreams: sidecar.upstreams,
        reads: sidecar.reads,
        secrets: sidecar.secrets,
        ..Publication::unsigned(name)
    })
}

fn json(value: toml::Value) -> Result<serde_json::Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(number).ok_or_else(|| format!("JSON has no number {number}"))?.into()
        }
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(time) => return Err(format!("JSON has no times: write {time} as a string")),
        toml::Value::Array(items) => items.into_iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        toml::Value::Table(table) => {
            let pairs = table.into_iter().map(|(key, value)| Ok::<_, String>((key, json(value)?)));
            serde_json::Value::Object(pairs.collect::<Result<_, _>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Publication, String> {
        publication("block".parse().unwrap(), Path::new("block.toml"), Some(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_reaches_the_publication() {
        let publication = read(
            "version = 7\nmatch = \"host:a\"\npriority = -3\non_failure = \"open\"\nisolation = \"exchange\"\n\
             grants = []\n[config]\nhosts = [\"a\", \"b\"]\nstatus = 403\n[limits]\ncpu_ms = 5\n",
        )
        .unwrap();
        assert_eq!((publication.version, publication.priority, publication.limits.cpu_ms), (7, -3, 5));
        assert_eq!((publication.matching.as_str(), publication.grants.len()), ("host:a", 0));
        assert_eq!((publication.on_failure, publication.isolation), (FailurePolicy::Open, Isolation::Exchange));
        assert_eq!(publication.config, r#"{"hosts":["a","b"],"status":403}"#);
    }

    #[test]
    fn without_a_file_a_filter_may_do_what_harms_nobody() {
        let publication = publication("a".parse().unwrap(), Path::new("a.toml"), None).unwrap();
        assert_eq!((publication.config.as_str(), publication.version), ("{}", 1));
        assert_eq!(publication.grants, harmless());
    }

    #[test]
    fn faults_name_file_and_line() {
        assert!(
            read("version = 1\nprioritee = 2\n").unwrap_err().starts_with("block.toml:2: unknown field `prioritee`")
        );
        assert!(read("config = 1979-05-27").unwrap_err().contains("JSON has no times"));
        assert_eq!(read(r#"config = '{"a":1}'"#).unwrap().config, r#"{"a":1}"#);
    }
}
