//! `GET /api/v1/exchanges/count`: how many fit a query, some seconds' worth at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    input::{Paging, Params, cursor},
    problem::Problem,
    secrets::Asker,
};
use crate::orchestrator::Orchestrator;

/// Exchanges of one look.
const STEP: usize = 2000;
/// After this an answer says what it has.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which exchanges.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// In the query grammar; without one all
    query: Option<String>,
    /// `next` of the count before
    cursor: Option<String>,
}

/// How many fit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExchangeCount {
    count: u64,
    /// Not among them, though they may fit: the query asks for bodies, and one of theirs is damaged or missing.
    unread: u64,
    /// There are more to look at: for `cursor`, and what comes then is to be added. Null at the end.
    next: Option<String>,
}

/// How many exchanges fit. What takes longer than two seconds is counted in several answers.
#[utoipa::path(get, path = "/api/v1/exchanges/count", operation_id = "countExchanges", tag = "exchanges", params(Which), responses(
    (status = 200, body = ExchangeCount), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn count(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Params(which): Params<Which>,
) -> Result<Json<ExchangeCount>, Problem> {
    let query = asker.query(which.query.as_deref().unwrap_or_default())?;
    let _seat = asker.searches(&orchestrator, &query)?;
    let mut before = Paging { limit: None, cursor: which.cursor }.place()?.map(Uuid::from_bytes);
    let until = Instant::now() + PATIENCE;
    let (mut count, mut unread) = (0, 0);
    loop {
        let page = orchestrator.store.exchanges(&query, before, STEP).await?;
        count += page.items.len() as u64;
        unread += page.unread.count;
        match page.next {
            Some(next) if Instant::now() < until => before = Some(next),
            next => {
                let next = next.map(|id| cursor(id.into_bytes()));
                return Ok(Json(ExchangeCount { count, unread, next }));
            }
        }
    }
}
