//! `/api/v1/connections`: who is connected to agents at this moment, and closing connections. The agents are asked; nothing
//! of it is kept.

use std::{net::IpAddr, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use futures_util::{StreamExt as _, stream};
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_proto::v1::{CloseConnections, ListConnections, LiveConnection, answer::Answer, command::Command};

use super::{
    ended::Agreed,
    input::{Id, Paging, Params, cursor},
    problem::Problem,
};
use crate::{
    clock::rfc3339,
    commands::SOON,
    orchestrator::Orchestrator,
    store::{AgentRow, IMPORT_AGENT},
};

/// Agents that are asked at a time.
const AT_ONCE: usize = 32;

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
    agent: Option<String>,
}

/// A client's connection to an agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionItem {
    #[schema(value_type = String, format = "uuid")]
    pub(super) id: Uuid,
    #[schema(value_type = String, format = "uuid")]
    pub(super) agent: Uuid,
    agent_name: String,
    /// Address of the client.
    client: String,
    since: String,
    /// How the client reached the agent: `forward`, `connect`, `socks5`, `transparent` or `reverse`. Null of an agent that is too old
    /// to say.
    entry: Option<String>,
    /// What it is at: `detecting` what the client speaks, `tls-handshake`, `http1`, `http2`, `dialing` the target of a tunnel, `tunnel`
    /// into which nobody looks, `websocket`, or `upgraded` to another protocol.
    stage: Option<String>,
    /// Who the client proved to be.
    user: Option<String>,
    /// Where its tunnel leads, or else where its last exchange wanted to go.
    target: Option<String>,
    tunnel_target: Option<String>,
    /// That the client's TLS asked for.
    server_name: Option<String>,
    intercepted: bool,
    /// Of the TLS that ended at the agent.
    tls: Option<Agreed>,
    /// Who is at the other end of its tunnel, or has answered its last exchange.
    upstream: Option<Reached>,
    exchanges: u64,
    /// Of these, those that go on.
    exchanges_active: u64,
    tunnels: u64,
    /// From the client, of its socket, TLS included.
    received_bytes: u64,
    /// To the client.
    sent_bytes: u64,
}

/// The other side of a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reached {
    address: String,
    /// `TLS 1.3` or `TLS 1.2`, of TLS that begins at the agent.
    tls_version: Option<String>,
    /// What was agreed on there: `h2`, `http/1.1` or the like.
    alpn: Option<String>,
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

/// An agent that did not do what it was asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unanswered {
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    reason: String,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Closed {
    closed: u64,
    /// Agents that did not do it, and why.
    unanswered: Vec<Unanswered>,
}

/// Of which agent and which client; all without them.
#[derive(Debug)]
pub(super) struct Whose {
    pub(super) agent: Option<String>,
    pub(super) client: Option<IpAddr>,
}

/// What the agents answered.
pub(super) struct Found {
    pub(super) items: Vec<ConnectionItem>,
    /// There are others behind these.
    pub(super) more: bool,
    pub(super) total: u64,
    pub(super) unanswered: Vec<Unanswered>,
}

/// What each of the agents made of a command.
type Asked = Vec<(AgentRow, Result<Answer, weir_proto::v1::Problem>)>;

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
    let whose = Whose { agent: which.agent, client: which.client };
    let Found { items, more, total, unanswered } = find(&orchestrator, &whose, after, limit).await?;
    let next = items.last().filter(|_| more).map(|last| cursor(last.id.into_bytes()));
    Ok(Json(Connected { items, next, total, unanswered }))
}

/// Those from behind an id on, in the order of ids.
pub(super) async fn find(
    orchestrator: &Orchestrator,
    whose: &Whose,
    after: Bytes,
    limit: usize,
) -> Result<Found, Problem> {
    let client = whose.client.map(|client| client.to_string()).unwrap_or_default();
    let list = ListConnections { client, after, limit: u32::try_from(limit).unwrap_or(u32::MAX) };
    let asked = ask(orchestrator, whose.agent.as_deref(), &Command::ListConnections(list)).await?;
    let (mut items, mut unanswered, mut more, mut total) = (Vec::new(), Vec::new(), false, 0_u64);
    for (agent, answer) in asked {
        match answer {
            Ok(Answer::Connections(found)) => {
                more |= found.more;
                // one that is too old to say has at least those that it tells
                total = total.saturating_add(found.total.max(found.connections.len() as u64));
                items.extend(found.connections.into_iter().filter_map(|live| item(&agent, live)));
            }
            other => unanswered.push(unanswered_by(agent, other)),
        }
    }
    items.sort_by_key(|item| item.id);
    unanswered.sort_by_key(Unanswered::agent);
    more |= items.len() > limit;
    items.truncate(limit);
    Ok(Found { items, more, total, unanswered })
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
    let (closed, unanswered) = counted(ask(&orchestrator, place.agent.as_deref(), &close).await?)?;
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
    let (closed, unanswered) = counted(ask(&orchestrator, unwanted.agent.as_deref(), &close).await?)?;
    Ok(Json(Closed { closed, unanswered }))
}

