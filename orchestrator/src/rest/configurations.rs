//! `/api/v1/configurations`: signed settings of groups of agents, and what agents made of them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_artifact::{Configuration, GroupName, Statement};

use super::{
    List,
    filters::parse_group,
    input::{Params, Segment},
    problem::Problem,
    push::{self, Push, Pushed},
};
use crate::{
    clock::rfc3339,
    orchestrator::Orchestrator,
    store::{Configured, StatementRow},
};

/// The newest configuration of a group.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConfigurationItem {
    #[serde(flatten)]
    configuration: ConfigurationVersion,
    /// What each agent of the group said of it last.
    agents: Vec<AgentConfiguration>,
}

/// A configuration and every one before it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConfigurationDetail {
    #[serde(flatten)]
    item: ConfigurationItem,
    /// Newest first.
    versions: Vec<ConfigurationVersion>,
}

/// One configuration as it was signed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConfigurationVersion {
    #[schema(value_type = String)]
    group: GroupName,
    version: u64,
    /// The version whose text this takes up again.
    restores: Option<u64>,
    /// TOML
    text: String,
    sequence: u64,
    key_id: String,
    expires: String,
    published: String,
    /// The signed bytes, base64
    statement: String,
    /// Base64
    signature: String,
}

/// One agent's answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentConfiguration {
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    /// Host name, for people.
    name: String,
    #[serde(flatten)]
    state: ConfigurationState,
}

/// What an agent made of a configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConfigurationState {
    /// That it answered for.
    version: u64,
    digest: String,
    /// It is in force there.
    active: bool,
    /// Where it failed; empty when it did not.
    phase: String,
    /// With line and key, where the content is wrong.
    reason: String,
    /// The version in force there; 0 for none.
    in_force: u64,
    /// Keys that it sets and that stay as whoever runs the agent set them.
    pinned: Vec<String>,
}

impl From<Configured> for ConfigurationState {
    fn from(configured: Configured) -> Self {
        let Configured { version, digest, active, phase, reason, in_force, pinned } = configured;
        Self { version, digest, active, phase, reason, in_force, pinned }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InGroup {
    /// Only of this group.
    group: Option<String>,
}

/// Stores a signed configuration and tells the agents of its group, which take it whole or not at all. The same statement
/// again changes nothing and answers 200.
#[utoipa::path(post, path = "/api/v1/configurations", operation_id = "pushConfiguration", tag = "configurations", request_body = Push, responses(
    (status = 201, body = Pushed), (status = 200, body = Pushed, description = "It was here before"),
    (status = 409, body = Problem, content_type = "application/problem+json",
     description = "Sequence or version is not above what was pushed"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json",
     description = "The signature, the statement or the text is wrong; `errors` has each line and key")))]
pub(super) async fn push(State(orchestrator): State<Arc<Orchestrator>>, request: Request) -> Result<Response, Problem> {
    push::accept(&orchestrator, request, push::What::Configuration).await
}

/// The newest configuration of each group, and what agents made of it.
#[utoipa::path(get, path = "/api/v1/configurations", operation_id = "listConfigurations", tag = "configurations", params(InGroup), responses(
    (status = 200, body = List<ConfigurationItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(InGroup { group }): Params<InGroup>,
) -> Result<Json<List<ConfigurationItem>>, Problem> {
    let group = group.map(|group| parse_group(&group)).transpose()?;
    let rows = orchestrator.store.configurations(group.as_ref()).await?;
    let mut answers = answers(&orchestrator).await?;
    let items = rows.into_iter().filter_map(version).map(|configuration| item(configuration, &mut answers)).collect();
    Ok(Json(List { items, next: None }))
}

/// The newest configuration of a group, and every one before it.
#[utoipa::path(get, path = "/api/v1/configurations/{name}", operation_id = "getConfiguration", tag = "configurations",
    params(("name" = String, Path, description = "The group")), responses((status = 200, body = ConfigurationDetail),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(orchestrator): State<Arc<Orchestrator>>,
    Segment(group): Segment,
) -> Result<Json<ConfigurationDetail>, Problem> {
    let missing = || Problem::not_found("no configuration was pushed to a group of this name");
    let group: GroupName = group.and_then(|group| group.parse().ok()).ok_or_else(missing)?;
    let history = orchestrator.store.configuration_history(&group).await?;
    let newest = history.first().cloned().and_then(version).ok_or_else(missing)?;
    let item = item(newest, &mut answers(&orchestrator).await?);
    Ok(Json(ConfigurationDetail { item, versions: history.into_iter().filter_map(version).collect() }))
}

/// By group.
async fn answers(orchestrator: &Orchestrator) -> Result<BTreeMap<String, Vec<AgentConfiguration>>, Problem> {
    let agents = orchestrator.store.agents().await?;
    let agents: BTreeMap<i64, _> = agents.iter().map(|row| (row.agent.number, row)).collect();
    let mut answers: BTreeMap<String, Vec<AgentConfiguration>> = BTreeMap::new();
    for (number, configured) in orchestrator.store.configured().await? {
        let Some(row) = agents.get(&number) else { continue };
        let answer = AgentConfiguration { agent: row.agent.id, name: row.name.clone(), state: configured.into() };
        answers.entry(row.agent.group.clone()).or_default().push(answer);
    }
    Ok(answers)
}

fn item(
    configuration: ConfigurationVersion,
    answers: &mut BTreeMap<String, Vec<AgentConfiguration>>,
) -> ConfigurationItem {
    let agents = answers.remove(configuration.group.as_str()).unwrap_or_default();
    ConfigurationItem { configuration, agents }
}

fn version(row: StatementRow) -> Option<ConfigurationVersion> {
    let Statement::Configure(Configuration { version, group, sequence, expires, restores, text }) = row.parsed else {
        return None;
    };
    Some(ConfigurationVersion {
        group,
        version,
        restores,
        text,
        sequence,
        key_id: row.key_id,
        expires: rfc3339(expires.saturating_mul(1_000_000)),
        published: rfc3339(row.received_us),
        statement: STANDARD.encode(&row.statement),
        signature: STANDARD.encode(&row.signature),
    })
}
