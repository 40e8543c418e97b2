//! `/api/v1/filters/{name}/logs`: what a filter wrote, on whatever agent.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_artifact::Name;
use weir_proto::v1::FilterLine;

use super::{
    input::{Paging, Params, Segment, arrival, of_arrival},
    problem::Problem,
};
use crate::{
    clock::rfc3339,
    orchestrator::Orchestrator,
    store::{LINES, Listed, Wanted},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Id of an agent; by default all
    #[param(value_type = Option<String>, format = "uuid")]
    agent: Option<Uuid>,
    /// 1 to 500, by default 100
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
    /// `newest` of an answer before: only what came behind it, the oldest first
    after: Option<String>,
}

/// Some of the lines.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FilterLines {
    items: Vec<LineItem>,
    /// For `cursor`, to go on; null at the end, and with `after`.
    next: Option<String>,
    /// For `after`, to ask for what comes behind.
    newest: String,
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    at: String,
    version: u64,
    /// debug, info, warn or error
    level: String,
    /// The exchange that it is about, if any.
    #[schema(value_type = Option<String>, format = "uuid")]
    exchange: Option<Uuid>,
    text: String,
}

/// Lines that a filter wrote, the last that came first; with `after` those behind it, the oldest first.
#[utoipa::path(get, path = "/api/v1/filters/{name}/logs", operation_id = "listFilterLines", tag = "filters",
    params(("name" = String, Path,), Which), responses((status = 200, body = FilterLines),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Segment(name): Segment,
    Params(Which { agent, limit, cursor, after }): Params<Which>,
) -> Result<Json<FilterLines>, Problem> {
    let name = name.and_then(|name| name.parse::<Name>().ok());
    let name = name.ok_or_else(|| Problem::not_found("that is no name of a filter"))?;
    if cursor.is_some() && after.is_some() {
        return Err(Problem::bad_request("cursor goes back and after goes on: give one of them"));
    }
    let paging = Paging { limit, cursor };
    let after = arrival(&Paging { limit: None, cursor: after })?;
    let before = arrival(&paging)?;
    let wanted = Wanted { agent, text: Some(name.as_str()), before, after, limit: paging.limit()? };
    let page = orchestrator.store.listed(&LINES, wanted).await?;
    let newest = page.items.iter().map(|line| line.arrival).max().or(after).unwrap_or(0);
    let next = page.next.filter(|_| after.is_none()).map(of_arrival);
    Ok(Json(FilterLines { items: page.items.into_iter().map(item).collect(), next, newest: of_arrival(newest) }))
}

fn item(Listed { agent, agent_name, id, message, .. }: Listed<FilterLine>) -> LineItem {
    LineItem {
        id,
        agent,
        agent_name,
        at: rfc3339(message.at_us),
        version: message.version,
        level: message.level,
        exchange: Uuid::from_slice(&message.exchange).ok(),
        text: message.text,
    }
}
