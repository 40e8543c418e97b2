//! `/api/v1/paused`: exchanges that pause at breakpoints now, and how they go on. The agents are asked; nothing of it is
//! kept here.

mod decision;
mod shown;

use std::sync::Arc;

use axum::{Json, extract::State};
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_proto::v1::{self, Decide, ListPaused, ProblemKind, ReadPaused, answer::Answer, command::Command};

use self::decision::Decision;
use self::shown::{PausedDetail, PausedItem};
use super::{
    connections::{Meant, Where, ask_all, meant, no_agent},
    input::{Body, Id, Params},
    problem::Problem,
    secrets::Asker,
};
use crate::{interception::told::request, orchestrator::Orchestrator, store::AgentRow};

const OVER: &str = "nothing of this id pauses: somebody decided, or it ended by itself";
/// A body of 512 KiB, each byte of it escaped, and a head.
pub(super) const LARGEST_DECISION: usize = 4 << 20;

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// At this agent only, by its id or its name
    agent: Option<String>,
    /// By this breakpoint only
    #[param(value_type = Option<String>)]
    breakpoint: Option<Uuid>,
}

/// What pauses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PausedList {
    /// The oldest first.
    items: Vec<PausedItem>,
    /// There is never more.
    next: Option<String>,
    /// Agents that could not be asked, and why; those that allow no breakpoints are not asked.
    unanswered: Vec<Unheard>,
}

/// An agent that did not answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unheard {
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    reason: String,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionDone {
    /// `continue`, `modify`, `respond`, `redirect`, `kill` or `block`
    decision: String,
    /// Of `method`, `url`, `headers`, `status` and `body`
    changed: Vec<String>,
    /// Microseconds that it had paused.
    waited_us: u64,
}

/// Messages that pause at breakpoints, over all agents.
#[utoipa::path(get, path = "/api/v1/paused", operation_id = "listPaused", tag = "interception", params(Which), responses(
    (status = 200, body = PausedList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(which): Params<Which>,
) -> Result<Json<PausedList>, Problem> {
    let (mut items, mut unanswered) = (Vec::new(), Vec::new());
    for (row, answer) in ask(&orchestrator, which.agent.as_deref(), &Command::ListPaused(ListPaused {})).await? {
        match answer {
            Ok(Answer::PausedList(list)) => {
                items.extend(list.paused.iter().filter_map(|paused| PausedItem::of(&row, paused)));
            }
            Ok(_) => unanswered.push(unheard(row, "its answer is one to something else".to_owned())),
            Err(problem) if matches!(problem.kind(), ProblemKind::NotAllowed | ProblemKind::Unknown) => {}
            Err(problem) => unanswered.push(unheard(row, problem.text)),
        }
    }
    items.retain(|item| which.breakpoint.is_none_or(|breakpoint| item.breakpoint == breakpoint));
    items.sort_by_key(|item| item.id);
    Ok(Json(PausedList { items, next: None, unanswered }))
}

/// One of them, as it is held: its head, and its body, decoded where it is whole and its Content-Encoding is known. Where its
/// fields have what signs people in, the audit trail tells that somebody saw it.
#[utoipa::path(get, path = "/api/v1/paused/{id}", operation_id = "getPaused", tag = "interception", params(("id" = String, Path,), Where),
    responses((status = 200, body = PausedDetail), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Id(id): Id,
    Params(place): Params<Where>,
) -> Result<Json<PausedDetail>, Problem> {
    let read = Command::ReadPaused(ReadPaused { id: Bytes::copy_from_slice(id.as_bytes()) });
    match found(ask(&orchestrator, place.agent.as_deref(), &read).await?)? {
        Some((row, Answer::Held(held))) => {
            // Decoding is work.
            let shown = tokio::task::spawn_blocking(move || PausedDetail::of(&row, held)).await;
            let shown = shown.ok().flatten();
            let shown = shown.ok_or_else(|| Problem::not_found("the agent's answer cannot be read"))?;
            if shown.shows_credentials() {
                asker.revealed(&orchestrator).await?;
            }
            Ok(Json(shown))
        }
        _ => Err(Problem::not_found(format!("nothing of the id {id} pauses: somebody decided, or it ended by itself"))),
    }
}

