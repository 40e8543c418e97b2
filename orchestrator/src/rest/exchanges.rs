//! `/api/v1/exchanges`: what was recorded, as a list and one by one.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_artifact::Digest;
use weir_proto::v1;

use super::{
    fields::{Selection, Told},
    input::{Id, Paging, Params, cursor},
    problem::Problem,
    secrets::Asker,
};
use crate::{
    clock::rfc3339,
    orchestrator::Orchestrator,
    store::{Kept, Outline, Slot, Summary, Unread},
};

/// Which exchanges.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// In the query grammar (docs/query.md), such as `host:*.example.com status:5xx -method:GET`
    pub(super) query: Option<String>,
    /// 1 to 500, by default 100
    pub(super) limit: Option<usize>,
    /// `next` of the page before
    pub(super) cursor: Option<String>,
    /// Members of the items, with commas between them, such as `id,method,url`; all without it
    pub(super) fields: Option<String>,
}

/// An exchange in a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExchangeItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// Id of the agent that carried it.
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    /// RFC 3339 with microseconds.
    started: String,
    /// Microseconds from the first byte of the request head to the end of the response.
    duration_us: u64,
    /// Microseconds to the response head, 0 without one.
    first_byte_us: u64,
    method: String,
    scheme: String,
    authority: String,
    /// The authority without its port.
    host: String,
    /// With the query. In a listing at most 8 KiB of it.
    path: String,
    url: String,
    version: String,
    status: Option<u16>,
    request_bytes: u64,
    response_bytes: u64,
    content_type: String,
    /// complete, client-gone, upstream-failed, filter-answered, filter-failed, refused, upgraded or shut-down
    outcome: &'static str,
    error: Option<String>,
    /// Address of the client.
    client: String,
    /// Names of the filters it met.
    filters: Vec<String>,
    /// Of an exchange that an orchestrator had the agent send: the one that was sent again, or all zeros. Null of a client's.
    #[schema(value_type = Option<String>, format = "uuid")]
    replay_of: Option<Uuid>,
}

/// An exchange, whole but for the bodies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExchangeDetail {
    #[serde(flatten)]
    item: ExchangeItem,
    connection: Option<Connection>,
    /// As the client sent it.
    request: Option<RequestMessage>,
    /// As the upstream got it, where a filter changed it.
    filtered_request: Option<RequestMessage>,
    /// As the client got it.
    response: Option<ResponseMessage>,
    /// As the upstream sent it, where a filter changed it.
    original_response: Option<ResponseMessage>,
    upstream_address: Option<String>,
    receipts: Vec<Receipt>,
    /// What people did to it at breakpoints, in the order they did.
    interventions: Vec<Intervention>,
    /// What filters said of it, by `FILTER.NAME`, and people, by a name without a dot: text, number or flag.
    #[schema(value_type = Object)]
    tags: BTreeMap<String, serde_json::Value>,
    /// What people said of it.
    note: Option<String>,
    /// Who wanted it, of an exchange that no client sent.
    replay_by: Option<String>,
}

/// How the client came in.
#[derive(Debug, Serialize, ToSchema)]
struct Connection {
    client_address: String,
    entry: String,
    user: Option<String>,
    tunnel_target: Option<String>,
    server_name: Option<String>,
    intercepted: bool,
}

/// Name and value; of the value, each byte is one character.
type Fields = Vec<(String, String)>;

