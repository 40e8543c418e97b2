//! `/api/v1/join-tokens`: each lets one agent join, once, within a time. The client command adds the publishers' keys.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_artifact::GroupName;

use super::{
    List,
    input::{Body, Id, Paging, Params, cursor},
    problem::Problem,
};
use crate::{
    access::Principal,
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
    store::{Deed, JoinTokenRow, Revoked},
    tokens,
};

const DAY_S: u64 = 24 * 60 * 60;
const LONGEST_S: u64 = 30 * DAY_S;

/// For whom and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJoinToken)]
pub(super) struct Wanted {
    /// By default `default`.
    group: Option<String>,
    /// Seconds, 1 to 2,592,000, by default a day.
    expires_in_s: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinToken {
    /// By which it is listed and revoked.
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// Shown once: only its hash is kept.
    token: String,
    /// The orchestrator's CA certificate, DER in base64.
    ca: String,
    #[schema(value_type = String)]
    group: GroupName,
    expires: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// 1 to 500, by default 100
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// A join token and what became of it, without what would let somebody use it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinTokenItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// That an agent joins with it.
    group: String,
    /// `open`, `used`, `expired` or `revoked`
    state: &'static str,
    created: String,
    /// Who made it; null of those that an earlier version made.
    created_by: Option<String>,
    expires: String,
    /// When an agent joined with it.
    used: Option<String>,
    /// Which one.
    #[schema(value_type = Option<String>, format = "uuid")]
    agent: Option<Uuid>,
    agent_name: Option<String>,
    revoked: Option<String>,
    /// Who revoked it.
    revoked_by: Option<String>,
}

/// Makes a one-time join token.
#[utoipa::path(post, path = "/api/v1/join-tokens", operation_id = "makeJoinToken", tag = "agents", request_body = Wanted, responses(
    (status = 201, body = JoinToken), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn make(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(principal): Extension<Principal>,
    Extension(deed): Extension<Deed>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<JoinToken>), Problem> {
    let group = wanted.group.map_or_else(|| Ok(GroupName::default()), |group| group.parse());
    let group = group.map_err(|error| Problem::unprocessable("group", format!("group: {error}")))?;
    let seconds = wanted.expires_in_s.unwrap_or(DAY_S);
    if !(1..=LONGEST_S).contains(&seconds) {
        return Err(Problem::unprocessable(
            "expiry",
            format!("expires_in_s has to be 1 to {LONGEST_S} ({} days)", LONGEST_S / DAY_S),
        ));
    }
    let (token, now) = (tokens::join(), now_us());
    let kept = JoinTokenRow::new(group.as_str(), Some(principal.name), now, now + seconds * 1_000_000);
    orchestrator.store.keep_join_token(tokens::hash(&token), &kept, &deed.answered(201)).await?;
    let ca = STANDARD.encode(orchestrator.pki.certificate());
    Ok((StatusCode::CREATED, Json(JoinToken { id: kept.id, token, ca, group, expires: rfc3339(kept.expires_us) })))
}

/// Every join token, whatever became of it, the newest first. Those that expired more than 400 days ago are deleted.
#[utoipa::path(get, path = "/api/v1/join-tokens", operation_id = "listJoinTokens", tag = "agents", params(Which), responses(
    (status = 200, body = List<JoinTokenItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Which { limit, cursor: place }): Params<Which>,
) -> Result<Json<List<JoinTokenItem>>, Problem> {
    let paging = Paging { limit, cursor: place };
    let (limit, before) = (paging.limit()?, paging.place()?.map(Uuid::from_bytes));
    let now = now_us();
    // One more tells whether there is a next page.
    let mut rows = orchestrator.store.join_tokens(before, i64::try_from(limit + 1).unwrap_or(i64::MAX)).await?;
    let is_last = rows.len() <= limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| !is_last).map(|row| cursor(row.id.into_bytes()));
    Ok(Json(List { items: rows.into_iter().map(|row| item(row, now)).collect(), next }))
}

/// Makes a join token worth nothing, for good. Of one that was used there is nothing left to take away: revoke the agent.
#[utoipa::path(delete, path = "/api/v1/join-tokens/{id}", operation_id = "revokeJoinToken", tag = "agents", params(("id" = String, Path,)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(principal): Extension<Principal>,
    Extension(deed): Extension<Deed>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    match orchestrator.store.revoke_join_token(id, &principal.name, now_us(), &deed.answered(204)).await? {
        Revoked::Done => Ok(StatusCode::NO_CONTENT),
        Revoked::Used(agent) => {
            let agent = agent.map_or_else(|| "an agent".to_owned(), |agent| format!("agent {agent}"));
            Err(Problem::conflict(format!("{agent} has joined with it: revoke the agent")))
        }
        Revoked::Unknown => Err(Problem::not_found(format!("there is no join token {id}"))),
    }
}

fn item(row: JoinTokenRow, now: u64) -> JoinTokenItem {
    let state = match &row {
        JoinTokenRow { revoked_us: Some(_), .. } => "revoked",
        JoinTokenRow { used_us: Some(_), .. } => "used",
        JoinTokenRow { expires_us, .. } if *expires_us <= now => "expired",
        _ => "open",
    };
    JoinTokenItem {
        id: row.id,
        group: row.group,
        state,
        created: rfc3339(row.created_us),
        created_by: row.created_by,
        expires: rfc3339(row.expires_us),
        used: row.used_us.map(rfc3339),
        agent: row.agent,
        agent_name: row.agent_name,
        revoked: row.revoked_us.map(rfc3339),
        revoked_by: row.revoked_by,
    }
}
