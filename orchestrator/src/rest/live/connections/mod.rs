//! `/api/v1/connections/stream`: clients' connections to agents, told as they come, change and go. The agents are asked again and
//! again while somebody follows, once for all who follow the same ones; of what a reader was told only a hash of each is kept.

mod known;
mod look;
mod watch;

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use serde::Deserialize;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, timeout_at},
};
use utoipa::IntoParams;

pub(crate) use self::watch::Watch;
use self::{known::Known, watch::Seen};
use super::{
    Gone, Pen, Reader,
    pen::{HEARTBEAT, Page},
};
use crate::{
    orchestrator::Orchestrator,
    rest::{
        connections::{ConnectionItem, Whose, meant, no_agent},
        input::Params,
        problem::Problem,
    },
};

/// For so long the database may be away.
const AWAY: Duration = Duration::from_secs(30);
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
/// `opened` and `changed` have one as listings have it, `closed` its `id` and `agent`; `unanswered` has the agents that cannot
/// tell, when that changes, and why: what is known of theirs stays until they can. `cut` says that there are more than 2,000 and only
/// the oldest of them are followed, `unfollowed` that one is not among them any more, or that its agent was revoked. `end` is the last event.
#[utoipa::path(get, path = "/api/v1/connections/stream", operation_id = "followConnections", tag = "connections",
    params(Which), responses(
    (status = 200, body = ConnectionItem, content_type = "text/event-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in super::super) async fn follow(
    State(orchestrator): State<Arc<Orchestrator>>,
    reader: Reader,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let seated = reader.sit(&orchestrator)?;
    let whose = Whose { agent: which.agent, client: which.client };
    if let Some(named) = &whose.agent {
        meant(&orchestrator, Some(named)).await?.ok_or_else(|| no_agent(named))?;
    }
    let seen = Watch::follow(&orchestrator, whose);
    Ok(seated.stream(orchestrator, |pen| write(seen, pen)))
}

async fn write(mut seen: Receiver<Seen>, pen: Pen) -> Result<Infallible, Gone> {
    pen.begin(PLACE).await?;
    let mut known = Known::default();
    let mut spoke = Instant::now();
    loop {
        let mut page = Page::default();
        let now = seen.borrow_and_update().clone();
        match now {
            Seen::Look(look) => known.tell(&mut page, &look),
            Seen::Failed { since } if since.elapsed() >= AWAY => return Err(Gone::Failed),
            Seen::NoAgent => return Err(Gone::NoAgent),
            Seen::Nothing | Seen::Failed { .. } => {}
        }
        if !page.is_empty() {
            pen.write(page).await?;
            spoke = Instant::now();
        }
        match timeout_at(spoke + HEARTBEAT, seen.changed()).await {
            Ok(Ok(())) => {}
            // Nobody looks any more.
            Ok(Err(_)) => return Err(Gone::Stopping),
            Err(_) => {
                let mut page = Page::default();
                page.place(PLACE);
                pen.write(page).await?;
                spoke = Instant::now();
            }
        }
    }
}
