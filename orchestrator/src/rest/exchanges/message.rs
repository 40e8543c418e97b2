//! A request or a response of an exchange, but for its body.

use serde::Serialize;
use utoipa::ToSchema;
use weir_artifact::Digest;
use weir_proto::v1;

use super::url;
use crate::store::Kept;

/// Name and value; of the value, each byte is one character.
type Fields = Vec<(String, String)>;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestMessage {
    method: String,
    url: String,
    version: String,
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Fields,
    #[schema(value_type = Vec<Vec<String>>)]
    trailers: Fields,
    body: BodySize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResponseMessage {
    status: u32,
    version: String,
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Fields,
    #[schema(value_type = Vec<Vec<String>>)]
    trailers: Fields,
    body: BodySize,
}

/// How much there was and how much was kept, bytes.
#[derive(Debug, Default, Serialize, ToSchema)]
struct BodySize {
    size: u64,
    captured: u64,
    /// SHA-256 of what was captured, `sha256:…`; null of nothing.
    #[schema(value_type = Option<String>)]
    digest: Option<Digest>,
    /// SHA-256 of the whole, where it was not captured to its end and the agent took it.
    #[schema(value_type = Option<String>)]
    whole_digest: Option<Digest>,
    /// The agent left values out of it, or all of it, by its rules of redaction: `captured` says nothing of `size` then.
    redacted: bool,
}

pub(super) fn request(request: v1::Request, kept: Option<&Kept>) -> RequestMessage {
    RequestMessage {
        url: url(&request.scheme, &request.authority, &request.path),
        method: request.method,
        version: request.version,
        headers: fields(request.headers),
        trailers: fields(request.trailers),
        body: size(request.body, kept),
    }
}

pub(super) fn response(response: v1::Response, kept: Option<&Kept>) -> ResponseMessage {
    ResponseMessage {
        status: response.status,
        version: response.version,
        headers: fields(response.headers),
        trailers: fields(response.trailers),
        body: size(response.body, kept),
    }
}

fn fields(fields: Vec<v1::Field>) -> Fields {
    // RFC 9110 section 5.5: a value is bytes, of which only ASCII means anything to everybody.
    fields.into_iter().map(|field| (field.name, field.value.iter().map(|byte| char::from(*byte)).collect())).collect()
}

fn size(body: Option<v1::Body>, kept: Option<&Kept>) -> BodySize {
    let Some(body) = body else { return BodySize::default() };
    let captured = kept.map_or(body.data.len() as u64, Kept::captured);
    let digest_of = match kept {
        Some(kept) => kept.digest().ok(),
        None => Some(Digest::of(&body.data)).filter(|_| !body.data.is_empty()),
    };
    let whole_digest = Digest::from_slice(&body.digest).filter(|_| body.is_cut(captured));
    BodySize { size: body.size, captured, digest: digest_of, whole_digest, redacted: body.redacted }
}
