//! One change of a head.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_sdk::{HeaderError, HeadersMut, Problems, field};

/// What is to happen to one head: removals first, then `set`, then `append`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Changes {
    remove: Vec<String>,
    set: BTreeMap<String, String>,
    append: BTreeMap<String, Values>,
}

/// One value, or several lines.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// One call to the agent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Remove(String),
    Set(String, String),
    Append(String, String),
}

impl Change {
    pub(crate) fn apply(&self, headers: &mut HeadersMut<'_>) -> Result<(), HeaderError> {
        match self {
            Self::Remove(name) => headers.remove(name),
            Self::Set(name, value) => headers.set(name, value),
            Self::Append(name, value) => headers.append(name, value),
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Remove(name) => format!("removing `{name}`"),
            Self::Set(name, _) => format!("setting `{name}`"),
            Self::Append(name, _) => format!("appending to `{name}`"),
        }
    }
}

impl Changes {
    /// In the order in which they are made. `at` is where they stand in the configuration.
    pub(crate) fn check(self, at: &str, problems: &mut Problems) -> Vec<Change> {
        let mut changes = Vec::new();
        for (index, name) in self.remove.into_iter().enumerate() {
            check_name(&name, &format!("{at}/remove/{index}"), problems);
            changes.push(Change::Remove(name));
        }
        for (name, value) in self.set {
            let at = format!("{at}/set/{}", escape(&name));
            check_name(&name, &at, problems);
            check_value(&value, &at, problems);
            changes.push(Change::Set(name, latin1(&value)));
        }
        for (name, values) in self.append {
            let at = format!("{at}/append/{}", escape(&name));
            check_name(&name, &at, problems);
            let values = match values {
                Values::One(value) => vec![(at.clone(), value)],
                Values::Many(values) => {
                    values.into_iter().enumerate().map(|(index, value)| (format!("{at}/{index}"), value)).collect()
                }
            };
            for (at, value) in values {
                check_value(&value, &at, problems);
                changes.push(Change::Append(name.clone(), latin1(&value)));
            }
        }
        changes
    }
}

/// A key as it stands in an RFC 6901 pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Values are written as text in the configuration and travel as UTF-8.
fn latin1(value: &str) -> String {
    weir_sdk::latin1::from_utf8(value)
}

fn check_name(name: &str, at: &str, problems: &mut Problems) {
    if let Err(fault) = field::check_name(name) {
        problems.push(at, fault);
    }
}

fn check_value(value: &str, at: &str, problems: &mut Problems) {
    if let Err(fault) = field::check_value(value) {
        problems.push(at, fault);
    }
}
