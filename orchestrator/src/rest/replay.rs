//! `POST /api/v1/exchanges/{id}/replay` and `/api/v1/replays`: an agent sends a request, recorded or made up, and what comes of
//! it is recorded.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_proto::v1::{Replayed, answer::Answer, command::Command};

use super::{
    connections::retain_named,
    input::{Body, Id},
    problem::Problem,
    secrets::Asker,
    standing::Standing,
};
use crate::{
    orchestrator::Orchestrator,
    replay::{self, NewRequest, RequestEdits, Wanted},
    store::{AgentRow, IMPORT_AGENT},
};

/// Of a request to here: a body in it grows by a third.
pub(super) const LARGEST: usize = 4 << 20;
/// Requests that one request has sent, one after the other.
const MOST: u32 = 100;
/// For an exchange to end, unless another time is asked for.
const WHOLE: u64 = 30;
const LONGEST: u64 = 300;
/// For the record of what has ended.
const RECORDED: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(25);

/// An exchange once more. What is left out stays as it was recorded.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReplayRequest {
    /// By its id or its name. Without it the agent that carried the exchange, else any that is connected and may.
    agent: Option<String>,
    /// So many times, one after the other: 1 to 100, by default 1.
    count: Option<u32>,
    /// For each exchange to end, 1 to 300, by default 30; what takes longer goes on all the same.
    wait_seconds: Option<u64>,
    method: Option<String>,
    /// With scheme and host. Another scheme, host or port than the recorded one is connected to; a path alone stays where it was.
    url: Option<String>,
    /// Name and value; takes the place of all fields of that name. `Host` is what the request says, not where it goes.
    #[schema(value_type = Vec<Vec<String>>)]
    set_headers: Vec<(String, String)>,
    remove_headers: Vec<String>,
    /// Name and value; takes the place of all trailers of that name, or is added to those of the body that is sent.
    #[schema(value_type = Vec<Vec<String>>)]
    set_trailers: Vec<(String, String)>,
    remove_trailers: Vec<String>,
    /// In place of the body and its trailers; as text.
    body: Option<String>,
    /// In place of the body and its trailers; Base64.
    body_base64: Option<String>,
}

/// A request that is not recorded.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SendRequest {
    /// By its id or its name. Without it any that is connected and may.
    agent: Option<String>,
    /// So many times, one after the other: 1 to 100, by default 1.
    count: Option<u32>,
    /// For each exchange to end, 1 to 300, by default 30; what takes longer goes on all the same.
    wait_seconds: Option<u64>,
    /// By default GET.
    method: Option<String>,
    /// With scheme and host.
    #[schema(required)]
    url: Option<String>,
    /// Name and value.
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Vec<(String, String)>,
    /// Name and value, of fields behind the body.
    #[schema(value_type = Vec<Vec<String>>)]
    trailers: Vec<(String, String)>,
    /// As text.
    body: Option<String>,
    /// Base64.
    body_base64: Option<String>,
}

/// How often, and by whom.
#[derive(Debug)]
struct Sending {
    agent: Option<String>,
    count: Option<u32>,
    wait_seconds: Option<u64>,
}

impl ReplayRequest {
    fn parts(self) -> (Sending, RequestEdits) {
        let Self { agent, count, wait_seconds, method, url, body, body_base64, .. } = self;
        let Self { set_headers, remove_headers, set_trailers, remove_trailers, .. } = self;
        let headers = RequestEdits { set_headers, remove_headers, ..RequestEdits::default() };
        let edits = RequestEdits { method, url, set_trailers, remove_trailers, body, body_base64, ..headers };
        (Sending { agent, count, wait_seconds }, edits)
    }
}

impl SendRequest {
    fn parts(self) -> (Sending, NewRequest) {
        let Self { agent, count, wait_seconds, method, url, headers, trailers, body, body_base64 } = self;
        (Sending { agent, count, wait_seconds }, NewRequest { method, url, headers, trailers, body, body_base64 })
    }
}

/// What was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replays {
    items: Vec<Replay>,
    /// Why there are fewer than were asked for.
    stopped: Option<String>,
}

/// One exchange.
#[derive(Debug, Serialize, ToSchema)]
struct Replay {
    /// Of the new exchange.
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    /// It is recorded: `GET /api/v1/exchanges/{id}` has it. If not, it goes on, or its record is on its way.
    recorded: bool,
    /// Of the response, as far as that is known.
    status: Option<u16>,
}

