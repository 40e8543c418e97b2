//! `POST /api/v1/join-tokens`: one agent may join, once, within a time. The client command adds the publishers' keys.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_artifact::GroupName;

use super::{input::Body, problem::Problem};
use crate::{
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
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
    /// Shown once: only its hash is kept.
    token: String,
    /// The orchestrator's CA certificate, DER in base64.
    ca: String,
    #[schema(value_type = String)]
    group: GroupName,
    expires: String,
}

/// Makes a one-time join token.
#[utoipa::path(post, path = "/api/v1/join-tokens", operation_id = "makeJoinToken", tag = "agents", request_body = Wanted, responses(
    (status = 201, body = JoinToken), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn make(
    State(orchestrator): State<Arc<Orchestrator>>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<JoinToken>), Problem> {
    let group = wanted.group.map_or_else(|| Ok(GroupName::default()), |group| group.parse());
    let group = group.map_err(|error| Problem::unprocessable("group", format!("group: {error}")))?;
    let seconds = wanted.expires_in_s.unwrap_or(DAY_S);
    if !(1..=LONGEST_S).contains(&seconds) {
        return Err(Problem::unprocessable("expiry", format!("expires_in_s has to be 1 to {LONGEST_S}")));
    }
    let token = tokens::join();
    let now = now_us();
    let expires = now + seconds * 1_000_000;
    orchestrator.store.add_join_token(tokens::hash(&token), group.as_str(), now, expires).await?;
    let ca = STANDARD.encode(orchestrator.pki.certificate());
    Ok((StatusCode::CREATED, Json(JoinToken { token, ca, group, expires: rfc3339(expires) })))
}