#[derive(Debug, Serialize, ToSchema)]
struct RequestMessage {
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
struct ResponseMessage {
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

/// A pause at a breakpoint, and what ended it.
#[derive(Debug, Serialize, ToSchema)]
struct Intervention {
    /// `request` or `response`
    at: &'static str,
    /// `continue`, `modify`, `respond`, `redirect`, `kill` or `block`; `timed-out`, `lease-ended` or `shut-down` when nobody decided
    decision: String,
    /// Whose decision.
    by: Option<String>,
    /// Of `method`, `url`, `headers`, `status` and `body`
    changed: Vec<String>,
    waited_us: u64,
    /// Nobody decided, and the exchange failed for it.
    failed: bool,
}

/// What one filter did.
#[derive(Debug, Serialize, ToSchema)]
struct Receipt {
    name: String,
    version: u64,
    digest: String,
    /// next, responded, aborted, failed or skipped
    verdict: String,
    error: Option<String>,
    changed: bool,
    /// What it changed: `request-head`, `response-head`, `request-body`, `response-body`, `request-trailers`, `response-trailers`,
    /// `messages`. Empty of an agent that is too old to say.
    changes: Vec<String>,
    /// What its guest took, all its hooks together, microseconds; null of an agent that is too old to say.
    took_us: Option<f64>,
}

/// Some of the exchanges that fit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Found {
    #[schema(value_type = Vec<ExchangeItem>)]
    items: Vec<Told>,
    /// For `cursor`, to go on; null at the end.
    next: Option<String>,
    /// The time, RFC 3339, back to which was searched; null when that is all there is.
    searched_to: Option<String>,
    /// What was left out though it may fit; null when there is none.
    unread: Option<LeftOut>,
}

/// Exchanges that a query could not be asked of: it asks for bodies, and one of theirs is damaged or missing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftOut {
    /// How many.
    count: u64,
    /// The first of them.
    first: Vec<OneLeftOut>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct OneLeftOut {
    #[schema(value_type = String)]
    id: Uuid,
    /// Which body, and what is wrong with it.
    reason: String,
}

impl LeftOut {
    /// None when nothing was left out.
    pub(super) fn of(unread: Unread) -> Option<Self> {
        let first = unread.first.into_iter().map(|(id, reason)| OneLeftOut { id, reason });
        (unread.count > 0).then(|| Self { count: unread.count, first: first.collect() })
    }
}

/// Recorded exchanges, newest first. A page may hold fewer than `limit`, even none, and still have a `next`: the search
/// stopped for the time it took, at `searched_to`. With `fields`, items have these members alone.
#[utoipa::path(get, path = "/api/v1/exchanges", operation_id = "listExchanges", tag = "exchanges", params(Which), responses(
    (status = 200, body = Found), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Params(which): Params<Which>,
) -> Result<Json<Found>, Problem> {
    let selection = Selection::of(which.fields.as_deref())?;
    let query = asker.query(which.query.as_deref().unwrap_or_default())?;
    let paging = Paging { limit: which.limit, cursor: which.cursor };
    let before = paging.place()?.map(Uuid::from_bytes);
    let page = orchestrator.store.exchanges(&query, before, paging.limit()?).await?;
    // The time in the id is that of the order.
    let searched_to = page.next.and_then(|id| u64::try_from(id.as_u128() >> 80).ok()).map(|ms| rfc3339(ms * 1000));
    let next = page.next.map(|id| cursor(id.into_bytes()));
    let items = page.items.into_iter().map(|summary| selection.told(item(summary)));
    Ok(Json(Found { items: items.collect(), next, searched_to, unread: LeftOut::of(page.unread) }))
}

/// One exchange. Authorization, Proxy-Authorization, Cookie and Set-Cookie are hidden from viewers and publishers.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}", operation_id = "getExchange", tag = "exchanges", params(("id" = String, Path,)), responses(
    (status = 200, body = ExchangeDetail), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Id(id): Id,
) -> Result<Json<ExchangeDetail>, Problem> {
    let found = orchestrator.store.outline(id).await?;
    let mut found = found.ok_or_else(|| Problem::not_found(format!("there is no exchange {id}")))?;
    found.exchange = asker.looks_at(&orchestrator, found.exchange).await?;
    Ok(Json(detail(found)))
}

