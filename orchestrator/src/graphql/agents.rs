//! Agents as GraphQL shows them.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, ID, Result, SimpleObject};

use super::{
    fault::Fault,
    loaders::{self, Newest, OutcomesOf},
    metrics::SystemMetrics,
    query::may,
    times,
};
use crate::{
    access::{Area::Metrics, Permission::Read},
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
    rest::{Problem, some},
    store::{AgentRow, Outcome},
};

/// Samples of one agent.
pub(super) const MOST_SAMPLES: i32 = 1_000;

/// Is an agent there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum AgentStatus {
    Connected,
    Disconnected,
    /// Its identity was taken away.
    Revoked,
}

/// An agent that joined.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub(super) struct Agent {
    id: ID,
    /// Host name, for people.
    name: String,
    hostname: String,
    group: String,
    status: AgentStatus,
    /// RFC 3339: when something came from it last.
    last_heartbeat: String,
    joined: String,
    version: String,
    /// Where it takes clients.
    listen: String,
    /// Of the desired state that it answered for last.
    revision: String,
    workers: i32,
    /// When the certificate ends that it showed last.
    certificate_ends: Option<String>,
    /// Exchanges that it carries now; null when it is not connected.
    exchanges_active: Option<i32>,
    connections_active: Option<i32>,
    #[graphql(skip)]
    row: AgentRow,
}

/// What an agent made of the newest statement about a filter.
#[derive(Debug, SimpleObject)]
pub(super) struct FilterOutcome {
    name: String,
    version: String,
    digest: String,
    active: bool,
    /// Where it failed; null when it did not.
    phase: Option<String>,
    reason: Option<String>,
}

#[ComplexObject]
impl Agent {
    /// What each filter came to at this agent.
    #[graphql(complexity = "times(20, child_complexity)")]
    async fn filters(&self, context: &Context<'_>) -> Result<Vec<FilterOutcome>> {
        let outcomes = loaders::of(context).load_one(OutcomesOf(self.row.agent.number)).await?;
        Ok(outcomes.unwrap_or_default().into_iter().map(FilterOutcome::from).collect())
    }

    /// The newest look at its machine.
    async fn current_metrics(&self, context: &Context<'_>) -> Result<Option<SystemMetrics>> {
        Ok(newest(context, &self.row, 1).await?.into_iter().next())
    }

    /// The newest looks at its machine, the newest first; `limit` is 1 to 1,000.
    #[graphql(complexity = "times(limit, child_complexity)")]
    async fn metrics_history(
        &self,
        context: &Context<'_>,
        #[graphql(default = 60)] limit: i32,
    ) -> Result<Vec<SystemMetrics>> {
        if !(1..=MOST_SAMPLES).contains(&limit) {
            let problem = Problem::bad_request(format!("limit has to be 1 to {MOST_SAMPLES}"));
            return Err(Fault::from(problem).into());
        }
        newest(context, &self.row, usize::try_from(limit).unwrap_or(1)).await
    }
}

async fn newest(context: &Context<'_>, row: &AgentRow, count: usize) -> Result<Vec<SystemMetrics>> {
    may(context, Read, Metrics)?;
    let found = loaders::of(context).load_one(Newest { agent: row.agent.id, count }).await?;
    Ok(found.unwrap_or_default())
}

impl Agent {
    pub(super) fn of(orchestrator: &Arc<Orchestrator>, row: AgentRow) -> Self {
        let presence = orchestrator.fleet.presence(row.agent.number);
        let heard = presence
            .as_ref()
            .map_or(0, |(age, _)| now_us().saturating_sub(u64::try_from(age.as_micros()).unwrap_or(0)));
        let status = match presence {
            _ if row.agent.is_revoked => AgentStatus::Revoked,
            Some(_) => AgentStatus::Connected,
            None => AgentStatus::Disconnected,
        };
        let heartbeat = presence.and_then(|(_, heartbeat)| heartbeat);
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            id: row.agent.id.into(),
            name: row.name.clone(),
            hostname: row.name.clone(),
            group: row.agent.group.clone(),
            status,
            last_heartbeat: rfc3339(row.last_seen_us.max(heard)),
            joined: rfc3339(row.joined_us),
            version: row.version.clone(),
            listen: row.listen.clone(),
            revision: row.revision.to_string(),
            workers: i32::try_from(row.workers).unwrap_or(i32::MAX),
            certificate_ends: row.certified_us.map(rfc3339),
            exchanges_active: heartbeat.as_ref().map(|heartbeat| count(heartbeat.exchanges_active)),
            connections_active: heartbeat.as_ref().map(|heartbeat| count(heartbeat.connections_active)),
            row,
        }
    }
}

impl From<Outcome> for FilterOutcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            name: outcome.name,
            version: outcome.version.to_string(),
            digest: outcome.digest,
            active: outcome.active,
            phase: some(outcome.phase),
            reason: some(outcome.reason),
        }
    }
}