/// Ends a pause. The first decision counts: who comes later is told so with status 409. A decision that cannot be carried
/// out is refused with status 422, and the pause goes on.
#[utoipa::path(post, path = "/api/v1/paused/{id}", operation_id = "decidePaused", tag = "interception", request_body = Decision,
    params(("id" = String, Path,), Where), responses((status = 200, body = DecisionDone),
    (status = 409, description = "It does not pause any more", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn decide(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Id(id): Id,
    Params(place): Params<Where>,
    Body(decision): Body<Decision>,
) -> Result<Json<DecisionDone>, Problem> {
    let decide = Decide {
        id: Bytes::copy_from_slice(id.as_bytes()),
        by: asker.name().to_owned(),
        decision: Some(decision.message()?),
    };
    let Some(agent) = holder(&orchestrator, id, place.agent).await? else {
        return Err(Problem::conflict(OVER));
    };
    match found(ask(&orchestrator, Some(&agent), &Command::Decide(decide)).await?)? {
        Some((row, Answer::Decided(v1::Decided { paused, how: Some(how) }))) => {
            let (method, url) = paused.as_ref().map(request).unwrap_or_default();
            let changed = how.changed.iter().take(8).map(|part| crate::grpc::bounded(part, 32)).collect::<Vec<_>>();
            let at = crate::interception::told::at(how.at_response);
            let parts = if changed.is_empty() { String::new() } else { format!(" {}", changed.join(",")) };
            let said = format!("{}{parts}: {at} of {method} {url} at {}", decision_word(&how.decision), row.name);
            asker.did(&orchestrator, "decide", &said).await?;
            Ok(Json(DecisionDone {
                decision: crate::grpc::bounded(&how.decision, 32),
                changed,
                waited_us: how.waited_us,
            }))
        }
        _ => Err(Problem::conflict(OVER)),
    }
}

/// Who is told of the decision: the agent that is named, else the one that has what pauses. Nobody else hears it, since there may
/// be in it what another agent's client sent.
async fn holder(orchestrator: &Orchestrator, id: Uuid, named: Option<String>) -> Result<Option<String>, Problem> {
    if let Some(named) = named {
        let agents = orchestrator.store.agents().await?;
        let is_id = agents.iter().any(|row| row.agent.id.to_string() == named);
        // An agent chooses its name, and so may choose another's.
        if !is_id && agents.iter().filter(|row| row.name == named && !row.agent.is_revoked).count() > 1 {
            return Err(Problem::conflict("more than one agent is called so: name it by its id (?agent=)"));
        }
        return Ok(Some(named));
    }
    let read = Command::ReadPaused(ReadPaused { id: Bytes::copy_from_slice(id.as_bytes()) });
    let asked = ask(orchestrator, None, &read).await?;
    let is_silent = |answer: &Result<Answer, v1::Problem>| answer.as_ref().is_err_and(|problem| !has_none(problem));
    let silent = asked.iter().find(|(_, answer)| is_silent(answer)).map(|(row, _)| row.name.clone());
    match (found(asked)?, silent) {
        (Some(_), Some(silent)) => {
            let text = format!("`{silent}` does not answer, and might have it too: name the agent with ?agent=");
            Err(Problem::conflict(text))
        }
        (Some((row, _)), None) => Ok(Some(row.agent.id.to_string())),
        (None, _) => Ok(None),
    }
}

fn decision_word(word: &str) -> String {
    crate::grpc::bounded(word, 32)
}

/// The answer of the one that has it; none when nobody has. Agents are not trusted to say so of what is another's: where more
/// than one does, whoever asks has to know.
fn found(asked: Asked) -> Result<Option<(AgentRow, Answer)>, Problem> {
    let (mut has, mut refused) = (None, None);
    for (row, answer) in asked {
        match answer {
            Ok(_) if has.is_some() => {
                return Err(Problem::conflict(
                    "more than one agent says that it has this: name the agent with ?agent=",
                ));
            }
            Ok(answer) => has = Some((row, answer)),
            Err(problem) if has_none(&problem) => {}
            Err(problem) => refused = Some(problem),
        }
    }
    match (has, refused) {
        (Some(has), _) => Ok(Some(has)),
        (None, Some(problem)) => Err(Problem::by_agent(&problem)),
        (None, None) => Ok(None),
    }
}

/// It has nothing of the kind.
fn has_none(problem: &v1::Problem) -> bool {
    matches!(problem.kind(), ProblemKind::NotFound | ProblemKind::NotAllowed | ProblemKind::Unknown)
}

/// What each of the agents made of a command.
type Asked = Vec<(AgentRow, Result<Answer, v1::Problem>)>;

/// Those of the agents that are connected and let themselves be asked, or the one that is named.
async fn ask(orchestrator: &Orchestrator, named: Option<&str>, command: &Command) -> Result<Asked, Problem> {
    let meant = meant(orchestrator, named).await?;
    let Meant { mut agents, .. } = meant.ok_or_else(|| no_agent(named.unwrap_or_default()))?;
    if named.is_none() {
        agents.retain(|row| row.allowed.iter().any(|allowed| allowed == "breakpoints"));
    }
    Ok(ask_all(orchestrator, agents, command).await)
}

fn unheard(row: AgentRow, reason: String) -> Unheard {
    Unheard { agent: row.agent.id, agent_name: row.name, reason }
}
