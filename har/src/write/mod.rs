//! An exchange as an entry of an HTTP Archive 1.2: <http://www.softwareishard.com/blog/har-12-spec/>. What the format demands
//! and nobody knows is -1 or empty, as it says; what it has no place for stands in members `_weir`.
//!
//! A log is written in parts, [`begin`], entries with commas between them, [`end`], so that nobody holds all of it.

mod body;
mod cookies;
mod message;
mod socket;
mod target;

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use uuid::Uuid;
use weir_proto::v1::{Connection, Exchange, Intervention, Message, Receipt, Tag, tag};

use crate::{IMPORT_TAG, outcome};

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Of an imported exchange: the agent that once recorded it.
pub(crate) const IMPORTED_AGENT: &str = "_import.agent";

/// The agent that recorded an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Recorder<'a> {
    /// As in listings.
    pub id: &'a str,
    /// Host name, for people.
    pub name: &'a str,
}

/// A log up to its first entry.
pub fn begin(version: &str) -> String {
    let creator = json!({"name": "Weir", "version": version});
    format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":[],\"entries\":[")
}

/// A log from behind its last entry.
pub fn end() -> &'static str {
    "]}}\n"
}

/// The same, with a comment about all of it.
pub fn end_with(comment: &str) -> String {
    format!("],\"comment\":{}}}}}\n", Value::from(comment))
}

/// The entry of an exchange with its messages, which only those of WebSockets have a place for.
pub fn entry_with(exchange: &Exchange, recorder: Recorder<'_>, messages: &[Message]) -> Value {
    let mut entry = entry(exchange, recorder);
    if is_websocket(exchange) {
        entry["_resourceType"] = "websocket".into();
        entry["_webSocketMessages"] = socket::messages(messages);
    }
    entry
}

/// Does the entry of this exchange take messages?
pub fn is_websocket(exchange: &Exchange) -> bool {
    exchange.response.as_ref().is_some_and(|response| {
        let names = |field: &weir_proto::v1::Field| {
            field.name.eq_ignore_ascii_case("upgrade") && field.value.eq_ignore_ascii_case(b"websocket")
        };
        response.status == 101 && response.headers.iter().any(names)
    })
}

/// The entry of an exchange.
pub fn entry(exchange: &Exchange, recorder: Recorder<'_>) -> Value {
    let duration = exchange.duration_us;
    let wait = if exchange.first_byte_us > 0 { exchange.first_byte_us.min(duration) } else { duration };
    let request = exchange.request.clone().unwrap_or_default();
    let mut entry = json!({
        "startedDateTime": time(exchange.started_us),
        "time": millis(duration),
        "request": message::request(&request),
        "response": match &exchange.response {
            Some(response) => message::response(response),
            None => message::no_response(&exchange.error),
        },
        "cache": {},
        // Where the time before the response head went is not recorded: all of it counts as waiting.
        "timings": {
            "blocked": -1, "dns": -1, "connect": -1, "ssl": -1,
            "send": 0, "wait": millis(wait), "receive": millis(duration - wait),
        },
        "_weir": extra(exchange, recorder),
    });
    let address = exchange.upstream_address.parse::<std::net::SocketAddr>();
    if let Ok(address) = address {
        entry["serverIPAddress"] = address.ip().to_string().into();
    }
    entry
}

/// Only what there is.
fn extra(exchange: &Exchange, recorder: Recorder<'_>) -> Value {
    let mut extra = Map::new();
    let agent = exchange.tags.iter().find_map(|tag| match (&*tag.name, &tag.value) {
        (IMPORTED_AGENT, Some(tag::Value::Text(name))) => Some(json!({"name": name})),
        _ => None,
    });
    let agent = agent.unwrap_or_else(|| json!({"id": recorder.id, "name": recorder.name}));
    extra.insert("id".to_owned(), Uuid::from_slice(&exchange.id).unwrap_or_default().to_string().into());
    extra.insert("agent".to_owned(), agent);
    extra.insert("outcome".to_owned(), outcome::word(exchange.outcome).into());
    extra.insert("firstByteUs".to_owned(), exchange.first_byte_us.into());
    put(&mut extra, "error", &exchange.error);
    if let Some(connection) = &exchange.connection {
        of_connection(&mut extra, connection);
    }
    put(&mut extra, "upstream", &exchange.upstream_address);
    if !exchange.filters.is_empty() {
        extra.insert("filters".to_owned(), exchange.filters.iter().map(receipt).collect());
    }
    let tags: Map<String, Value> = exchange.tags.iter().filter_map(tag).collect();
    if !tags.is_empty() {
        extra.insert("tags".to_owned(), tags.into());
    }
    put(&mut extra, "note", &exchange.note);
    if !exchange.interventions.is_empty() {
        extra.insert("interventions".to_owned(), exchange.interventions.iter().map(intervention).collect());
    }
    if let Some(request) = &exchange.filtered_request {
        extra.insert("filteredRequest".to_owned(), message::request(request));
    }
    if let Some(response) = &exchange.original_response {
        extra.insert("originalResponse".to_owned(), message::response(response));
    }
    extra.into()
}

fn of_connection(extra: &mut Map<String, Value>, connection: &Connection) {
    put(extra, "client", &connection.client_address);
    put(extra, "entry", &connection.entry);
    put(extra, "user", &connection.user);
    put(extra, "tunnelTarget", &connection.tunnel_target);
    put(extra, "serverName", &connection.server_name);
    if connection.intercepted {
        extra.insert("intercepted".to_owned(), true.into());
    }
}

fn put(extra: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        extra.insert(name.to_owned(), text.into());
    }
}

fn receipt(receipt: &Receipt) -> Value {
    let mut value = Map::new();
    for (name, text) in
        [("name", &receipt.name), ("digest", &receipt.digest), ("verdict", &receipt.verdict), ("error", &receipt.error)]
    {
        put(&mut value, name, text);
    }
    value.insert("version".to_owned(), receipt.version.into());
    value.insert("changed".to_owned(), receipt.changed.into());
    if receipt.took_ns != 0 {
        value.insert("took_ns".to_owned(), receipt.took_ns.into());
    }
    if !receipt.changes.is_empty() {
        value.insert("changes".to_owned(), receipt.changes.clone().into());
    }
    value.into()
}

fn intervention(intervention: &Intervention) -> Value {
    let Intervention { at_response, decision, by, changed, waited_us, failed } = intervention;
    let at = if *at_response { "response" } else { "request" };
    json!({"at": at, "decision": decision, "by": by, "changed": changed, "waited_us": waited_us, "failed": failed})
}

/// How an exchange was imported is no part of it.
fn tag(tag: &Tag) -> Option<(String, Value)> {
    if tag.name.starts_with(IMPORT_TAG) {
        return None;
    }
    let value = match tag.value.as_ref()? {
        tag::Value::Text(text) => text.clone().into(),
        tag::Value::Number(number) => (*number).into(),
        tag::Value::Flag(flag) => (*flag).into(),
    };
    Some((tag.name.clone(), value))
}

/// ISO 8601. No recorded time is later than the year 9999.
fn time(us: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1000);
    let text = time.ok().and_then(|time| time.format(TIME).ok());
    text.unwrap_or_else(|| "9999-12-31T23:59:59.999999Z".to_owned())
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of two hundred years fit in 53 bits")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
