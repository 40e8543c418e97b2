//! `/api/v1/exchanges/stream`: recorded exchanges as they come. They are read from the store, in the order in which they
//! came, by each reader from its own place on: a slow one is behind, and one that comes back misses nothing.

use std::{convert::Infallible, sync::Arc};

use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::{
    Gone, Pen, Reader,
    pen::{HEARTBEAT, Page},
};
use crate::{
    orchestrator::Orchestrator,
    rest::{
        exchanges::{ExchangeItem, LeftOut, item},
        fields::Selection,
        input::{Params, Place},
        problem::Problem,
        secrets::Asker,
    },
    store::{Arrival, Arrivals},
    tail::Tail,
};

/// A reader behind whom so many wait is told so.
const BEHIND: u64 = 1000;

/// Which exchanges.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Which {
    /// In the query grammar (docs/query.md), such as `host:*.example.com status:5xx -method:GET`
    query: Option<String>,
    /// Members of the items, with commas between them, such as `id,method,url`; all without it
    fields: Option<String>,
    /// The id of an event: from behind it; `Last-Event-ID` says the same
    after: Option<String>,
}

/// Exchanges as they are recorded (`text/event-stream`), from now on or from behind a place. `event: exchange` has one as
/// listings have it, and `id` is the place to go on from; an `id` without an event is one too. `behind` says that the reader is
/// slow and how many exchanges wait, of which none is lost; `skipped` how many retention deleted before they could be told,
/// whatever the query; `unread` how many were left out though they may fit, since a body that the query asks for is damaged. `end` is the last one and says why.
#[utoipa::path(get, path = "/api/v1/exchanges/stream", operation_id = "followExchanges", tag = "exchanges",
    params(Which, ("Last-Event-ID" = Option<String>, Header, description = "The last id that came")), responses(
    (status = 200, body = ExchangeItem, content_type = "text/event-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(in super::super) async fn follow(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    reader: Reader,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let selection = Selection::of(which.fields.as_deref())?;
    let query = asker.query(which.query.as_deref().unwrap_or_default())?;
    let given = reader.last.as_deref().or(which.after.as_deref());
    let after = given.map(Place::read).transpose()?.map(Place::number);
    let tail = Tail::open(&orchestrator, query, after).await?;
    reader.stream(orchestrator, |pen| write(tail, pen, selection))
}

async fn write(mut tail: Tail, pen: Pen, selection: Selection) -> Result<Infallible, Gone> {
    pen.begin(&place(tail.at())).await?;
    let mut behind = false;
    loop {
        let mut page = Page::default();
        match timeout(HEARTBEAT, tail.next()).await {
            Ok(Ok(arrivals)) => tell(&mut page, &selection, arrivals, &mut behind),
            Ok(Err(_)) => return Err(Gone::Failed),
            Err(_) => page.place(&place(tail.at())),
        }
        pen.write(page).await?;
    }
}

fn tell(page: &mut Page, selection: &Selection, arrivals: Arrivals, behind: &mut bool) {
    let (waiting, next) = (arrivals.waiting(), arrivals.next);
    if arrivals.skipped > 0 {
        page.event("skipped", &place(arrivals.from), &json!({ "exchanges": arrivals.skipped }));
    }
    if let Some(left_out) = LeftOut::of(arrivals.unread) {
        page.event("unread", &place(arrivals.from), &left_out);
    }
    for Arrival { number, summary } in arrivals.items {
        page.event("exchange", &place(number), &selection.told(item(summary)));
    }
    if waiting >= BEHIND && !*behind {
        page.event("behind", &place(next), &json!({ "waiting": waiting }));
    }
    // Until it has caught up.
    *behind = waiting >= BEHIND || *behind && waiting > 0;
}

fn place(number: i64) -> String {
    Place::from(number).to_string()
}
