//! `/api/v1/exchanges/{id}/…/body`: captured bytes, whole or a part, as sent or decoded. They came from anywhere, so nothing
//! here lets a browser take them for a page of ours: they are an attachment, what their kind is nobody guesses, and if one
//! showed them all the same, they would run nowhere.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_har::coding;
use weir_proto::v1::{self, Field};

use super::{
    conditional::entity_tag,
    held::{self, Held},
    input::{Id, Params},
    problem::Problem,
    range::{Part, part},
    secrets::Asker,
};
use crate::{
    orchestrator::Orchestrator,
    store::{Kept, Outline, Slot},
};

const SIZE: HeaderName = HeaderName::from_static("weir-body-size");
const TRUNCATED: HeaderName = HeaderName::from_static("weir-body-truncated");
const REDACTED: HeaderName = HeaderName::from_static("weir-body-redacted");
const ENCODING: HeaderName = HeaderName::from_static("weir-content-encoding");
/// What a body may grow to when it is decoded.
const DECODED_BYTES: usize = 32 << 20;
/// What a byte of a coding may stand for, about.
const MOST_GROWN: u64 = 1 << 10;

/// Which version of the message, and in which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Side {
    /// `filtered` for a request as the upstream got it, `original` for a response as the upstream sent it
    side: Option<SideName>,
    /// Undo the Content-Encoding (gzip, deflate, br, zstd), to at most 32 MiB
    decoded: Option<Flag>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SideName {
    Filtered,
    Original,
}

/// `?decoded` says as much as `?decoded=true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
pub(super) enum Flag {
    #[serde(rename = "true", alias = "")]
    True,
    #[serde(rename = "false")]
    False,
}

/// The captured bytes of the request's body.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}/request/body", operation_id = "getRequestBody", tag = "exchanges",
    params(("id" = String, Path,), Side, ("Range" = Option<String>, Header, description = "One range of bytes (RFC 9110 section 14)"),
    ("If-Range" = Option<String>, Header, description = "An ETag that was given"), ("If-None-Match" = Option<String>, Header,)),
    responses((status = 200, content_type = "*/*", description = "The captured bytes with the \
    message's own Content-Type; `Weir-Body-Size` is the true size on the wire, `Weir-Body-Truncated` says whether some are missing, \
    `Weir-Content-Encoding` is the message's Content-Encoding, unless it was undone"),
    (status = 206, content_type = "*/*", description = "The part of them that was asked for"),
    (status = 304, description = "As `If-None-Match` has it"),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 416, body = Problem, content_type = "application/problem+json", description = "Nothing of it lies there"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "It cannot be decoded: the coding \
    is not known, or the bytes are not what it says, or grow beyond the bound"),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Other large bodies are being sent, to \
    this token or user or to all; or too many requests")))]
pub(super) async fn request(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    asker: Asker,
    Params(Side { side, decoded }): Params<Side>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Outline { exchange, kept, .. } = outline(&orchestrator, id).await?;
    let (request, slot) = match side {
        None => (exchange.request, Slot::Request),
        Some(SideName::Filtered) => (exchange.filtered_request, Slot::FilteredRequest),
        Some(SideName::Original) => return Err(Problem::bad_request("a request's side is `filtered`, or none")),
    };
    let request = request.ok_or_else(|| Problem::not_found("no filter changed the request of this exchange"))?;
    let kept = kept.iter().find(|kept| kept.is(slot));
    let stored = Stored { id, what: "request", body: request.body.unwrap_or_default(), fields: request.headers };
    stored.answer(&orchestrator, asker.name(), kept, decoded == Some(Flag::True), &method, &headers).await
}

/// The captured bytes of the response's body.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}/response/body", operation_id = "getResponseBody", tag = "exchanges",
    params(("id" = String, Path,), Side, ("Range" = Option<String>, Header, description = "One range of bytes (RFC 9110 section 14)"),
    ("If-Range" = Option<String>, Header, description = "An ETag that was given"), ("If-None-Match" = Option<String>, Header,)),
    responses((status = 200, content_type = "*/*", description = "As for the request's"),
    (status = 206, content_type = "*/*", description = "The part of them that was asked for"),
    (status = 304, description = "As `If-None-Match` has it"),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 416, body = Problem, content_type = "application/problem+json", description = "Nothing of it lies there"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "It cannot be decoded"),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Other large bodies are being sent, to \
    this token or user or to all; or too many requests")))]
pub(super) async fn response(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    asker: Asker,
    Params(Side { side, decoded }): Params<Side>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Outline { exchange, kept, .. } = outline(&orchestrator, id).await?;
    let (response, slot, missing) = match side {
        None => (exchange.response, Slot::Response, "this exchange has no response"),
        Some(SideName::Original) => {
            (exchange.original_response, Slot::OriginalResponse, "no filter changed the response of this exchange")
        }
        Some(SideName::Filtered) => return Err(Problem::bad_request("a response's side is `original`, or none")),
    };
    let response = response.ok_or_else(|| Problem::not_found(missing))?;
    let kept = kept.iter().find(|kept| kept.is(slot));
    let stored = Stored { id, what: "response", body: response.body.unwrap_or_default(), fields: response.headers };
    stored.answer(&orchestrator, asker.name(), kept, decoded == Some(Flag::True), &method, &headers).await
}

