//! `/api/v1/events`: what happens in the fleet.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::{
    Reader,
    pen::{HEARTBEAT, Page},
};
use crate::{
    access::Principal,
    clock::rfc3339,
    events::{self, Event, Heard, KINDS, area_of},
    orchestrator::Orchestrator,
    rest::{
        input::{Params, Place},
        problem::Problem,
    },
};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Which {
    /// Kinds with commas between them; `agent.*` is all that begin so; all without it
    kinds: Option<String>,
    /// The id of an event: from behind it; `Last-Event-ID` says the same
    after: Option<String>,
}

/// An event as `data` has it.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct EventItem<'a> {
    /// RFC 3339 with microseconds.
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

/// Events as they happen: agents that come and go, revisions that are applied or not (`text/event-stream`). `event` is the kind,
/// `id` the place to go on from. A token that has areas hears of those. `missed` says that some are not there any more: read the list anew. `end` is the last one.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "followEvents", tag = "events",
    params(Which, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came")), responses(
    (status = 200, body = EventItem, content_type = "text/event-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in super::super) async fn follow(
    State(orchestrator): State<Arc<Orchestrator>>,
    reader: Reader,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let kinds = Kinds::of(which.kinds.as_deref())?;
    let given = reader.last.as_deref().or(which.after.as_deref());
    let after = given.map(Place::read).transpose()?.map(|place| events::Place::from_bytes(place.0));
    let asker = reader.principal.clone();
    kinds.heard_by(&asker)?;
    reader.stream(Arc::clone(&orchestrator), |pen| async move {
        let mut follower = orchestrator.events.follow(after, |kind| kinds.has(kind));
        pen.begin(&Place(follower.place().to_bytes()).to_string()).await?;
        let mut due = Instant::now() + HEARTBEAT;
        loop {
            let heard = timeout_at(due, follower.next()).await;
            let place = Place(follower.place().to_bytes()).to_string();
            let mut page = Page::default();
            match heard {
                Ok(Heard::Item(told)) if kinds.has(told.item.kind()) && may_hear(&asker, &told.item) => {
                    let item = EventItem { at: rfc3339(told.at_us), event: &told.item };
                    page.event(told.item.kind(), &place, &item);
                }
                // Of what this reader is not told there may be much.
                Ok(Heard::Item(_)) if Instant::now() < due => continue,
                Ok(Heard::Missed) => page.event("missed", &place, &serde_json::json!({})),
                Ok(Heard::Item(_)) | Err(_) => page.place(&place),
            }
            pen.write(page).await?;
            due = Instant::now() + HEARTBEAT;
        }
    })
}

fn may_hear(asker: &Principal, event: &Event) -> bool {
    let (permission, area) = event.asks();
    asker.may(permission, area).is_ok()
}

/// Those that somebody wants.
struct Kinds(Option<Vec<&'static str>>);

impl Kinds {
    fn of(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self(None)) };
        let mut wanted = Vec::new();
        for name in text.split(',').map(str::trim) {
            let before = wanted.len();
            wanted.extend(KINDS.into_iter().filter(|kind| match name.strip_suffix('*') {
                Some(beginning) => kind.starts_with(beginning),
                None => *kind == name,
            }));
            if wanted.len() == before {
                let name: String = name.chars().take(64).collect();
                let detail = format!("kinds: there is no `{name}`; there are {}", KINDS.join(", "));
                return Err(Problem::bad_request(detail));
            }
        }
        Ok(Self(Some(wanted)))
    }

    /// Whoever may hear of none of them is told so, in place of a stream that never says anything.
    fn heard_by(&self, asker: &Principal) -> Result<(), Problem> {
        let mut lacks = KINDS.into_iter().filter(|kind| self.has(kind)).map(area_of);
        match lacks.clone().any(|area| asker.areas.has(area)) {
            true => Ok(()),
            false => Err(lacks
                .next()
                .map_or_else(Problem::unauthorized, |area| Problem::insufficient_scope(asker.areas, area))),
        }
    }

    fn has(&self, kind: &str) -> bool {
        self.0.as_ref().is_none_or(|wanted| wanted.contains(&kind))
    }
}
