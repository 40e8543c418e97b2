//! `DELETE /api/v1/exchanges` and `/{id}`: what somebody wants gone before retention takes it.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_query::Query;

use super::{
    conditional::{IfMatch, failed, tag_of},
    exchanges::detail,
    input::{Id, Params},
    problem::Problem,
    secrets::Asker,
};
use crate::{orchestrator::Orchestrator, store::Changed};

/// Of one transaction: recording goes on between two.
const STEP: usize = 500;

/// Which exchanges.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Unwanted {
    /// In the query grammar; it cannot be empty
    query: String,
}

/// What went.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deleted {
    deleted: u64,
    /// Left as they are, though they may fit: the query asks for bodies, and one of theirs is damaged or missing.
    unread: u64,
}

/// Deletes one exchange.
#[utoipa::path(delete, path = "/api/v1/exchanges/{id}", operation_id = "deleteExchange", tag = "exchanges", params(("id" = String, Path,)), responses(
    (status = 204, description = "It is gone"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    known: IfMatch,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    // With the eyes of whoever asks: what a role does not see is no part of the tag.
    let still = |outline| known.holds(|| tag_of(&detail(asker.sees(outline))));
    match orchestrator.store.delete_exchange(id, still).await? {
        Changed::Done(()) => {}
        Changed::Otherwise => return Err(failed()),
        Changed::Absent => return Err(known.absent(Problem::not_found(format!("there is no exchange {id}")))),
    }
    tracing::info!(%id, "an exchange was deleted as a request has it");
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes the exchanges that fit and are there now, to the last one, also when whoever asked has gone.
#[utoipa::path(delete, path = "/api/v1/exchanges", operation_id = "deleteExchanges", tag = "exchanges", params(Unwanted), responses(
    (status = 200, body = Deleted), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn many(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Unwanted { query: text }): Params<Unwanted>,
) -> Result<Json<Deleted>, Problem> {
    let query = Query::parse(&text).map_err(|error| Problem::bad_query(&error))?;
    if query.expr().is_none() {
        return Err(Problem::bad_request(
            "an empty query fits everything: say what is to go, such as `host:ads.example.com`",
        ));
    }
    let (mut deleted, mut unread, mut before) = (0, 0, None);
    loop {
        let page = orchestrator.store.exchanges(&query, before, STEP).await?;
        unread += page.unread.count;
        let ids: Vec<Uuid> = page.items.iter().map(|summary| summary.id).collect();
        deleted += orchestrator.store.delete_exchanges(&ids).await?;
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    tracing::info!(deleted, unread, query = %text, "exchanges were deleted as a request has it");
    Ok(Json(Deleted { deleted, unread }))
}
