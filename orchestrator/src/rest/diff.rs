//! `/api/v1/exchanges/{id}/diff/{other}`: two exchanges beside each other.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_proto::v1::Exchange;

use super::{
    input::Params,
    problem::Problem,
    secrets::{Asker, Secrets},
};
use crate::{
    compare::{self, MessageDiff},
    orchestrator::Orchestrator,
};

/// How.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// Show Authorization, Proxy-Authorization, Cookie and Set-Cookie, which are hidden otherwise; that they differ is told
    /// all the same
    reveal: Option<bool>,
}

/// What differs. Times, sizes of heads, filters and ids are no part of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExchangeDiff {
    #[schema(value_type = String, format = "uuid")]
    a: Uuid,
    #[schema(value_type = String, format = "uuid")]
    b: Uuid,
    same: bool,
    /// As the clients sent them.
    request: MessageDiff,
    /// As the clients got them.
    response: MessageDiff,
}

/// What differs between two exchanges: heads field by field, bodies as JSON, by lines, or by size and digest.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}/diff/{other}", operation_id = "diffExchanges", tag = "exchanges",
    params(("id" = String, Path,), ("other" = String, Path,), How), responses(
    (status = 200, body = ExchangeDiff), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn diff(
    State(orchestrator): State<Arc<Orchestrator>>,
    ids: Result<Path<(Uuid, Uuid)>, axum::extract::rejection::PathRejection>,
    asker: Asker,
    Params(How { reveal }): Params<How>,
) -> Result<Json<ExchangeDiff>, Problem> {
    let Ok(Path((a, b))) = ids else { return Err(Problem::not_found("ids are UUIDs")) };
    let secrets = Secrets::asked(&orchestrator, &asker, reveal).await?;
    let bytes = bytes(&orchestrator, a).await?.saturating_add(bytes(&orchestrator, b).await?);
    let room = orchestrator.room_for(bytes).await.ok_or_else(Problem::unavailable)?;
    let one = load(&orchestrator, a).await?;
    let other = load(&orchestrator, b).await?;
    let compared = orchestrator.lay_out(move || {
        let _room = room;
        compare::compare(&one, &other)
    });
    let compared = compared.await;
    let (mut request, mut response) = compared.ok_or_else(Problem::unavailable)?;
    for message in [&mut request, &mut response] {
        message.show(|name, value| secrets.shown(name, value));
    }
    let same = request.is_same() && response.is_same();
    Ok(Json(ExchangeDiff { a, b, same, request, response }))
}

/// With its bodies.
async fn bytes(orchestrator: &Orchestrator, id: Uuid) -> Result<u64, Problem> {
    let found = orchestrator.store.outline(id).await?;
    found.map(|outline| outline.whole_bytes()).ok_or_else(|| Problem::not_found(format!("there is no exchange {id}")))
}

async fn load(orchestrator: &Orchestrator, id: Uuid) -> Result<Exchange, Problem> {
    let found = orchestrator.store.exchange(id).await?;
    found.map(|(_, exchange)| exchange).ok_or_else(|| Problem::not_found(format!("there is no exchange {id}")))
}
