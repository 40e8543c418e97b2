//! One exchange as REST answers it.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Detail {
    pub(super) id: String,
    pub(super) agent: Option<String>,
    pub(super) agent_name: Option<String>,
    pub(super) started: String,
    pub(super) duration_us: u64,
    pub(super) first_byte_us: Option<u64>,
    pub(super) status: Option<u16>,
    pub(super) outcome: String,
    pub(super) error: Option<String>,
    pub(super) connection: Option<Connection>,
    pub(super) request: Request,
    pub(super) filtered_request: Option<Request>,
    pub(super) response: Option<Response>,
    pub(super) original_response: Option<Response>,
    pub(super) upstream_address: Option<String>,
    pub(super) receipts: Vec<Receipt>,
    pub(super) interventions: Vec<Intervention>,
    pub(super) tags: BTreeMap<String, serde_json::Value>,
    pub(super) note: Option<String>,
    pub(super) replay_of: Option<String>,
    pub(super) replay_by: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Connection {
    pub(super) client_address: String,
    pub(super) entry: String,
    pub(super) user: Option<String>,
    pub(super) tunnel_target: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) intercepted: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) version: String,
    pub(super) headers: Fields,
    pub(super) trailers: Option<Fields>,
    pub(super) body: Body,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) version: String,
    pub(super) headers: Fields,
    pub(super) trailers: Option<Fields>,
    pub(super) body: Body,
}

pub(super) type Fields = Vec<(String, String)>;

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
pub(super) struct Body {
    pub(super) size: u64,
    pub(super) captured: u64,
    pub(super) redacted: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Receipt {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) verdict: String,
    pub(super) error: Option<String>,
    pub(super) changed: bool,
    pub(super) changes: Vec<String>,
    pub(super) took_us: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Intervention {
    pub(super) at: String,
    pub(super) decision: String,
    pub(super) by: Option<String>,
    pub(super) changed: Vec<String>,
    pub(super) waited_us: u64,
    pub(super) failed: bool,
}

/// The first value of a field.
pub(super) fn header<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
