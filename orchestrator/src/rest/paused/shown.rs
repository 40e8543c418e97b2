//! A paused message as people see it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_har::coding;
use weir_proto::v1;

use crate::{
    clock::rfc3339,
    interception::told::{at, request, status},
    store::AgentRow,
};

/// What a body may grow to when it is decoded.
const DECODED_BYTES: usize = 4 << 20;

/// A message that pauses.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct PausedItem {
    /// Of this pause: the request and the response of an exchange have different ones.
    #[schema(value_type = String, format = "uuid")]
    pub(super) id: Uuid,
    #[schema(value_type = String, format = "uuid")]
    pub(super) breakpoint: Uuid,
    #[schema(value_type = String, format = "uuid")]
    exchange: Uuid,
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    /// `request` or `response`
    at: &'static str,
    method: String,
    /// Its beginning, where it is long.
    url: String,
    /// Of a response.
    status: Option<u16>,
    client: String,
    since: String,
    /// Milliseconds until it ends by itself.
    ends_in_ms: u32,
    /// Bytes of the body that are held.
    body_held: u64,
    /// They are all of it, so that it can be replaced.
    body_is_whole: bool,
    /// The agent's rules of redaction hide it, since they cannot look into it: it can be replaced, but is not shown.
    body_withheld: bool,
}

/// A message that pauses, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct PausedDetail {
    #[serde(flatten)]
    item: PausedItem,
    request: RequestHead,
    /// Where the response pauses.
    response: Option<ResponseHead>,
    /// Of the message that pauses, as far as it is held.
    body: HeldBody,
    /// The Content-Encoding that was undone in `body`; null where none was.
    decoded: Option<String>,
}

/// Fields of this hop and Content-Length are not among the headers: they are the agent's. In place of a value that the agent's
/// rules of redaction name stands `[redacted-N]`.
#[derive(Debug, Serialize, ToSchema)]
struct RequestHead {
    method: String,
    url: String,
    version: String,
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Vec<(String, String)>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ResponseHead {
    status: u32,
    version: String,
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Vec<(String, String)>,
}

/// Bytes: as text where they are UTF-8, else in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(in super::super) enum HeldBody {
    Text(String),
    Base64(String),
}

impl PausedItem {
    pub(super) fn of(row: &AgentRow, paused: &v1::Paused) -> Option<Self> {
        let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
        let (method, url) = request(paused);
        let client = paused.connection.as_ref().map(|connection| crate::grpc::bounded(&connection.client_address, 64));
        Some(Self {
            id: id(&paused.id)?,
            breakpoint: id(&paused.breakpoint)?,
            exchange: id(&paused.exchange)?,
            agent: row.agent.id,
            agent_name: row.name.clone(),
            at: at(paused.at_response),
            method,
            url,
            status: status(paused),
            client: client.unwrap_or_default(),
            since: rfc3339(paused.since_us),
            ends_in_ms: paused.ends_in_ms,
            body_held: paused.body_held,
            body_is_whole: paused.body_is_whole,
            body_withheld: paused.body_is_withheld,
        })
    }
}

impl PausedDetail {
    /// None where the agent's answer makes no sense.
    pub(super) fn of(row: &AgentRow, held: v1::Held) -> Option<Self> {
        let mut paused = held.paused?;
        let item = PausedItem::of(row, &paused)?;
        let (request, response) = (paused.request.take()?, paused.response.take());
        let message = response.as_ref().map_or(&request.headers, |response| &response.headers);
        let decoded = decode(message, &held.body, item.body_is_whole);
        let (body, decoded) = match decoded {
            Some((body, encoding)) => (HeldBody::of(&body), Some(encoding)),
            None => (HeldBody::of(&held.body), None),
        };
        let request = RequestHead {
            url: format!("{}://{}{}", request.scheme, request.authority, request.path),
            method: request.method,
            version: request.version,
            headers: fields(request.headers),
        };
        let response = response.map(|response| ResponseHead {
            status: response.status,
            version: response.version,
            headers: fields(response.headers),
        });
        Some(Self { item, request, response, body, decoded })
    }
}

impl PausedDetail {
    /// Is there something in it that is hidden elsewhere?
    pub(super) fn shows_credentials(&self) -> bool {
        let of_response = self.response.iter().flat_map(|response| &response.headers);
        let mut headers = self.request.headers.iter().chain(of_response);
        headers.any(|(name, value)| weir_har::hidden(name, value).is_some())
    }
}

impl HeldBody {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

/// The body without its Content-Encoding, and which that was.
fn decode(fields: &[v1::Field], body: &[u8], is_whole: bool) -> Option<(Vec<u8>, String)> {
    let encodings = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("content-encoding"));
    let encoding =
        encodings.map(|field| String::from_utf8_lossy(&field.value).into_owned()).collect::<Vec<_>>().join(", ");
    if encoding.is_empty() || body.is_empty() || !is_whole {
        return None;
    }
    let decoded = coding::decode(&coding::codings(encoding.as_bytes()).ok()?, body, DECODED_BYTES).ok()?;
    decoded.complete.then_some((decoded.bytes, encoding))
}

fn fields(fields: Vec<v1::Field>) -> Vec<(String, String)> {
    fields.into_iter().map(|field| (field.name, field.value.iter().map(|byte| char::from(*byte)).collect())).collect()
}