/// Has an agent send the request of an exchange again, as it was or edited: through its filters, by its rules, into the
/// record. 201 when all of it is recorded, 202 when some of it is not yet.
#[utoipa::path(post, path = "/api/v1/exchanges/{id}/replay", operation_id = "replayExchange", tag = "exchanges",
    params(("id" = String, Path,)), request_body = ReplayRequest, responses((status = 201, body = Replays), (status = 202, body = Replays),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "It cannot be sent as it is; `detail` says what to give"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn again(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Extension(standing): Extension<Standing>,
    Id(id): Id,
    Body(request): Body<ReplayRequest>,
) -> Result<(StatusCode, Json<Replays>), Problem> {
    let (how, edits) = request.parts();
    let found = orchestrator.store.exchange(id).await?;
    let (summary, exchange) = found.ok_or_else(|| Problem::not_found(format!("there is no exchange {id}")))?;
    let wanted = replay::again(exchange, &edits).map_err(|unfit| unfit_for(&unfit))?;
    let agent = agent(&orchestrator, how.agent.as_deref(), Some(summary.agent)).await?;
    send(&orchestrator, (&asker, &standing), &agent, &how, &wanted, &format!("exchange {id}")).await
}

/// Has an agent send a request that is not recorded anywhere.
#[utoipa::path(post, path = "/api/v1/replays", operation_id = "sendRequest", tag = "exchanges", request_body = SendRequest, responses(
    (status = 201, body = Replays), (status = 202, body = Replays), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn made(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Extension(standing): Extension<Standing>,
    Body(request): Body<SendRequest>,
) -> Result<(StatusCode, Json<Replays>), Problem> {
    let (how, made) = request.parts();
    let wanted = replay::made(&made).map_err(|unfit| unfit_for(&unfit))?;
    let agent = agent(&orchestrator, how.agent.as_deref(), None).await?;
    send(&orchestrator, (&asker, &standing), &agent, &how, &wanted, "a request").await
}

fn unfit_for(unfit: &replay::Unfit) -> Problem {
    Problem::unprocessable("replay", unfit.to_string())
}

/// The one that is named; else the one that carried it, else the first that is connected and may.
async fn agent(orchestrator: &Orchestrator, named: Option<&str>, carried: Option<Uuid>) -> Result<AgentRow, Problem> {
    let mut agents = orchestrator.store.agents().await?;
    agents.retain(|agent| agent.agent.id != IMPORT_AGENT && !agent.agent.is_revoked);
    if let Some(named) = named {
        retain_named(&mut agents, named);
        if agents.len() > 1 {
            // What is sent may hold credentials, and each agent says itself what it is called.
            return Err(Problem::conflict(format!("{} agents are called `{named}`: give the id of one", agents.len())));
        }
        return agents.pop().ok_or_else(|| Problem::not_found(format!("there is no agent `{named}`")));
    }
    let may = |agent: &AgentRow| {
        let allows = agent.allowed.iter().any(|allowed| allowed == "replay");
        allows && orchestrator.fleet.presence(agent.agent.number).is_some()
    };
    agents.retain(may);
    let own = agents.iter().position(|agent| Some(agent.agent.id) == carried).unwrap_or_default();
    if agents.is_empty() {
        return Err(Problem::conflict(
            "no agent that is connected lets an orchestrator send requests: start one with --allow connections,replay",
        ));
    }
    Ok(agents.swap_remove(own))
}

async fn send(
    orchestrator: &Orchestrator,
    (asker, standing): (&Asker, &Standing),
    agent: &AgentRow,
    how: &Sending,
    wanted: &Wanted,
    what: &str,
) -> Result<(StatusCode, Json<Replays>), Problem> {
    let count = how.count.unwrap_or(1);
    let seconds = how.wait_seconds.unwrap_or(WHOLE);
    if !(1..=MOST).contains(&count) {
        return Err(Problem::bad_request(format!("count has to be 1 to {MOST}")));
    }
    if !(1..=LONGEST).contains(&seconds) {
        return Err(Problem::bad_request(format!("wait_seconds has to be 1 to {LONGEST}")));
    }
    let changes = if wanted.changes.is_empty() { "as it was".to_owned() } else { wanted.changes.join(", ") };
    let told = format!("{what} by agent {} ({}): {changes}", agent.agent.id, agent.name);
    // The trail has it before the agent does.
    asker.did(orchestrator, "replay", &told).await?;
    let mut replays = Replays { items: Vec::new(), stopped: None };
    for sent in 0..count {
        // Each takes as long as its upstream likes.
        if sent > 0 {
            replays.stopped = match standing.counts(orchestrator).await {
                Ok(true) => None,
                Ok(false) => Some("the credential counts no longer".to_owned()),
                Err(_) => Some("whether the credential counts cannot be seen: the database is away".to_owned()),
            };
            if replays.stopped.is_some() {
                break;
            }
        }
        let id = Uuid::now_v7();
        let command = Command::Replay(wanted.command(id, asker.name()));
        let replayed = match orchestrator.ask(&agent.agent, command, Duration::from_secs(seconds)).await {
            Ok(Answer::Replayed(replayed)) => replayed,
            Ok(_) => return Err(Problem::by_agent(&crate::commands::odd_answer())),
            Err(problem) if replays.items.is_empty() => return Err(Problem::by_agent(&problem)),
            Err(problem) => {
                replays.stopped = Some(problem.text);
                break;
            }
        };
        let Replayed { ended, status } = replayed;
        replays.items.push(Replay {
            id,
            agent: agent.agent.id,
            agent_name: agent.name.clone(),
            recorded: !ended,
            status: u16::try_from(status).ok().filter(|status| *status != 0),
        });
    }
    let until = Instant::now() + RECORDED;
    for item in &mut replays.items {
        // What has not ended is not waited for.
        let has_ended = !std::mem::take(&mut item.recorded);
        while has_ended && !item.recorded {
            // It is sent: that the database is away for a moment is no reason to have the client ask for it again.
            item.recorded = orchestrator.store.has_exchange(item.id).await.unwrap_or(false);
            if !item.recorded && Instant::now() >= until {
                break;
            }
            sleep(if item.recorded { Duration::ZERO } else { LOOK }).await;
        }
    }
    let all = replays.stopped.is_none() && replays.items.iter().all(|item| item.recorded);
    Ok((if all { StatusCode::CREATED } else { StatusCode::ACCEPTED }, Json(replays)))
}
