//! `/api/v1/audit`: who changed what, and who looked at what is hidden.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    List,
    input::{Paging, Params, cursor},
    problem::Problem,
};
use crate::{
    access::{Area, Areas, Role},
    clock::rfc3339,
    orchestrator::Orchestrator,
    store::Audited,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only what this one did, such as `token:ci`.
    actor: Option<String>,
    /// 1 to 500, by default 100.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One deed, whether it was granted or not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditItem {
    at: String,
    /// `admin` (the token of the first start), `token:NAME`, `user:NAME`, `oidc:NAME/SUBJECT`, `agent:ID` or `server`
    actor: String,
    /// Null of agents and the server.
    role: Option<Role>,
    /// What the token was for; null where it had no bound.
    #[schema(value_type = Option<Vec<Area>>)]
    areas: Areas,
    /// Method and template of the address, or a word: `reveal`, `replay`, `decide`, `backup`, `join`, `make-admin-token`.
    action: String,
    /// The address, or what it was done to; behind the address of a new token or user, what it may do.
    object: String,
    /// HTTP status of the answer.
    status: u16,
    /// Address of whoever asked; empty of the server.
    source: String,
}

/// The audit trail, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "listAudit", tag = "access", params(Which), responses(
    (status = 200, body = List<AuditItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(which): Params<Which>,
) -> Result<Json<List<AuditItem>>, Problem> {
    let paging = Paging { limit: which.limit, cursor: which.cursor };
    let limit = paging.limit()?;
    let before = paging.place()?.map(|place| (u128::from_be_bytes(place) as u64).cast_signed());
    let more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut entries = orchestrator.store.audited(which.actor.as_deref(), before, more).await?;
    let next = (entries.len() > limit).then(|| {
        entries.truncate(limit);
        let last = entries.last().map_or(0, |last| last.number);
        cursor(u128::from(last.cast_unsigned()).to_be_bytes())
    });
    Ok(Json(List { items: entries.into_iter().map(item).collect(), next }))
}

fn item(entry: Audited) -> AuditItem {
    AuditItem {
        at: rfc3339(entry.at_us),
        actor: entry.actor,
        role: entry.role,
        areas: entry.areas,
        action: entry.action,
        object: entry.object,
        status: entry.status,
        source: entry.source,
    }
}
