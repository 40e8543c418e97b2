//! `/api/v1/filters`: what is distributed, and what agents made of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_artifact::{
    Capability, FailurePolicy, FailureRule, GroupName, Isolation, Name, Publication, Statement, TagPattern, Upstream,
};

use super::{
    List,
    figures::Figures,
    input::{Params, Segment},
    problem::Problem,
};
use crate::{
    clock::rfc3339,
    orchestrator::Orchestrator,
    store::{FilterRow, Outcome, StatementRow},
};

/// A filter of a group.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FilterItem {
    #[serde(flatten)]
    publication: PublicationItem,
    /// `active` or `removed`
    state: &'static str,
    /// Its place in the chain of the group, from 1: requests meet it in this order, by priority and then by name, responses in reverse.
    /// Null when it is removed.
    place: Option<usize>,
    /// What each agent of the group said last.
    agents: Vec<AgentOutcome>,
}

/// What was signed, apart from the component.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublicationItem {
    #[schema(value_type = String)]
    name: Name,
    #[schema(value_type = String)]
    group: GroupName,
    version: u64,
    /// Of the newest statement about the filter.
    sequence: u64,
    digest: String,
    /// Of the component, bytes.
    size: u64,
    #[serde(rename = "match")]
    matching: String,
    priority: i32,
    config: serde_json::Value,
    #[schema(value_type = String)]
    on_failure: FailurePolicy,
    /// Where another policy holds: the first that fits counts.
    #[schema(value_type = Vec<Object>)]
    on_failure_for: Vec<FailureRule>,
    #[schema(value_type = String)]
    isolation: Isolation,
    #[schema(value_type = Object)]
    limits: weir_artifact::Limits,
    #[schema(value_type = Vec<String>)]
    grants: BTreeSet<Capability>,
    /// Servers that it may call, by name.
    #[schema(value_type = Object)]
    upstreams: BTreeMap<Name, Upstream>,
    /// Tags of other filters that it may read.
    #[schema(value_type = Vec<String>)]
    reads: BTreeSet<TagPattern>,
    /// Secrets of the agents that it may use.
    #[schema(value_type = Vec<String>)]
    secrets: BTreeSet<Name>,
    rollback: bool,
    key_id: String,
    /// From then on agents do not accept it anew.
    expires: String,
    published: String,
}

/// A filter with its history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FilterDetail {
    #[serde(flatten)]
    item: FilterItem,
    /// Every publication, newest first.
    versions: Vec<VersionItem>,
}

#[derive(Debug, Serialize, ToSchema)]
struct VersionItem {
    #[serde(flatten)]
    publication: PublicationItem,
    /// The signed bytes, base64.
    statement: String,
    /// Ed25519, base64: whoever signs anew what is told here can see that it was a publisher's.
    signature: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AgentOutcome {
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    /// Of the agent.
    name: String,
    version: u64,
    digest: String,
    active: bool,
    /// Where it failed; empty when it did not.
    phase: String,
    reason: String,
    /// What the agent counted; null when it is not connected, or runs another version.
    figures: Option<Figures>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InGroup {
    /// A group of agents; by default every group in a listing, `default` for one filter
    group: Option<String>,
}

/// Filters of every group, or of one, by name.
#[utoipa::path(get, path = "/api/v1/filters", operation_id = "listFilters", tag = "filters", params(InGroup), responses(
    (status = 200, body = List<FilterItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(InGroup { group }): Params<InGroup>,
) -> Result<Json<List<FilterItem>>, Problem> {
    let group = group.map(|group| parse_group(&group)).transpose()?;
    let rows = orchestrator.store.filters(group.as_ref(), None).await?;
    let outcomes = Outcomes::load(&orchestrator).await?;
    let places = places(&rows);
    let items = rows.into_iter().zip(places).map(|(row, place)| outcomes.item(row, place));
    Ok(Json(List { items: items.collect(), next: None }))
}

/// One filter and every publication of it.
#[utoipa::path(get, path = "/api/v1/filters/{name}", operation_id = "getFilter", tag = "filters", params(("name" = String, Path,), InGroup),
    responses((status = 200, body = FilterDetail),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(orchestrator): State<Arc<Orchestrator>>,
    Segment(name): Segment,
    Params(InGroup { group }): Params<InGroup>,
) -> Result<Json<FilterDetail>, Problem> {
    let group = parse_group(group.as_deref().unwrap_or("default"))?;
    let missing = || Problem::not_found(format!("there is no filter of this name in group `{group}`"));
    let name: Name = name.and_then(|name| name.parse().ok()).ok_or_else(missing)?;
    let rows = orchestrator.store.filters(Some(&group), None).await?;
    let places = places(&rows);
    let found = rows.into_iter().zip(places).find(|(row, _)| row.publication.name == name);
    let (row, place) = found.ok_or_else(missing)?;
    let versions = orchestrator.store.publications(&group, &name).await?;
    let outcomes = Outcomes::load(&orchestrator).await?;
    Ok(Json(FilterDetail {
        item: outcomes.item(row, place),
        versions: versions.into_iter().filter_map(version).collect(),
    }))
}

pub(super) fn parse_group(text: &str) -> Result<GroupName, Problem> {
    text.parse().map_err(|error: weir_artifact::NameError| Problem::bad_request(format!("group: {error}")))
}

/// Of each its place in the chain of its group, as agents order it.
fn places(rows: &[FilterRow]) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].removed.is_none()).collect();
    let key = |row: &usize| {
        let publication = &rows[*row].publication;
        (publication.group.as_str(), publication.priority, publication.name.as_str())
    };
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut places = vec![None; rows.len()];
    let mut before: Option<(&str, usize)> = None;
    for row in order {
        let group = rows[row].publication.group.as_str();
        let place = before.filter(|(of, _)| *of == group).map_or(1, |(_, place)| place + 1);
        places[row] = Some(place);
        before = Some((group, place));
    }
    places
}

