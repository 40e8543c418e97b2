//! `/api/v1/breakpoints`: where exchanges pause. Somebody has to renew a breakpoint, or it ends.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_proto::v1::{self, BreakpointState, ListPaused, ProblemKind, answer::Answer, command::Command};
use weir_query::{Moment, Query};

use super::{
    List,
    agents::Nothing,
    input::{Body, Id, Params},
    problem::Problem,
};
use crate::{
    access::Principal,
    clock::{now_us, rfc3339},
    commands::SOON,
    interception::{Breakpoint, BreakpointTerms, OnTimeout, PausesAt},
    orchestrator::Orchestrator,
    store::{AgentRow, Deed, IMPORT_AGENT},
};

/// Agents that are asked at a time.
const AT_ONCE: usize = 32;
const MOST_BODY: u32 = 512 << 10;
const DEFAULT_BODY: u32 = 64 << 10;
const MOST_PAUSED: u32 = 256;
const LONGEST_S: u32 = 600;
const MOST_NAMED: usize = 256;

/// What is to pause. Everything but the query may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBreakpoint {
    /// In the query grammar (docs/query.md), of what is known when the head arrives at which it pauses
    query: String,
    /// By default `request`
    at: Option<PausesAt>,
    /// Names or ids of agents, by default all
    #[serde(default)]
    agents: Vec<String>,
    /// Agents of this group only
    group: Option<String>,
    /// Bytes of a body to hold, so that it can be seen and replaced: 0 (the head alone) to 524,288, by default 65,536
    body_bytes: Option<u32>,
    /// 1 to 600, by default 60: for so long an exchange pauses at most
    timeout_s: Option<u32>,
    /// What becomes of an exchange that nobody decides: by default `continue`
    on_timeout: Option<OnTimeout>,
    /// 1 to 256, by default 20: exchanges paused at one agent at a time; those beyond pass
    max_paused: Option<u32>,
    /// 5 to 600, by default 60: the breakpoint ends unless it is renewed within this time
    lease_s: Option<u32>,
}

/// A breakpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BreakpointItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    #[serde(flatten)]
    wanted: BreakpointTerms,
    /// Who made it.
    owner: String,
    made: String,
    /// When it ends, unless it is renewed.
    ends: String,
    /// Agents that it is for and that are connected.
    at_agents: Vec<AtAgent>,
}

/// A breakpoint at an agent.
#[derive(Debug, Serialize, ToSchema)]
struct AtAgent {
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    /// `set`, or `refused`
    state: &'static str,
    /// Why it is refused.
    reason: Option<String>,
    /// Exchanges that paused.
    paused_total: u64,
    /// Those that passed because too many were paused.
    passed_total: u64,
}

/// Until when it lasts now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RenewedBreakpoint {
    ends: String,
}

/// Makes a breakpoint. Refused where every agent that it is for refuses it.
#[utoipa::path(post, path = "/api/v1/breakpoints", operation_id = "makeBreakpoint", tag = "interception", request_body = NewBreakpoint, responses(
    (status = 201, body = BreakpointItem), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn make(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(principal): Extension<Principal>,
    Extension(deed): Extension<Deed>,
    Body(new): Body<NewBreakpoint>,
) -> Result<(StatusCode, Json<BreakpointItem>), Problem> {
    let rows = orchestrator.store.agents().await?;
    let wanted = new.checked(&rows)?;
    let now = now_us();
    let until_us = now + u64::from(wanted.lease_s) * 1_000_000;
    let breakpoint = Breakpoint { id: Uuid::now_v7(), wanted, owner: principal.name, made_us: now, until_us };
    if !orchestrator.store.add_breakpoint(&breakpoint, now, &deed.answered(201)).await? {
        return Err(Problem::conflict("there are as many breakpoints as there may be: remove one"));
    }
    let set = |agent: AgentRow| async {
        let set = orchestrator.set_breakpoints(&agent.agent).await;
        let state = set.and_then(|states| of(&states, breakpoint.id));
        (agent, state)
    };
    let states = asked(&orchestrator, rows, &breakpoint, set).await;
    orchestrator.breakpoints_changed();
    if !states.is_empty() && states.iter().all(|(_, state)| state.is_err()) {
        // Its answer tells the trail what came of it.
        orchestrator.store.remove_breakpoint(breakpoint.id, &Deed::default()).await?;
        if let Some((agent, Err(problem))) = states.into_iter().next() {
            let text = format!("{}: {}", agent.name, problem.text);
            return Err(Problem::by_agent(&v1::Problem { text, ..problem }));
        }
        return Err(Problem::unavailable());
    }
    Ok((StatusCode::CREATED, Json(item(breakpoint, states))))
}

