//! `/api/v1/connections/stream`: clients' connections to agents, told as they come, change and go. The agents are asked again and
//! again while somebody follows; of what was told only a hash of each is kept, so that the next answer tells what changed.

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use axum::{extract::State, response::Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    Gone, Pen, Reader,
    pen::{HEARTBEAT, Page},
};
use crate::{
    orchestrator::Orchestrator,
    rest::{
        connections::{ConnectionItem, Found, Unanswered, Whose, find},
        input::Params,
        problem::Problem,
    },
};

/// Between two looks.
const AGAIN: Duration = Duration::from_secs(1);
/// Connections of one answer of an agent.
const PAGE: usize = 500;
/// Of one stream; of more the oldest are followed.
const MOST: usize = 2000;
/// Looks in a row that come to nothing, until the stream ends.
const TRIES: u32 = 30;
/// There is no place to go on from: whoever comes back is told all that are there.
const PLACE: &str = "now";

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Which {
    /// Of this agent only, by its id or its name
    agent: Option<String>,
    /// Of clients with this IP address only
    #[param(value_type = Option<String>)]
    client: Option<IpAddr>,
}

/// Connections of clients to agents as they come, change and go (`text/event-stream`). The stream begins with those that are there.
/// `opened` and `changed` have one as listings have it, `closed` its `id` and `agent`; `unanswered` says which agents cannot
/// tell, when that changes, and `cut` that there are more than 2,000 and only the oldest of them are followed. `end` is the last event.
#[utoipa::path(get, path = "/api/v1/connections/stream", operation_id = "followConnections", tag = "connections",
    params(Which), responses(
    (status = 200, body = ConnectionItem, content_type = "text/event-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in super::super) async fn follow(
    State(orchestrator): State<Arc<Orchestrator>>,
    reader: Reader,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let whose = Whose { agent: which.agent, client: which.client };
    let first = look(&orchestrator, &whose).await?;
    reader.stream(Arc::clone(&orchestrator), |pen| write(orchestrator, whose, first, pen))
}

async fn write(orchestrator: Arc<Orchestrator>, whose: Whose, first: Found, pen: Pen) -> Result<Infallible, Gone> {
    pen.begin(PLACE).await?;
    let (mut known, mut failed, mut found) = (Known::default(), 0, Some(first));
    let mut silent_since = Instant::now();
    loop {
        let looked = Instant::now();
        let mut page = Page::default();
        match found.take() {
            Some(found) => {
                failed = 0;
                known.tell(&mut page, found);
            }
            None => failed += 1,
        }
        if failed > TRIES {
            return Err(Gone::Failed);
        }
        if page.is_empty() && silent_since.elapsed() >= HEARTBEAT {
            page.place(PLACE);
        }
        if !page.is_empty() {
            pen.write(page).await?;
            silent_since = Instant::now();
        }
        // Where agents take long to answer they are asked less often.
        sleep_until(looked + AGAIN.max(looked.elapsed() * 2)).await;
        found = look(&orchestrator, &whose).await.ok();
    }
}

/// All of them, as far as they are followed.
async fn look(orchestrator: &Orchestrator, whose: &Whose) -> Result<Found, Problem> {
    let mut all = find(orchestrator, whose, Bytes::new(), PAGE).await?;
    for _ in 1..MOST / PAGE {
        let Some(last) = all.items.last().filter(|_| all.more) else { break };
        let after = Bytes::copy_from_slice(last.id.as_bytes());
        let next = find(orchestrator, whose, after, PAGE).await?;
        all.items.extend(next.items);
        for one in next.unanswered {
            if all.unanswered.iter().all(|other| other.agent() != one.agent()) {
                all.unanswered.push(one);
            }
        }
        all.more = next.more;
    }
    Ok(all)
}

/// What the reader was told.
#[derive(Default)]
struct Known {
    /// the agent, and a hash of what was said of the connection
    connections: HashMap<Uuid, (Uuid, u64)>,
    unanswered: Vec<Uuid>,
    cut: bool,
}

impl Known {
    fn tell(&mut self, page: &mut Page, found: Found) {
        let before = std::mem::take(&mut self.connections);
        for item in found.items {
            let hash = hash(&item);
            match before.get(&item.id) {
                None => page.event("opened", PLACE, &item),
                Some((_, known)) if *known != hash => page.event("changed", PLACE, &item),
                Some(_) => {}
            }
            self.connections.insert(item.id, (item.agent, hash));
        }
        let silent: Vec<Uuid> = found.unanswered.iter().map(Unanswered::agent).collect();
        for (id, (agent, known)) in before {
            if self.connections.contains_key(&id) {
                continue;
            }
            // Of an agent that does not answer nothing is known anew.
            if silent.contains(&agent) && self.connections.len() < MOST {
                self.connections.insert(id, (agent, known));
            } else {
                page.event("closed", PLACE, &json!({ "id": id, "agent": agent }));
            }
        }
        if silent != self.unanswered {
            page.event("unanswered", PLACE, &found.unanswered);
            self.unanswered = silent;
        }
        if found.more != self.cut {
            self.cut = found.more;
            if found.more {
                page.event("cut", PLACE, &json!({ "followed": self.connections.len(), "total": found.total }));
            }
        }
    }
}

fn hash(item: &ConnectionItem) -> u64 {
    let mut hasher = DefaultHasher::new();
    // what has no JSON would be told once
    serde_json::to_vec(item).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
