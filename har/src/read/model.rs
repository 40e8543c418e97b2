//! Entries as far as they matter here. Members that are not named are passed over, whatever they hold.

use serde::Deserialize;

use super::{
    custom::Custom,
    lenient::{self, Scalar},
    socket::Listed,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Creator {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) name: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) started_date_time: String,
    #[serde(default, deserialize_with = "lenient::number")]
    pub(super) time: Option<f64>,
    pub(super) request: Request,
    #[serde(default)]
    pub(super) response: Option<Response>,
    #[serde(default)]
    pub(super) timings: Option<Timings>,
    #[serde(default, rename = "serverIPAddress", deserialize_with = "lenient::text")]
    pub(super) server_ip_address: String,
    #[serde(default, rename = "_error")]
    pub(super) error: Custom<String>,
    #[serde(default, rename = "_webSocketMessages")]
    pub(super) messages: Listed,
    #[serde(default, rename = "_weir")]
    pub(super) weir: Custom<Extra>,
}

/// Milliseconds; below zero for what did not happen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Timings {
    #[serde(deserialize_with = "lenient::number")]
    pub(super) blocked: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) dns: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) connect: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) send: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) wait: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) receive: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) http_version: String,
    #[serde(default, deserialize_with = "lenient::list")]
    pub(super) headers: Vec<Pair>,
    #[serde(default)]
    pub(super) post_data: Option<PostData>,
    #[serde(default, deserialize_with = "lenient::number")]
    pub(super) body_size: Option<f64>,
    #[serde(default, rename = "_weir")]
    pub(super) weir: Custom<MessageExtra>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pair {
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) value: String,
    #[serde(default, rename = "_encoding")]
    pub(super) encoding: Custom<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PostData {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) mime_type: String,
    pub(super) text: Option<String>,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) params: Vec<Pair>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) encoding: String,
    #[serde(rename = "_encoding")]
    pub(super) own_encoding: Custom<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Response {
    #[serde(deserialize_with = "lenient::number")]
    pub(super) status: Option<f64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) http_version: String,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) headers: Vec<Pair>,
    pub(super) content: Option<Content>,
    #[serde(deserialize_with = "lenient::number")]
    pub(super) body_size: Option<f64>,
    #[serde(rename = "_error")]
    pub(super) error: Custom<String>,
    #[serde(rename = "_weir")]
    pub(super) weir: Custom<MessageExtra>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Content {
    #[serde(deserialize_with = "lenient::number")]
    pub(super) size: Option<f64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) mime_type: String,
    pub(super) text: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) encoding: String,
}

/// What Weir itself has to say of an exchange beyond the format.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Extra {
    pub(super) agent: Agent,
    pub(super) outcome: String,
    pub(super) first_byte_us: Option<u64>,
    pub(super) error: String,
    pub(super) client: String,
    pub(super) entry: String,
    pub(super) user: String,
    pub(super) tunnel_target: String,
    pub(super) server_name: String,
    pub(super) intercepted: bool,
    pub(super) upstream: String,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) filters: Vec<Receipt>,
    #[serde(deserialize_with = "lenient::tags")]
    pub(super) tags: Vec<(String, Scalar)>,
    pub(super) note: String,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) interventions: Vec<Intervention>,
    pub(super) filtered_request: Option<Request>,
    pub(super) original_response: Option<Response>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Agent {
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Receipt {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) digest: String,
    pub(super) verdict: String,
    pub(super) error: String,
    pub(super) changed: bool,
    pub(super) took_ns: u64,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) changes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Intervention {
    /// `request` or `response`
    pub(super) at: String,
    pub(super) decision: String,
    pub(super) by: String,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) changed: Vec<String>,
    pub(super) waited_us: u64,
    pub(super) failed: bool,
}

/// And of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MessageExtra {
    pub(super) target: Option<Target>,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) trailers: Vec<Pair>,
    /// The bytes that were on the wire, base64.
    pub(super) wire: Option<String>,
    /// Of the body: values were left out when it was recorded, and there was more of it.
    pub(super) redacted: bool,
    pub(super) cut: bool,
    /// SHA-256 of the whole body, of which this is the beginning, hexadecimal.
    pub(super) digest: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Target {
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
}
