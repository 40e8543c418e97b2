//! `/api/v1/connections`: who is connected to agents at this moment, and closing connections. The agents are asked; nothing
//! of it is kept.

mod asked;
mod item;

use std::{net::IpAddr, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use weir_proto::v1::{CloseConnections, command::Command};

pub(super) use self::asked::{Found, Meant, Unanswered, Whose, ask_all, found, listing, meant, no_agent, retain_named};
use self::asked::{ask, counted};
pub(super) use self::item::ConnectionItem;
use super::{
    input::{Id, Paging, Params, cursor},
    problem::Problem,
};
use crate::orchestrator::Orchestrator;

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this agent only, by its id or its name
    agent: Option<String>,
    /// Of clients with this IP address only
    #[param(value_type = Option<String>)]
    client: Option<IpAddr>,
    /// 1 to 500, by default 100
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// Which connections are to end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Unwanted {
    /// Of this agent, by its id or its name
    agent: Option<String>,
    /// Of clients with this IP address
    #[param(value_type = Option<String>)]
    client: Option<IpAddr>,
}

/// Where to look for one.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Where {
    /// The agent that has it, by its id or its name; without it, all are asked
    pub(super) agent: Option<String>,
}

/// Some of the connections that there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Connected {
    items: Vec<ConnectionItem>,
    /// For `cursor`, to go on; null at the end.
    next: Option<String>,
    /// How many there are in all, as far as agents answered.
    total: u64,
    /// Agents whose connections are missing, and why.
    unanswered: Vec<Unanswered>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Closed {
    closed: u64,
    /// Agents that did not do it, and why.
    unanswered: Vec<Unanswered>,
}

/// Connections of clients to agents, as they are now, in the order they came.
#[utoipa::path(get, path = "/api/v1/connections", operation_id = "listConnections", tag = "connections", params(Which), responses(
    (status = 200, body = Connected), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(which): Params<Which>,
) -> Result<Json<Connected>, Problem> {
    let paging = Paging { limit: which.limit, cursor: which.cursor };
    let limit = paging.limit()?;
    let after = paging.place()?.map(|place| Bytes::copy_from_slice(&place)).unwrap_or_default();
    let asked = ask(&orchestrator, which.agent.as_deref(), &listing(which.client, after, limit)).await?;
    let Found { items, more, total, unanswered } = found(asked, limit);
    let next = items.last().filter(|_| more).map(|last| cursor(last.id.into_bytes()));
    Ok(Json(Connected { items, next, total, unanswered }))
}

/// Ends one connection, whatever it is at.
#[utoipa::path(delete, path = "/api/v1/connections/{id}", operation_id = "closeConnection", tag = "connections",
    params(("id" = String, Path,), Where), responses((status = 204, description = "It is closed"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn close(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    Params(place): Params<Where>,
) -> Result<StatusCode, Problem> {
    let ids = vec![Bytes::copy_from_slice(id.as_bytes())];
    let close = Command::CloseConnections(CloseConnections { ids, ..CloseConnections::default() });
    let (closed, unanswered) = counted(ask(&orchestrator, place.agent.as_deref(), &close).await?);
    if closed > 0 {
        return Ok(StatusCode::NO_CONTENT);
    }
    let names: Vec<_> = unanswered.iter().map(|agent| format!("{} ({})", agent.agent_name, agent.reason)).collect();
    let but = if names.is_empty() { String::new() } else { format!("; not asked: {}", names.join(", ")) };
    Err(Problem::not_found(format!("no agent has a connection {id}{but}")))
}

/// Ends all connections of an agent, of a client, or of a client to an agent.
#[utoipa::path(delete, path = "/api/v1/connections", operation_id = "closeConnections", tag = "connections", params(Unwanted), responses(
    (status = 200, body = Closed), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn close_many(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(unwanted): Params<Unwanted>,
) -> Result<Json<Closed>, Problem> {
    if unwanted.agent.is_none() && unwanted.client.is_none() {
        return Err(Problem::bad_request("say which connections are to end: `agent`, `client` or both"));
    }
    let client = unwanted.client.map(|client| client.to_string()).unwrap_or_default();
    let close = Command::CloseConnections(CloseConnections { ids: Vec::new(), all: client.is_empty(), client });
    let (closed, unanswered) = counted(ask(&orchestrator, unwanted.agent.as_deref(), &close).await?);
    Ok(Json(Closed { closed, unanswered }))
}
