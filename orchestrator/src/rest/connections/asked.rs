//! Asking agents about their connections. Enters: which agents somebody means, and a command; leaves: what each of them made of
//! it, and who did not.

use std::net::IpAddr;

use futures_util::{StreamExt as _, stream};
use prost::bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_proto::v1::{self, ListConnections, answer::Answer, command::Command};

use super::item::{ConnectionItem, item};
use crate::{
    commands::SOON,
    orchestrator::Orchestrator,
    rest::problem::Problem,
    store::{AgentRow, IMPORT_AGENT, StoreError},
};

/// Agents that are asked at a time.
const AT_ONCE: usize = 32;

/// Of which agent and which client; all without them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct Whose {
    pub(in super::super) agent: Option<String>,
    pub(in super::super) client: Option<IpAddr>,
}

/// An agent that did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in super::super) struct Unanswered {
    #[schema(value_type = String, format = "uuid")]
    pub(in super::super) agent: Uuid,
    pub(in super::super) agent_name: String,
    pub(in super::super) reason: String,
}

/// What the agents answered.
#[derive(Default)]
pub(in super::super) struct Found {
    /// In the order of ids.
    pub(in super::super) items: Vec<ConnectionItem>,
    /// There are others behind these.
    pub(in super::super) more: bool,
    pub(in super::super) total: u64,
    pub(in super::super) unanswered: Vec<Unanswered>,
}

/// What each of the agents made of a command.
pub(super) type Asked = Vec<(AgentRow, Result<Answer, v1::Problem>)>;

/// Agents that somebody means.
pub(in super::super) struct Meant {
    /// to be asked
    pub(in super::super) agents: Vec<AgentRow>,
    /// of which nobody named one: they are not connected
    pub(in super::super) away: Vec<AgentRow>,
}

/// Those of an id or else a name, connected or not; without it all. None where there is none of that name.
pub(in super::super) async fn meant(
    orchestrator: &Orchestrator,
    named: Option<&str>,
) -> Result<Option<Meant>, StoreError> {
    let mut agents = orchestrator.store.agents().await?;
    agents.retain(|agent| agent.agent.id != IMPORT_AGENT && !agent.agent.is_revoked);
    let Some(named) = named else {
        let is_here = |agent: &AgentRow| orchestrator.fleet.presence(agent.agent.number).is_some();
        let (agents, away) = agents.into_iter().partition(is_here);
        return Ok(Some(Meant { agents, away }));
    };
    retain_named(&mut agents, named);
    Ok((!agents.is_empty()).then(|| Meant { agents, away: Vec::new() }))
}

/// Those of this id, or else of this name: an agent chooses its name, and it may be another's id.
pub(in super::super) fn retain_named(agents: &mut Vec<AgentRow>, named: &str) {
    let is_id = agents.iter().any(|agent| agent.agent.id.to_string() == named);
    agents.retain(|agent| if is_id { agent.agent.id.to_string() == named } else { agent.name == named });
}

pub(in super::super) fn no_agent(named: &str) -> Problem {
    Problem::not_found(format!("there is no agent `{named}`"))
}

/// Those of the agents that are connected, or the one that is named.
pub(super) async fn ask(orchestrator: &Orchestrator, named: Option<&str>, command: &Command) -> Result<Asked, Problem> {
    let meant = meant(orchestrator, named).await?;
    let Meant { agents, .. } = meant.ok_or_else(|| no_agent(named.unwrap_or_default()))?;
    let mut asked = ask_all(orchestrator, agents, command).await;
    if named.is_some() && asked.iter().all(|(_, answer)| answer.is_err()) {
        // Of the only one, or of those of one name, the first says it.
        if let Some((_, Err(problem))) = asked.pop() {
            return Err(Problem::by_agent(&problem));
        }
    }
    Ok(asked)
}

pub(in super::super) async fn ask_all(orchestrator: &Orchestrator, agents: Vec<AgentRow>, command: &Command) -> Asked {
    let one = |agent: AgentRow| async move {
        let answer = orchestrator.ask(&agent.agent, command.clone(), SOON).await;
        (agent, answer)
    };
    stream::iter(agents).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// For those from behind an id on.
pub(in super::super) fn listing(client: Option<IpAddr>, after: Bytes, limit: usize) -> Command {
    let client = client.map(|client| client.to_string()).unwrap_or_default();
    Command::ListConnections(ListConnections { client, after, limit: u32::try_from(limit).unwrap_or(u32::MAX) })
}

/// What came of it, over all agents.
pub(in super::super) fn found(asked: Asked, limit: usize) -> Found {
    let mut all = Found::default();
    for (agent, answer) in asked {
        match answer {
            Ok(Answer::Connections(found)) => {
                all.more |= found.more;
                // one that is too old to say has at least those that it tells
                all.total = all.total.saturating_add(found.total.max(found.connections.len() as u64));
                all.items.extend(found.connections.into_iter().filter_map(|live| item(&agent, live)));
            }
            other => all.unanswered.push(unanswered_by(agent, other)),
        }
    }
    all.items.sort_by_key(|item| item.id);
    all.unanswered.sort_by_key(|silent| silent.agent);
    all.more |= all.items.len() > limit;
    all.items.truncate(limit);
    all
}

/// How many were closed, and who did not say.
pub(super) fn counted(asked: Asked) -> (u64, Vec<Unanswered>) {
    let (mut closed, mut unanswered) = (0_u64, Vec::new());
    for (agent, answer) in asked {
        match answer {
            Ok(Answer::Closed(done)) => closed = closed.saturating_add(done.count),
            other => unanswered.push(unanswered_by(agent, other)),
        }
    }
    (closed, unanswered)
}

fn unanswered_by(agent: AgentRow, answer: Result<Answer, v1::Problem>) -> Unanswered {
    let reason = answer.map_or_else(|problem| problem.text, |_| "its answer is one to something else".to_owned());
    Unanswered { agent: agent.agent.id, agent_name: agent.name, reason }
}
