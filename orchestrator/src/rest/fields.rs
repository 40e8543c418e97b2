//! `fields` of a listing: what of each item is told.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{exchanges::ExchangeItem, problem::Problem};

/// Every member of an item.
const KNOWN: [&str; 22] = [
    "id",
    "agent",
    "agent_name",
    "started",
    "duration_us",
    "first_byte_us",
    "method",
    "scheme",
    "authority",
    "host",
    "path",
    "url",
    "version",
    "status",
    "request_bytes",
    "response_bytes",
    "content_type",
    "outcome",
    "error",
    "client",
    "filters",
    "replay_of",
];

/// All of them, or some.
pub(super) struct Selection(Option<Vec<&'static str>>);

/// An item as it is told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Told {
    Whole(Box<ExchangeItem>),
    Some(Map<String, Value>),
}

impl Selection {
    /// Names with commas between them.
    pub(super) fn of(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self(None)) };
        let known = |name: &str| {
            KNOWN.iter().find(|known| **known == name).copied().ok_or_else(|| {
                let name: String = name.chars().take(64).collect();
                Problem::bad_request(format!("fields: there is no `{name}`; there are {}", KNOWN.join(", ")))
            })
        };
        text.split(',').map(str::trim).map(known).collect::<Result<_, _>>().map(|names| Self(Some(names)))
    }

    pub(super) fn told(&self, item: ExchangeItem) -> Told {
        let Some(names) = &self.0 else { return Told::Whole(Box::new(item)) };
        match serde_json::to_value(&item) {
            Ok(Value::Object(mut all)) => Told::Some(names.iter().filter_map(|name| all.remove_entry(*name)).collect()),
            _ => Told::Whole(Box::new(item)),
        }
    }
}
