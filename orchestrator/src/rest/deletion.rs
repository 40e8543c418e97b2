//! `DELETE /api/v1/exchanges` and `/{id}`: what somebody wants gone before retention takes it.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_query::Query;

use super::{
    conditional::{IfMatch, failed, tag_of},
    exchanges::detail,
    input::{Id, Paging, Params, cursor},
    problem::Problem,
    secrets::Asker,
    standing::Standing,
};
use crate::{
    orchestrator::Orchestrator,
    store::{Changed, Deed},
};

/// Of one transaction: recording goes on between two.
const STEP: usize = 500;
/// Of one request that says how many.
const MOST: usize = 10_000;

/// Which exchanges.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Unwanted {
    /// In the query grammar; it cannot be empty
    query: String,
    /// At most so many of them, the newest, 1 to 10,000; without it all
    limit: Option<usize>,
    /// `next` of the deletion before
    cursor: Option<String>,
}

/// What went.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deleted {
    deleted: u64,
    /// Left as they are, though they may fit: the query asks for bodies, and one of theirs is damaged or missing.
    unread: u64,
    /// There may be more, beyond the limit: for `cursor`, to go on. Null at the end.
    next: Option<String>,
}

/// Deletes one exchange.
#[utoipa::path(delete, path = "/api/v1/exchanges/{id}", operation_id = "deleteExchange", tag = "exchanges", params(("id" = String, Path,)), responses(
    (status = 204, description = "It is gone"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    known: IfMatch,
    Extension(deed): Extension<Deed>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    // With the eyes of whoever asks: what a role does not see is no part of the tag.
    let still = |outline| known.holds(|| tag_of(&detail(asker.sees(outline))));
    match orchestrator.store.delete_exchange(id, still, &deed.answered(204)).await? {
        Changed::Done(()) => {}
        Changed::Otherwise => return Err(failed()),
        Changed::Absent => return Err(known.absent(Problem::not_found(format!("there is no exchange {id}")))),
    }
    tracing::info!(%id, "an exchange was deleted as a request has it");
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes the exchanges that fit and are there now, to the last one or as many as are asked for, also when whoever asked has gone; not
/// when their credential counts no longer.
#[utoipa::path(delete, path = "/api/v1/exchanges", operation_id = "deleteExchanges", tag = "exchanges", params(Unwanted), responses(
    (status = 200, body = Deleted), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn many(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(deed): Extension<Deed>,
    Extension(standing): Extension<Standing>,
    Params(Unwanted { query: text, limit, cursor: place }): Params<Unwanted>,
) -> Result<Json<Deleted>, Problem> {
    let query = Query::parse(&text).map_err(|error| Problem::bad_query(&error))?;
    if query.expr().is_none() {
        return Err(Problem::bad_request(
            "an empty query fits everything: say what is to go, such as `host:ads.example.com`",
        ));
    }
    if limit.is_some_and(|limit| !(1..=MOST).contains(&limit)) {
        return Err(Problem::bad_request(format!("limit has to be 1 to {MOST}")));
    }
    let mut before = Paging { limit: None, cursor: place }.place()?.map(Uuid::from_bytes);
    let (deed, mut left) = (deed.answered(200), limit.unwrap_or(usize::MAX));
    let (mut deleted, mut unread) = (0, 0);
    let next = loop {
        let page = orchestrator.store.exchanges(&query, before, STEP.min(left)).await?;
        unread += page.unread.count;
        let ids: Vec<Uuid> = page.items.iter().map(|summary| summary.id).collect();
        deleted += orchestrator.store.delete_exchanges(&ids, &deed).await?;
        left = left.saturating_sub(ids.len());
        match page.next {
            Some(next) if left > 0 => before = Some(next),
            next => break next.map(|id| cursor(id.into_bytes())),
        }
        if !standing.counts(&orchestrator).await? {
            tracing::warn!(deleted, query = %text, "a deletion was broken off: its credential counts no longer");
            return Err(Problem::unauthorized());
        }
    };
    tracing::info!(deleted, unread, query = %text, "exchanges were deleted as a request has it");
    Ok(Json(Deleted { deleted, unread, next }))
}