pub(super) fn item(summary: Summary) -> ExchangeItem {
    ExchangeItem {
        id: summary.id,
        agent: summary.agent,
        agent_name: summary.agent_name,
        started: rfc3339(summary.started_us),
        duration_us: summary.duration_us,
        first_byte_us: summary.first_byte_us,
        url: url(&summary.scheme, &summary.authority, &summary.path),
        method: summary.method,
        scheme: summary.scheme,
        authority: summary.authority,
        host: summary.host,
        path: summary.path,
        version: summary.version,
        status: summary.status,
        request_bytes: summary.request_bytes,
        response_bytes: summary.response_bytes,
        content_type: summary.content_type,
        outcome: summary.outcome,
        error: some(summary.error),
        client: summary.client,
        filters: summary.filters,
        replay_of: summary.replay_of,
    }
}

pub(super) fn detail(Outline { summary, exchange, kept }: Outline) -> ExchangeDetail {
    let kept = |slot: Slot| kept.iter().find(|kept| kept.is(slot));
    let mut item = item(summary);
    // The columns are cut, the message is not.
    if let Some(request) = &exchange.request {
        item.path.clone_from(&request.path);
        item.url = url(&request.scheme, &request.authority, &request.path);
    }
    ExchangeDetail {
        item,
        connection: exchange.connection.map(|connection| Connection {
            client_address: connection.client_address,
            entry: connection.entry,
            user: some(connection.user),
            tunnel_target: some(connection.tunnel_target),
            server_name: some(connection.server_name),
            intercepted: connection.intercepted,
        }),
        request: exchange.request.map(|it| request(it, kept(Slot::Request))),
        filtered_request: exchange.filtered_request.map(|it| request(it, kept(Slot::FilteredRequest))),
        response: exchange.response.map(|it| response(it, kept(Slot::Response))),
        original_response: exchange.original_response.map(|it| response(it, kept(Slot::OriginalResponse))),
        upstream_address: some(exchange.upstream_address),
        receipts: exchange.filters.into_iter().map(receipt).collect(),
        interventions: exchange.interventions.into_iter().map(intervention).collect(),
        tags: told_tags(exchange.tags),
        note: some(exchange.note),
        replay_by: some(exchange.replay_by),
    }
}

fn request(request: v1::Request, kept: Option<&Kept>) -> RequestMessage {
    RequestMessage {
        url: url(&request.scheme, &request.authority, &request.path),
        method: request.method,
        version: request.version,
        headers: fields(request.headers),
        trailers: fields(request.trailers),
        body: size(request.body, kept),
    }
}

fn response(response: v1::Response, kept: Option<&Kept>) -> ResponseMessage {
    ResponseMessage {
        status: response.status,
        version: response.version,
        headers: fields(response.headers),
        trailers: fields(response.trailers),
        body: size(response.body, kept),
    }
}

pub(super) fn told_tags(tags: Vec<v1::Tag>) -> BTreeMap<String, serde_json::Value> {
    tags.into_iter().map(tag).collect()
}

fn tag(tag: v1::Tag) -> (String, serde_json::Value) {
    use v1::tag::Value;
    let value = match tag.value {
        Some(Value::Text(text)) => text.into(),
        Some(Value::Number(number)) => number.into(),
        Some(Value::Flag(flag)) => flag.into(),
        None => serde_json::Value::Null,
    };
    (tag.name, value)
}

fn intervention(how: v1::Intervention) -> Intervention {
    Intervention {
        at: if how.at_response { "response" } else { "request" },
        decision: how.decision,
        by: some(how.by),
        changed: how.changed,
        waited_us: how.waited_us,
        failed: how.failed,
    }
}

fn receipt(receipt: v1::Receipt) -> Receipt {
    Receipt {
        name: receipt.name,
        version: receipt.version,
        digest: receipt.digest,
        verdict: receipt.verdict,
        error: some(receipt.error),
        changed: receipt.changed,
        changes: receipt.changes,
        took_us: (receipt.took_ns != 0).then_some(receipt.took_ns as f64 / 1000.0),
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

pub(crate) fn url(scheme: &str, authority: &str, path: &str) -> String {
    if scheme.is_empty() { format!("{authority}{path}") } else { format!("{scheme}://{authority}{path}") }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