/// By group and filter.
struct Outcomes(BTreeMap<(String, String), Vec<AgentOutcome>>);

impl Outcomes {
    async fn load(orchestrator: &Orchestrator) -> Result<Self, Problem> {
        let agents = orchestrator.store.agents().await?;
        let agents: BTreeMap<i64, _> = agents.iter().map(|row| (row.agent.number, row)).collect();
        let mut by_filter: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (number, outcome) in orchestrator.store.outcomes().await? {
            let Some(row) = agents.get(&number) else { continue };
            let key = (row.agent.group.clone(), outcome.name.clone());
            let heartbeat = orchestrator.fleet.presence(number).and_then(|(_, heartbeat)| heartbeat);
            let figures = heartbeat.and_then(|beat| Figures::find(&beat, &outcome.name, &outcome.digest));
            by_filter.entry(key).or_default().push(agent_outcome(row.agent.id, &row.name, outcome, figures));
        }
        Ok(Self(by_filter))
    }

    fn item(&self, row: FilterRow, place: Option<usize>) -> FilterItem {
        let key = (row.publication.group.to_string(), row.publication.name.to_string());
        let mut publication = publication(row.publication, &row.published);
        let state = match &row.removed {
            None => "active",
            Some(removal) => {
                publication.sequence = removal.parsed.sequence();
                "removed"
            }
        };
        FilterItem { publication, state, place, agents: self.0.get(&key).cloned().unwrap_or_default() }
    }
}

fn agent_outcome(agent: Uuid, name: &str, outcome: Outcome, figures: Option<Figures>) -> AgentOutcome {
    AgentOutcome {
        agent,
        name: name.to_owned(),
        version: outcome.version,
        digest: outcome.digest,
        active: outcome.active,
        phase: outcome.phase,
        reason: outcome.reason,
        figures,
    }
}

fn version(row: StatementRow) -> Option<VersionItem> {
    let Statement::Publish(published) = row.parsed.clone() else { return None };
    Some(VersionItem {
        publication: publication(*published, &row),
        statement: STANDARD.encode(&row.statement),
        signature: STANDARD.encode(&row.signature),
    })
}

fn publication(publication: Publication, row: &StatementRow) -> PublicationItem {
    PublicationItem {
        name: publication.name,
        group: publication.group,
        version: publication.version,
        sequence: publication.sequence,
        digest: publication.digest.to_string(),
        size: publication.size,
        matching: publication.matching,
        priority: publication.priority,
        // It was parsed when it came in; the exact text is in the statement.
        config: serde_json::from_str(&publication.config).unwrap_or_default(),
        on_failure: publication.on_failure,
        on_failure_for: publication.on_failure_for,
        isolation: publication.isolation,
        limits: publication.limits,
        grants: publication.grants,
        upstreams: publication.upstreams,
        reads: publication.reads,
        secrets: publication.secrets,
        rollback: publication.rollback,
        key_id: row.key_id.clone(),
        expires: rfc3339(publication.expires.saturating_mul(1_000_000)),
        published: rfc3339(row.received_us),
    }
}
