//! `/api/v1/metrics`: system metrics of the agents' machines, newest first.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    List,
    input::{Id, Paging, Params, cursor},
    problem::Problem,
};
use crate::{clock::rfc3339, orchestrator::Orchestrator, store::Sample};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Id of an agent; by default all
    #[param(value_type = Option<String>, format = "uuid")]
    agent: Option<Uuid>,
    /// 1 to 500, by default 100; fewer where they are long
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// One sample.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MetricsItem {
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    at: String,
    /// Of one machine, 0 to 100.
    cpu_percent: f64,
    memory_total_bytes: u64,
    memory_used_bytes: u64,
    swap_total_bytes: u64,
    swap_used_bytes: u64,
    load_1m: f64,
    /// Of all disks that the agent shows, since its machine started.
    disk_read_bytes: u64,
    disk_written_bytes: u64,
    networks: Vec<Network>,
    disks: Vec<Disk>,
    /// The agent itself.
    process: Option<Process>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Network {
    name: String,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Disk {
    mount: String,
    total_bytes: u64,
    available_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Process {
    /// Of one core, may exceed 100.
    cpu_percent: f64,
    memory_bytes: u64,
    uptime_s: u64,
    open_files: u64,
}

/// System metrics of all agents, or of one.
#[utoipa::path(get, path = "/api/v1/metrics", operation_id = "listMetrics", tag = "metrics", params(Which), responses(
    (status = 200, body = List<MetricsItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(which): Params<Which>,
) -> Result<Json<List<MetricsItem>>, Problem> {
    let paging = Paging { limit: which.limit, cursor: which.cursor };
    page(&orchestrator, which.agent, &paging).await
}

/// System metrics of one agent.
#[utoipa::path(get, path = "/api/v1/agents/{id}/metrics", operation_id = "listAgentMetrics", tag = "metrics", params(("id" = String, Path,), Which),
    responses((status = 200, body = List<MetricsItem>),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_agent(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    Params(which): Params<Which>,
) -> Result<Json<List<MetricsItem>>, Problem> {
    if which.agent.is_some_and(|agent| agent != id) {
        return Err(Problem::bad_request("the path names the agent"));
    }
    if orchestrator.store.agent(id).await?.is_none() {
        return Err(Problem::not_found(format!("there is no agent {id}")));
    }
    let paging = Paging { limit: which.limit, cursor: which.cursor };
    page(&orchestrator, Some(id), &paging).await
}

async fn page(
    orchestrator: &Orchestrator,
    agent: Option<Uuid>,
    paging: &Paging,
) -> Result<Json<List<MetricsItem>>, Problem> {
    let limit = paging.limit()?;
    let before = paging.place()?.map(|place| {
        let place = u128::from_be_bytes(place);
        ((place >> 64) as u64, (place as u64).cast_signed())
    });
    let (samples, more) = orchestrator.store.metrics(agent, before, limit).await?;
    let next = more.then(|| {
        let last = samples.last().map_or((0, 0), |last| (last.at_us, last.number));
        cursor((u128::from(last.0) << 64 | u128::from(last.1.cast_unsigned())).to_be_bytes())
    });
    Ok(Json(List { items: samples.into_iter().map(item).collect(), next }))
}

fn item(Sample { agent, at_us, metrics, .. }: Sample) -> MetricsItem {
    MetricsItem {
        agent,
        at: rfc3339(at_us),
        cpu_percent: metrics.cpu_percent,
        memory_total_bytes: metrics.memory_total_bytes,
        memory_used_bytes: metrics.memory_used_bytes,
        swap_total_bytes: metrics.swap_total_bytes,
        swap_used_bytes: metrics.swap_used_bytes,
        load_1m: metrics.load_1m,
        disk_read_bytes: metrics.disk_read_bytes,
        disk_written_bytes: metrics.disk_written_bytes,
        networks: metrics
            .networks
            .into_iter()
            .map(|network| Network {
                name: network.name,
                received_bytes: network.received_bytes,
                sent_bytes: network.sent_bytes,
            })
            .collect(),
        disks: metrics
            .disks
            .into_iter()
            .map(|disk| Disk {
                mount: disk.mount,
                total_bytes: disk.total_bytes,
                available_bytes: disk.available_bytes,
            })
            .collect(),
        process: metrics.process.map(|process| Process {
            cpu_percent: process.cpu_percent,
            memory_bytes: process.memory_bytes,
            uptime_s: process.uptime_s,
            open_files: process.open_files,
        }),
    }
}
