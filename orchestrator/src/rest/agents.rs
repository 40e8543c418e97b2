//! `/api/v1/agents`: who joined, who is there, and what runs where.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    List,
    configurations::ConfigurationState,
    input::{Id, Params},
    problem::Problem,
};
use crate::{
    clock::{now_us, rfc3339},
    events::Event,
    fleet::Fleet,
    orchestrator::Orchestrator,
    store::{AgentRow, Deed, IMPORT_AGENT},
};

/// An agent that joined.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// `agent`; `import` for what imported exchanges are shown under, which is none
    kind: &'static str,
    /// Host name, for people.
    name: String,
    group: String,
    /// `connected`, `disconnected` or `revoked`
    state: &'static str,
    joined: String,
    last_seen: String,
    version: String,
    /// Why it is not let in though it asks: it is of a version too far apart from this orchestrator's. Null else.
    refused: Option<String>,
    /// Where it takes clients.
    listen: String,
    admin: String,
    /// Of the desired state that it answered for last.
    revision: u64,
    workers: u64,
    /// When the certificate ends that it showed last; null when it never came.
    certificate_ends: Option<String>,
    /// When its identity was taken away.
    revoked: Option<String>,
    /// What it can be asked: `connections`, `replay`, `breakpoints`. Empty of a version that can be asked nothing.
    commands: Vec<String>,
    /// What of that its operator allows.
    allowed: Vec<String>,
    filters: Vec<FilterOutcome>,
    /// What it made of the newest configuration of its group; null where it never had one.
    configuration: Option<ConfigurationState>,
    /// The last heartbeat of an agent that is connected.
    activity: Option<Activity>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FilterOutcome {
    name: String,
    version: u64,
    digest: String,
    active: bool,
    /// Where it failed; empty when it did not.
    phase: String,
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Activity {
    exchanges_total: u64,
    exchanges_active: u32,
    connections_active: u32,
    recorder_dropped: u64,
    spooled_bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Every agent, in the order they joined.
#[utoipa::path(get, path = "/api/v1/agents", operation_id = "listAgents", tag = "agents", responses(
    (status = 200, body = List<AgentItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<List<AgentItem>>, Problem> {
    Ok(Json(List { items: items(&orchestrator, |_| true).await?, next: None }))
}

/// One agent.
#[utoipa::path(get, path = "/api/v1/agents/{id}", operation_id = "getAgent", tag = "agents", params(("id" = String, Path,)), responses(
    (status = 200, body = AgentItem), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(State(orchestrator): State<Arc<Orchestrator>>, Id(id): Id) -> Result<Json<AgentItem>, Problem> {
    let found = items(&orchestrator, |row| row.agent.id == id).await?.pop();
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no agent {id}")))
}

/// Those that are wanted, in the order they joined.
async fn items(orchestrator: &Orchestrator, wanted: impl Fn(&AgentRow) -> bool) -> Result<Vec<AgentItem>, Problem> {
    let mut filters: BTreeMap<i64, Vec<FilterOutcome>> = BTreeMap::new();
    for (number, outcome) in orchestrator.store.outcomes().await? {
        filters.entry(number).or_default().push(FilterOutcome {
            name: outcome.name,
            version: outcome.version,
            digest: outcome.digest,
            active: outcome.active,
            phase: outcome.phase,
            reason: outcome.reason,
        });
    }
    let mut configured: BTreeMap<i64, _> = orchestrator.store.configured().await?.into_iter().collect();
    let rows = orchestrator.store.agents().await?.into_iter().filter(wanted);
    let items = rows.map(|row| {
        let filters = filters.remove(&row.agent.number).unwrap_or_default();
        let configuration = configured.remove(&row.agent.number).map(ConfigurationState::from);
        item(&orchestrator.fleet, row, filters, configuration)
    });
    Ok(items.collect())
}

/// Take an agent's identity away, for good: its streams end at once and its certificate is worth nothing. What it recorded
/// stays; its filters run on where it runs. To have it back, let it join again.
#[utoipa::path(delete, path = "/api/v1/agents/{id}", operation_id = "revokeAgent", tag = "agents", params(("id" = String, Path,)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(deed): Extension<Deed>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    if id == IMPORT_AGENT || !orchestrator.store.revoke_agent(id, now_us(), &deed.answered(204)).await? {
        return Err(Problem::not_found(format!("there is no agent {id}")));
    }
    orchestrator.fleet.announce_revocation();
    orchestrator.events.publish(Event::AgentRevoked { agent: id });
    tracing::warn!(agent = %id, "the agent's identity was revoked");
    Ok(StatusCode::NO_CONTENT)
}

fn item(
    fleet: &Fleet,
    row: AgentRow,
    filters: Vec<FilterOutcome>,
    configuration: Option<ConfigurationState>,
) -> AgentItem {
    let presence = fleet.presence(row.agent.number);
    let heard =
        presence.as_ref().map_or(0, |(age, _)| now_us().saturating_sub(u64::try_from(age.as_micros()).unwrap_or(0)));
    let state = match presence {
        _ if row.agent.is_revoked => "revoked",
        Some(_) => "connected",
        None => "disconnected",
    };
    AgentItem {
        id: row.agent.id,
        kind: if row.agent.id == IMPORT_AGENT { "import" } else { "agent" },
        name: row.name,
        group: row.agent.group,
        state,
        joined: rfc3339(row.joined_us),
        last_seen: rfc3339(row.last_seen_us.max(heard)),
        version: row.version,
        refused: fleet.refusal(row.agent.number),
        listen: row.listen,
        admin: row.admin,
        revision: row.revision,
        workers: row.workers,
        certificate_ends: row.certified_us.map(rfc3339),
        revoked: row.revoked_us.map(rfc3339),
        commands: row.commands,
        allowed: row.allowed,
        filters,
        configuration,
        activity: presence.and_then(|(_, heartbeat)| heartbeat).map(|heartbeat| Activity {
            exchanges_total: heartbeat.exchanges_total,
            exchanges_active: heartbeat.exchanges_active,
            connections_active: heartbeat.connections_active,
            recorder_dropped: heartbeat.recorder_dropped,
            spooled_bytes: heartbeat.spooled_bytes,
        }),
    }
}
