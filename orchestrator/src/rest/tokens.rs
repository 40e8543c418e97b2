//! `/api/v1/tokens`: credentials of programs, each with a role and an end.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    List,
    agents::Nothing,
    input::{Body, Id, Params},
    problem::Problem,
};
use crate::{
    access::{Area, Areas, Principal, Role},
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
    store::{AccessToken, Deed},
    tokens,
};

const DAY_S: u64 = 24 * 60 * 60;
const LONGEST_S: u64 = 366 * DAY_S;
const DEFAULT_S: u64 = 90 * DAY_S;

/// For what and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(super) struct Wanted {
    /// What it is for: 1 to 64 of letters, digits, `-`, `_` and `.`
    name: String,
    role: Role,
    /// What it is for, in the bounds of its role; without it everything. A token that has areas makes none that has others.
    areas: Option<Vec<Area>>,
    /// Seconds, 1 to 31,622,400, by default 90 days.
    expires_in_s: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Made {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// Shown once: only its hash is kept.
    token: String,
    name: String,
    role: Role,
    /// Null where there is no bound.
    #[schema(value_type = Option<Vec<Area>>)]
    areas: Areas,
    expires: String,
}

/// A token, without what would let somebody use it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    name: String,
    role: Role,
    /// Null where there is no bound.
    #[schema(value_type = Option<Vec<Area>>)]
    areas: Areas,
    created: String,
    /// Who made it.
    created_by: String,
    expires: String,
    /// To the minute; null when it never was.
    last_used: Option<String>,
}

/// Makes a token.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "makeToken", tag = "access", request_body = Wanted, responses(
    (status = 201, body = Made), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn make(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(principal): Extension<Principal>,
    Extension(deed): Extension<Deed>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let name = named(wanted.name)?;
    let areas = areas(wanted.areas.as_deref(), &principal)?;
    let seconds = wanted.expires_in_s.unwrap_or(DEFAULT_S);
    if !(1..=LONGEST_S).contains(&seconds) {
        return Err(Problem::unprocessable(
            "expiry",
            format!("expires_in_s has to be 1 to {LONGEST_S} ({} days)", LONGEST_S / DAY_S),
        ));
    }
    let (token, now, id) = (tokens::access(), now_us(), Uuid::now_v7());
    let kept = AccessToken {
        id,
        name,
        role: wanted.role,
        areas,
        created_us: now,
        created_by: principal.name,
        expires_us: now + seconds * 1_000_000,
        used_us: None,
    };
    let deed = deed.answered(201).giving(format!("{}: {}, areas: {areas}", kept.name, kept.role));
    orchestrator.store.add_access_token(tokens::hash(&token), &kept, &deed).await?;
    let AccessToken { name, role, .. } = kept;
    let made = Made { id, token, name, role, areas, expires: rfc3339(kept.expires_us) };
    Ok((StatusCode::CREATED, Json(made)))
}

/// What it is to be for: nothing that its maker is not for.
fn areas(wanted: Option<&[Area]>, maker: &Principal) -> Result<Areas, Problem> {
    let none =
        || Problem::unprocessable("areas", "areas: name one at least; without `areas` the token is for everything");
    let wanted = wanted.map_or(Ok(Areas::UNBOUNDED), |wanted| Areas::of(wanted).ok_or_else(none))?;
    match maker.areas.cover(wanted) {
        true => Ok(wanted),
        false => Err(Problem::wider(maker.areas, "name `areas` of these alone")),
    }
}

/// Every token that still counts, the newest last.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "access", responses(
    (status = 200, body = List<TokenItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<List<TokenItem>>, Problem> {
    let items = orchestrator.store.access_tokens(now_us()).await?.into_iter().map(|token| TokenItem {
        id: token.id,
        name: token.name,
        role: token.role,
        areas: token.areas,
        created: rfc3339(token.created_us),
        created_by: token.created_by,
        expires: rfc3339(token.expires_us),
        last_used: token.used_us.map(rfc3339),
    });
    Ok(Json(List { items: items.collect(), next: None }))
}

/// Makes a token worth nothing, from the next request on.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", operation_id = "revokeToken", tag = "access", params(("id" = String, Path,)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(deed): Extension<Deed>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    match orchestrator.store.remove_access_token(id, &deed.answered(204)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("there is no token {id}"))),
    }
}

/// As it stands in listings and in the audit trail.
pub(super) fn named(name: String) -> Result<String, Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(Problem::unprocessable("name", "name: 1 to 64 of letters, digits, `-`, `_` and `.`"))
}