async fn outline(orchestrator: &Orchestrator, id: Uuid) -> Result<Outline, Problem> {
    let found = orchestrator.store.outline(id).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no exchange {id}")))
}

/// A body and the fields of its message.
struct Stored {
    id: Uuid,
    what: &'static str,
    body: v1::Body,
    fields: Vec<Field>,
}

impl Stored {
    /// `kept` says where the captured bytes are, if they are not in it; `name` is whose turn it takes to send many.
    async fn answer(
        mut self,
        orchestrator: &Orchestrator,
        name: &str,
        kept: Option<&Kept>,
        decoded: bool,
        method: &Method,
        asked: &HeaderMap,
    ) -> Result<Response, Problem> {
        let captured = kept.map_or(self.body.data.len() as u64, Kept::captured);
        let grown = if decoded { captured.saturating_mul(MOST_GROWN).min(DECODED_BYTES as u64) } else { 0 };
        let sent = if method == Method::HEAD { 0 } else { captured + grown };
        let turn = held::turn(orchestrator, name, sent).await?;
        // Until they lie in a file.
        let _room = orchestrator.room_for(captured + grown).await.ok_or_else(Problem::unavailable)?;
        if let Some(kept) = kept {
            let data = orchestrator.store.body(self.id, kept).await?;
            self.body.data = data.ok_or_else(|| Problem::not_found(format!("there is no exchange {}", self.id)))?;
        }
        let mut truncated = self.body.is_cut(self.body.data.len() as u64);
        let mut data = self.body.data.clone();
        if decoded {
            let complete;
            (data, complete) = decode(orchestrator, &self.fields, data).await?;
            if !complete && !truncated {
                return Err(Problem::unprocessable("coding", "the body ends before its Content-Encoding does"));
            }
            truncated = !complete || truncated;
        }
        let tag = entity_tag(&data);
        let length = data.len() as u64;
        let mut headers = self.headers(decoded, truncated);
        if let Ok(tag) = HeaderValue::try_from(&tag) {
            headers.insert(header::ETAG, tag);
        }
        match part(method, asked, &tag, length) {
            Part::Whole if method == Method::HEAD => {
                headers.insert(header::CONTENT_LENGTH, length.into());
                Ok(headers.into_response())
            }
            Part::Whole => Ok(Held::of(orchestrator, name, turn, data).await?.answer(StatusCode::OK, headers)),
            Part::NotModified => Ok((StatusCode::NOT_MODIFIED, headers).into_response()),
            Part::Range(first, last) => {
                put(&mut headers, header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
                // Within the length, which is that of a slice.
                let range = usize::try_from(first).unwrap_or(usize::MAX)..=usize::try_from(last).unwrap_or(0);
                let mut part = data.slice(range);
                // A small part is not to keep all of it.
                if part.len() < data.len() / 2 {
                    part = Bytes::copy_from_slice(&part);
                }
                Ok(Held::of(orchestrator, name, turn, part).await?.answer(StatusCode::PARTIAL_CONTENT, headers))
            }
            Part::Unsatisfiable => {
                let problem =
                    Problem::not_satisfiable(format!("there are {length} bytes of it, and none in this range"));
                let mut response = problem.into_response();
                put(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{length}"));
                Ok(response)
            }
        }
    }

    fn headers(&self, decoded: bool, truncated: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let unknown = HeaderValue::from_static("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, value(&self.fields, "content-type").unwrap_or(unknown));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(encoding) = value(&self.fields, "content-encoding").filter(|_| !decoded) {
            headers.insert(ENCODING, encoding);
        }
        let name = format!("attachment; filename=\"{}-{}.bin\"", self.id, self.what);
        put(&mut headers, header::CONTENT_DISPOSITION, name);
        headers.insert(SIZE, self.body.size.into());
        headers.insert(TRUNCATED, HeaderValue::from_static(if truncated { "true" } else { "false" }));
        if self.body.redacted {
            headers.insert(REDACTED, HeaderValue::from_static("true"));
        }
        headers
    }
}

/// The bytes without their codings, and whether these came to their ends.
pub(crate) async fn decode(
    orchestrator: &Orchestrator,
    fields: &[Field],
    data: Bytes,
) -> Result<(Bytes, bool), Problem> {
    let named: Vec<&[u8]> = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("content-encoding"))
        .map(|field| &field.value[..])
        .collect();
    let refuse = |error: coding::CodingError| Problem::unprocessable("coding", format!("Content-Encoding: {error}"));
    let codings = coding::codings(&named.join(&b',')).map_err(refuse)?;
    if codings.is_empty() {
        return Ok((data, true));
    }
    let decoded = orchestrator.lay_out(move || {
        coding::decode(&codings, &data, DECODED_BYTES).map(|mut decoded| {
            decoded.bytes.shrink_to_fit();
            decoded
        })
    });
    let decoded = decoded.await.ok_or_else(Problem::unavailable)?.map_err(refuse)?;
    Ok((decoded.bytes.into(), decoded.complete))
}

fn put(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

fn value(fields: &[Field], name: &str) -> Option<HeaderValue> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
    HeaderValue::from_bytes(&field.value).ok().filter(|value| value.to_str().is_ok() && !value.is_empty())
}
