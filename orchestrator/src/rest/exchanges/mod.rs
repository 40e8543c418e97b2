//! `/api/v1/exchanges`: what was recorded, as a list and one by one.

mod deeds;
mod detail;
mod item;
mod message;

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

pub(super) use self::{
    deeds::told_tags,
    detail::{ExchangeDetail, detail},
    item::{ExchangeItem, item},
};
use super::{
    fields::{Selection, Told},
    input::{Id, Paging, Params, cursor},
    problem::Problem,
    secrets::Asker,
};
use crate::{clock::rfc3339, orchestrator::Orchestrator, store::Unread};

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
    let _seat = asker.searches(&orchestrator, &query)?;
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

pub(crate) fn url(scheme: &str, authority: &str, path: &str) -> String {
    if scheme.is_empty() { format!("{authority}{path}") } else { format!("{scheme}://{authority}{path}") }
}

/// Agents leave empty what there is none of.
pub(crate) fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
