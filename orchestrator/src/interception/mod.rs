//! Live interception: which breakpoints there are, and setting them at the agents they are for. What pauses is the agents'
//! to know: they are asked. A breakpoint that nobody renews ends, here and at the agents, which hold it for no longer than
//! they hear of it.

pub(crate) mod told;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_proto::v1::{self, BreakpointState, SetBreakpoints, answer::Answer, command::Command};

use crate::{
    clock::now_us,
    commands::SOON,
    orchestrator::Orchestrator,
    store::{Agent, StoreError},
};

/// Between two times that agents are told of the breakpoints they have.
const AGAIN: Duration = Duration::from_secs(2);
/// For so long an agent holds a breakpoint that it does not hear of again.
const LEASE: Duration = Duration::from_secs(15);

/// Where an exchange pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PausesAt {
    Request,
    Response,
    Both,
}

/// What ends a pause that nobody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnTimeout {
    Continue,
    Fail,
}

/// What somebody wants to pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct BreakpointTerms {
    /// In the query grammar (docs/query.md)
    pub(crate) query: String,
    pub(crate) at: PausesAt,
    /// Only at these agents; at all of them when there are none
    #[schema(value_type = Vec<String>)]
    pub(crate) agents: Vec<Uuid>,
    /// Only at agents of this group
    pub(crate) group: Option<String>,
    /// Bytes of a body that are held, to be seen and replaced; 0 for the head alone
    pub(crate) body_bytes: u32,
    /// For so long an exchange pauses at most
    pub(crate) timeout_s: u32,
    /// What becomes of it then, and when the breakpoint ends
    pub(crate) on_timeout: OnTimeout,
    /// At one agent at a time; those beyond pass
    pub(crate) max_paused: u32,
    /// The breakpoint ends unless it is renewed within this time
    pub(crate) lease_s: u32,
}

/// A breakpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breakpoint {
    pub(crate) id: Uuid,
    pub(crate) wanted: BreakpointTerms,
    /// who made it
    pub(crate) owner: String,
    pub(crate) made_us: u64,
    /// when it ends
    pub(crate) until_us: u64,
}

/// Turns: what one agent is told of breakpoints is told in order.
#[derive(Default)]
pub(crate) struct Interception {
    turns: Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>,
    /// agents that [`keep`] is telling: one that does not answer has no queue
    told: Mutex<HashSet<i64>>,
    changed: Notify,
}

impl Breakpoint {
    pub(crate) fn is_for(&self, agent: &Agent) -> bool {
        let BreakpointTerms { agents, group, .. } = &self.wanted;
        let is_named = agents.is_empty() || agents.contains(&agent.id);
        is_named && group.as_ref().is_none_or(|group| *group == agent.group) && !agent.is_revoked
    }

    fn message(&self, now_us: u64) -> v1::Breakpoint {
        let wanted = &self.wanted;
        let left = Duration::from_micros(self.until_us.saturating_sub(now_us)).min(LEASE);
        v1::Breakpoint {
            id: Bytes::copy_from_slice(self.id.as_bytes()),
            query: wanted.query.clone(),
            at_request: wanted.at != PausesAt::Response,
            at_response: wanted.at != PausesAt::Request,
            body_bytes: wanted.body_bytes,
            timeout_ms: wanted.timeout_s.saturating_mul(1000),
            fails: wanted.on_timeout == OnTimeout::Fail,
            most: wanted.max_paused,
            lease_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1),
        }
    }
}

impl Orchestrator {
    /// Tells an agent which breakpoints it has now.
    ///
    /// # Errors
    /// Why it has none.
    pub(crate) async fn set_breakpoints(&self, agent: &Agent) -> Result<Vec<BreakpointState>, v1::Problem> {
        let turn = Arc::clone(self.interception.turns.lock().entry(agent.number).or_default());
        let _turn = turn.lock().await;
        let now = now_us();
        let all = self.store.breakpoints(now).await.map_err(|error| {
            tracing::warn!(%error, "breakpoints cannot be read");
            v1::Problem { text: "the database does not answer".to_owned(), ..v1::Problem::default() }
        })?;
        let of_agent = all.iter().filter(|breakpoint| breakpoint.is_for(agent));
        let breakpoints = of_agent.map(|breakpoint| breakpoint.message(now)).collect();
        match self.ask(agent, Command::SetBreakpoints(SetBreakpoints { breakpoints }), SOON).await? {
            Answer::Breakpoints(set) => Ok(set.states),
            _ => Err(v1::Problem { text: "its answer is one to something else".to_owned(), ..v1::Problem::default() }),
        }
    }

    /// One was made, renewed or removed.
    pub(crate) fn breakpoints_changed(&self) {
        self.interception.changed.notify_one();
    }
}

/// Tells agents here, again and again, of the breakpoints they have: they hold none that they do not hear of.
pub(crate) async fn keep(orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut had: Vec<i64> = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = orchestrator.interception.changed.notified() => {}
            () = stop.cancelled() => return,
        }
        match tell(&orchestrator, &had).await {
            Ok(have) => had = have,
            Err(error) => tracing::debug!(%error, "breakpoints cannot be read"),
        }
    }
}

/// Those who have some now. `had`: those who had some before.
async fn tell(orchestrator: &Arc<Orchestrator>, had: &[i64]) -> Result<Vec<i64>, StoreError> {
    let all = orchestrator.store.breakpoints(now_us()).await?;
    if all.is_empty() && had.is_empty() {
        return Ok(Vec::new());
    }
    let here: Vec<i64> = orchestrator.fleet.here().into_iter().map(|(number, ..)| number).collect();
    let agents = orchestrator.store.agents().await?.into_iter().map(|row| row.agent);
    let mut have = Vec::new();
    for agent in agents.filter(|agent| here.contains(&agent.number)) {
        let has_some = all.iter().any(|breakpoint| breakpoint.is_for(&agent));
        if has_some {
            have.push(agent.number);
        } else if !had.contains(&agent.number) {
            continue;
        }
        if !orchestrator.interception.told.lock().insert(agent.number) {
            continue;
        }
        let orchestrator = Arc::clone(orchestrator);
        tokio::spawn(async move {
            if let Err(problem) = orchestrator.set_breakpoints(&agent).await {
                tracing::debug!(agent = %agent.id, reason = problem.text, "an agent has no breakpoints");
            }
            orchestrator.interception.told.lock().remove(&agent.number);
        });
    }
    Ok(have)
}