/// Breakpoints that last, in the order they were made.
#[utoipa::path(get, path = "/api/v1/breakpoints", operation_id = "listBreakpoints", tag = "interception", responses(
    (status = 200, body = List<BreakpointItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<List<BreakpointItem>>, Problem> {
    let breakpoints = orchestrator.store.breakpoints(now_us()).await?;
    let mut rows = orchestrator.store.agents().await?;
    rows.retain(|row| breakpoints.iter().any(|breakpoint| breakpoint.is_for(&row.agent)));
    rows.retain(|row| is_there(&orchestrator, row));
    let ask = |row: AgentRow| async {
        let asked = orchestrator.ask(&row.agent, Command::ListPaused(ListPaused {}), SOON).await;
        (row, asked)
    };
    let told: Vec<_> = stream::iter(rows).map(ask).buffered(AT_ONCE).collect().await;
    let state = |breakpoint: &Breakpoint| {
        let of_agent = |(row, asked): &(AgentRow, Result<Answer, v1::Problem>)| {
            let state = match asked {
                Ok(Answer::PausedList(list)) => of(&list.states, breakpoint.id),
                Ok(_) => Err(odd()),
                Err(problem) => Err(problem.clone()),
            };
            breakpoint.is_for(&row.agent).then(|| (row.clone(), state))
        };
        told.iter().filter_map(of_agent).collect()
    };
    let items = breakpoints.into_iter().map(|breakpoint| {
        let states = state(&breakpoint);
        item(breakpoint, states)
    });
    Ok(Json(List { items: items.collect(), next: None }))
}

/// Lets a breakpoint last for its lease from now on.
#[utoipa::path(post, path = "/api/v1/breakpoints/{id}/renew", operation_id = "renewBreakpoint", tag = "interception",
    params(("id" = String, Path,)), responses((status = 200, body = RenewedBreakpoint),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn renew(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(deed): Extension<Deed>,
    Id(id): Id,
) -> Result<Json<RenewedBreakpoint>, Problem> {
    let now = now_us();
    let found = orchestrator.store.breakpoints(now).await?.into_iter().find(|breakpoint| breakpoint.id == id);
    let found = found.ok_or_else(|| gone(id))?;
    let until_us = now + u64::from(found.wanted.lease_s) * 1_000_000;
    if !orchestrator.store.renew_breakpoint(id, until_us, now, &deed.answered(200)).await? {
        return Err(gone(id));
    }
    Ok(Json(RenewedBreakpoint { ends: rfc3339(until_us) }))
}

/// Ends a breakpoint. What it paused goes on or fails, as its `on_timeout` says.
#[utoipa::path(delete, path = "/api/v1/breakpoints/{id}", operation_id = "removeBreakpoint", tag = "interception",
    params(("id" = String, Path,)), responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(deed): Extension<Deed>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let breakpoints = orchestrator.store.breakpoints(now_us()).await?;
    if !orchestrator.store.remove_breakpoint(id, &deed.answered(204)).await? {
        return Err(gone(id));
    }
    if let Some(breakpoint) = breakpoints.into_iter().find(|breakpoint| breakpoint.id == id) {
        let set = |row: AgentRow| async {
            let set = orchestrator.set_breakpoints(&row.agent).await;
            (row, set)
        };
        let rows = orchestrator.store.agents().await?;
        for (row, set) in asked(&orchestrator, rows, &breakpoint, set).await {
            if let Err(problem) = set {
                tracing::info!(agent = %row.agent.id, reason = problem.text, "an agent did not hear that a breakpoint ended");
            }
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn gone(id: Uuid) -> Problem {
    Problem::not_found(format!("there is no breakpoint {id}, or it has ended"))
}

fn odd() -> v1::Problem {
    v1::Problem { text: "its answer is one to something else".to_owned(), ..v1::Problem::default() }
}

/// What came of asking each agent that it is for and that is connected.
async fn asked<T, F: Future<Output = T>>(
    orchestrator: &Orchestrator,
    rows: Vec<AgentRow>,
    breakpoint: &Breakpoint,
    ask: impl Fn(AgentRow) -> F,
) -> Vec<T> {
    let rows = rows.into_iter().filter(|row| breakpoint.is_for(&row.agent) && is_there(orchestrator, row));
    stream::iter(rows).map(ask).buffered(AT_ONCE).collect().await
}

fn is_there(orchestrator: &Orchestrator, row: &AgentRow) -> bool {
    orchestrator.fleet.presence(row.agent.number).is_some()
}

fn of(states: &[BreakpointState], id: Uuid) -> Result<BreakpointState, v1::Problem> {
    let state = states.iter().find(|state| state.id[..] == id.as_bytes()[..]);
    let state = state.ok_or_else(|| v1::Problem { text: "it is not set yet".to_owned(), ..v1::Problem::default() })?;
    if state.refused.is_empty() {
        return Ok(state.clone());
    }
    Err(v1::Problem { kind: ProblemKind::Invalid.into(), text: crate::grpc::bounded(&state.refused, 1024) })
}

fn item(breakpoint: Breakpoint, states: Vec<(AgentRow, Result<BreakpointState, v1::Problem>)>) -> BreakpointItem {
    let at_agents = states.into_iter().map(|(row, state)| AtAgent {
        agent: row.agent.id,
        agent_name: row.name,
        state: if state.is_ok() { "set" } else { "refused" },
        paused_total: state.as_ref().map_or(0, |state| state.paused_total),
        passed_total: state.as_ref().map_or(0, |state| state.passed_total),
        reason: state.err().map(|problem| problem.text),
    });
    BreakpointItem {
        id: breakpoint.id,
        at_agents: at_agents.collect(),
        wanted: breakpoint.wanted,
        owner: breakpoint.owner,
        made: rfc3339(breakpoint.made_us),
        ends: rfc3339(breakpoint.until_us),
    }
}

impl NewBreakpoint {
    fn checked(self, rows: &[AgentRow]) -> Result<BreakpointTerms, Problem> {
        let at = self.at.unwrap_or(PausesAt::Request);
        let query = Query::parse(&self.query).map_err(|error| Problem::bad_query(&error))?;
        if at != PausesAt::Response {
            let known = query.answerable(Moment::Request, "a breakpoint at the request");
            known.map_err(|error| Problem::bad_query(&error))?;
        }
        let known = query.answerable(Moment::Response, "a breakpoint at the response");
        known.map_err(|error| Problem::bad_query(&error))?;
        let within = |name: &str, number: Option<u32>, default: u32, least: u32, most: u32| match number {
            Some(number) if !(least..=most).contains(&number) => {
                Err(Problem::unprocessable("breakpoint", format!("{name} has to be {least} to {most}")))
            }
            number => Ok(number.unwrap_or(default)),
        };
        if self.agents.len() > MOST_NAMED {
            let many = format!("name {MOST_NAMED} agents at most, or a group");
            return Err(Problem::unprocessable("breakpoint", many));
        }
        Ok(BreakpointTerms {
            query: self.query,
            at,
            agents: named(&self.agents, rows)?,
            group: self.group,
            body_bytes: within("body_bytes", self.body_bytes, DEFAULT_BODY, 0, MOST_BODY)?,
            timeout_s: within("timeout_s", self.timeout_s, 60, 1, LONGEST_S)?,
            on_timeout: self.on_timeout.unwrap_or(OnTimeout::Continue),
            max_paused: within("max_paused", self.max_paused, 20, 1, MOST_PAUSED)?,
            lease_s: within("lease_s", self.lease_s, 60, 5, LONGEST_S)?,
        })
    }
}

fn named(names: &[String], rows: &[AgentRow]) -> Result<Vec<Uuid>, Problem> {
    let mut agents = Vec::new();
    for name in names {
        let is_meant =
            |row: &&AgentRow| row.agent.id != IMPORT_AGENT && (row.name == *name || row.agent.id.to_string() == *name);
        let before = agents.len();
        agents.extend(rows.iter().filter(is_meant).map(|row| row.agent.id));
        if agents.len() == before {
            let shown: String = name.chars().take(64).collect();
            return Err(Problem::unprocessable("breakpoint", format!("there is no agent `{shown}`")));
        }
    }
    Ok(agents)
}
