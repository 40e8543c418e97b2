//! `/api/v1/exchanges/arrivals`: recorded exchanges in the order in which they came, to be followed.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    exchanges::{ExchangeItem, Which, item},
    fields::{Selection, Told},
    input::{Paging, Params, cursor},
    problem::Problem,
    secrets::Asker,
};
use crate::{orchestrator::Orchestrator, store};

/// Some of what came.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Arrivals {
    #[schema(value_type = Vec<ExchangeItem>)]
    items: Vec<Told>,
    /// For `cursor`, to ask for what comes next; there is always one.
    next: String,
    /// Exchanges behind the cursor that retention deleted before they could be told, whatever the query.
    skipped: u64,
}

/// Recorded exchanges in the order in which they came, the oldest first. Without a cursor none, and the cursor for what
/// comes from now on.
#[utoipa::path(get, path = "/api/v1/exchanges/arrivals", operation_id = "followExchanges", tag = "exchanges", params(Which), responses(
    (status = 200, body = Arrivals), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Params(which): Params<Which>,
) -> Result<Json<Arrivals>, Problem> {
    let selection = Selection::of(which.fields.as_deref())?;
    let query = asker.query(which.query.as_deref().unwrap_or_default())?;
    let paging = Paging { limit: which.limit, cursor: which.cursor };
    // A cursor of another listing is no place in this one, but is one that exists: it is bounded by what is there.
    let after = paging.place()?.map(|place| i64::try_from(u128::from_be_bytes(place)).unwrap_or(i64::MAX));
    let store::Arrivals { items, next, skipped } = orchestrator.store.arrivals(&query, after, paging.limit()?).await?;
    let next = cursor(u128::from(next.unsigned_abs()).to_be_bytes());
    Ok(Json(Arrivals {
        items: items.into_iter().map(|summary| selection.told(item(summary))).collect(),
        next,
        skipped,
    }))
}
