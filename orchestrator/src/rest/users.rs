//! `/api/v1/users`: people, each with a password and a role.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    List,
    agents::Nothing,
    input::{Body, Params, Segment},
    problem::Problem,
    tokens::named,
};
use crate::{
    access::{PasswordError, Principal, Role},
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
    store::{Deed, User},
};

/// Somebody new.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(super) struct Wanted {
    /// 1 to 64 of letters, digits, `-`, `_` and `.`
    name: String,
    role: Role,
    /// At least 12 characters.
    password: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserItem {
    name: String,
    role: Role,
    created: String,
    /// Who added them.
    created_by: String,
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", operation_id = "addUser", tag = "access", request_body = Wanted, responses(
    (status = 201, body = UserItem), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(principal): Extension<Principal>,
    Extension(deed): Extension<Deed>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<UserItem>), Problem> {
    let name = named(wanted.name)?;
    if principal.areas.is_bounded() {
        return Err(Problem::wider(principal.areas, "users are for everything that their role allows"));
    }
    let password = orchestrator.passwords.hash(wanted.password).await.map_err(|error| match error {
        PasswordError::Length => Problem::unprocessable("password", format!("password: {error}")),
        PasswordError::Busy | PasswordError::Hash => Problem::busy("passwords are being tried: try again"),
    })?;
    let user = User { name, role: wanted.role, password, created_us: now_us(), created_by: principal.name };
    let deed = deed.answered(201).giving(format!("{}: {}", user.name, user.role));
    if !orchestrator.store.add_user(&user, &deed).await? {
        return Err(Problem::conflict(format!("there is a user {} already", user.name)));
    }
    Ok((StatusCode::CREATED, Json(item(user))))
}

/// Every user, by name.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "listUsers", tag = "access", responses(
    (status = 200, body = List<UserItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<List<UserItem>>, Problem> {
    let items = orchestrator.store.users().await?.into_iter().map(item);
    Ok(Json(List { items: items.collect(), next: None }))
}

/// Removes a user; their password is worth nothing from the next request on.
#[utoipa::path(delete, path = "/api/v1/users/{name}", operation_id = "removeUser", tag = "access", params(("name" = String, Path,)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(deed): Extension<Deed>,
    Segment(name): Segment,
) -> Result<StatusCode, Problem> {
    let name = name.unwrap_or_default();
    match orchestrator.store.remove_user(&name, &deed.answered(204)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("there is no such user")),
    }
}

fn item(user: User) -> UserItem {
    UserItem { name: user.name, role: user.role, created: rfc3339(user.created_us), created_by: user.created_by }
}
