//! `/api/v1/ca`: the certificate that clients of agents with the fleet's root have to trust.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{agents::Nothing, input::Params, problem::Problem};
use crate::{clock::rfc3339, orchestrator::Orchestrator};

/// The root for interception.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaItem {
    /// PEM
    certificate: String,
    subject: String,
    /// SHA-256, as browsers show it.
    fingerprint: String,
    begins: String,
    ends: String,
    /// Its key is in the data directory, and agents get their intermediates by themselves.
    online: bool,
}

/// The root that clients have to trust for interception by agents that use it.
#[utoipa::path(get, path = "/api/v1/ca", operation_id = "getCa", tag = "agents", responses(
    (status = 200, body = CaItem), (status = 404, body = Problem, content_type = "application/problem+json",
     description = "There is none: `orchestrator ca create` makes one")))]
pub(super) async fn get(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<CaItem>, Problem> {
    let loaded = orchestrator.roots.load().map_err(|error| {
        tracing::error!(%error, "the root for interception cannot be used");
        Problem::unavailable()
    })?;
    let root = loaded.ok_or_else(|| {
        Problem::not_found("there is no root for interception here: `orchestrator ca create` makes one")
    })?;
    let time = |time: time::OffsetDateTime| {
        rfc3339(u64::try_from(time.unix_timestamp()).unwrap_or_default().saturating_mul(1_000_000))
    };
    Ok(Json(CaItem {
        fingerprint: root.fingerprint(),
        begins: time(root.begins),
        ends: time(root.ends),
        online: root.is_online(),
        certificate: root.pem,
        subject: root.subject,
    }))
}