/// Those of the agents that are connected, or the one that is named.
async fn ask(orchestrator: &Orchestrator, named: Option<&str>, command: &Command) -> Result<Asked, Problem> {
    let mut agents = orchestrator.store.agents().await?;
    agents.retain(|agent| agent.agent.id != IMPORT_AGENT && !agent.agent.is_revoked);
    match named {
        Some(named) => {
            retain_named(&mut agents, named);
            if agents.is_empty() {
                return Err(Problem::not_found(format!("there is no agent `{named}`")));
            }
        }
        None => agents.retain(|agent| orchestrator.fleet.presence(agent.agent.number).is_some()),
    }
    let one = |agent: AgentRow| async move {
        let answer = orchestrator.ask(&agent.agent, command.clone(), SOON).await;
        (agent, answer)
    };
    let mut asked: Asked = stream::iter(agents).map(one).buffer_unordered(AT_ONCE).collect().await;
    if named.is_some() && asked.iter().all(|(_, answer)| answer.is_err()) {
        // Of the only one, or of those of one name, the first says it.
        if let Some((_, Err(problem))) = asked.pop() {
            return Err(Problem::by_agent(&problem));
        }
    }
    Ok(asked)
}

impl Unanswered {
    pub(super) fn agent(&self) -> Uuid {
        self.agent
    }
}

/// Those of this id, or else of this name: an agent chooses its name, and it may be another's id.
pub(super) fn retain_named(agents: &mut Vec<AgentRow>, named: &str) {
    let is_id = agents.iter().any(|agent| agent.agent.id.to_string() == named);
    agents.retain(|agent| if is_id { agent.agent.id.to_string() == named } else { agent.name == named });
}

fn counted(asked: Asked) -> Result<(u64, Vec<Unanswered>), Problem> {
    let (mut closed, mut unanswered) = (0, Vec::new());
    for (agent, answer) in asked {
        match answer {
            Ok(Answer::Closed(done)) => closed += done.count,
            other => unanswered.push(unanswered_by(agent, other)),
        }
    }
    Ok((closed, unanswered))
}

fn unanswered_by(agent: AgentRow, answer: Result<Answer, weir_proto::v1::Problem>) -> Unanswered {
    let reason = answer.map_or_else(|problem| problem.text, |_| "its answer is one to something else".to_owned());
    Unanswered { agent: agent.agent.id, agent_name: agent.name, reason }
}

fn item(agent: &AgentRow, live: LiveConnection) -> Option<ConnectionItem> {
    let id = Uuid::from_slice(&live.id).ok()?;
    let some = |text: String| (!text.is_empty()).then_some(text);
    let tls = Agreed::of(live.tls_version, live.cipher_suite, live.alpn);
    let upstream = some(live.upstream_address).map(|address| Reached {
        address,
        tls_version: some(live.upstream_tls_version),
        alpn: some(live.upstream_alpn),
    });
    Some(ConnectionItem {
        id,
        agent: agent.agent.id,
        agent_name: agent.name.clone(),
        client: live.client_address,
        since: rfc3339(live.since_us),
        entry: some(live.entry),
        stage: some(live.stage),
        user: some(live.user),
        target: some(live.target),
        tunnel_target: some(live.tunnel_target),
        server_name: some(live.server_name),
        intercepted: live.intercepted,
        tls,
        upstream,
        exchanges: live.exchanges,
        exchanges_active: live.exchanges_active,
        tunnels: live.tunnels,
        received_bytes: live.received_bytes,
        sent_bytes: live.sent_bytes,
    })
}
