//! `/api/v1/exchanges/{id}/…/body`: captured bytes, as data. They came from anywhere, so nothing here lets a browser
//! take them for a page of ours.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_proto::v1::{self, Field};

use super::{
    input::{Id, Params},
    problem::Problem,
};
use crate::orchestrator::Orchestrator;

const SIZE: HeaderName = HeaderName::from_static("weir-body-size");
const TRUNCATED: HeaderName = HeaderName::from_static("weir-body-truncated");
const ENCODING: HeaderName = HeaderName::from_static("weir-content-encoding");

/// Which version of the message.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Side {
    /// `filtered` for a request as the upstream got it, `original` for a response as the upstream sent it
    side: Option<SideName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum SideName {
    Filtered,
    Original,
}

/// The captured bytes of the request's body.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}/request/body", operation_id = "getRequestBody", tag = "exchanges", params(("id" = String, Path,), Side),
    responses((status = 200, content_type = "application/octet-stream", description = "The captured bytes with the \
    message's own Content-Type; `Weir-Body-Size` is the true size, `Weir-Body-Truncated` says whether some are missing, \
    `Weir-Content-Encoding` is the message's Content-Encoding"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn request(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    Params(Side { side }): Params<Side>,
) -> Result<Response, Problem> {
    let exchange = whole(&orchestrator, id).await?;
    let request = match side {
        None => exchange.request,
        Some(SideName::Filtered) => exchange.filtered_request,
        Some(SideName::Original) => return Err(Problem::bad_request("a request's side is `filtered`, or none")),
    };
    let request = request.ok_or_else(|| Problem::not_found("no filter changed the request of this exchange"))?;
    Ok(body(id, "request", request.body, &request.headers))
}

/// The captured bytes of the response's body.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}/response/body", operation_id = "getResponseBody", tag = "exchanges", params(("id" = String, Path,), Side),
    responses((status = 200, content_type = "application/octet-stream", description = "As for the request's"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn response(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    Params(Side { side }): Params<Side>,
) -> Result<Response, Problem> {
    let exchange = whole(&orchestrator, id).await?;
    let (response, missing) = match side {
        None => (exchange.response, "this exchange has no response"),
        Some(SideName::Original) => (exchange.original_response, "no filter changed the response of this exchange"),
        Some(SideName::Filtered) => return Err(Problem::bad_request("a response's side is `original`, or none")),
    };
    let response = response.ok_or_else(|| Problem::not_found(missing))?;
    Ok(body(id, "response", response.body, &response.headers))
}

async fn whole(orchestrator: &Orchestrator, id: Uuid) -> Result<v1::Exchange, Problem> {
    let found = orchestrator.store.exchange(id).await?;
    found.map(|(_, exchange)| exchange).ok_or_else(|| Problem::not_found(format!("there is no exchange {id}")))
}

fn body(id: Uuid, what: &str, body: Option<v1::Body>, fields: &[Field]) -> Response {
    let body = body.unwrap_or_default();
    let mut headers = HeaderMap::new();
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, value(fields, "content-type").unwrap_or(unknown));
    if let Some(encoding) = value(fields, "content-encoding") {
        headers.insert(ENCODING, encoding);
    }
    let name = format!("attachment; filename=\"{id}-{what}.bin\"");
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    headers.insert(SIZE, body.size.into());
    let truncated = (body.data.len() as u64) < body.size;
    headers.insert(TRUNCATED, HeaderValue::from_static(if truncated { "true" } else { "false" }));
    (headers, body.data).into_response()
}

fn value(fields: &[Field], name: &str) -> Option<HeaderValue> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
    HeaderValue::from_bytes(&field.value).ok().filter(|value| value.to_str().is_ok() && !value.is_empty())
}
