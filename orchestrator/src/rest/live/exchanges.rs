//! `/api/v1/exchanges/stream`: recorded exchanges as they come. They are read from the store, in the order in which they
//! came, by each reader from its own place on: a slow one is behind, and one that comes back misses nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use utoipa::IntoParams;
use weir_query::Query;

use super::{
    Gone, Pen, Reader,
    pen::{HEARTBEAT, Page},
};
use crate::{
    orchestrator::Orchestrator,
    rest::{
        exchanges::{ExchangeItem, item},
        fields::Selection,
        input::{Paging, Params, cursor},
        problem::Problem,
        secrets::Asker,
    },
    store::{Arrival, Arrivals, StoreError},
};

/// Told together.
const PAGE: usize = 100;
/// A reader behind whom so many wait is told so.
const BEHIND: u64 = 1000;
/// Between two looks at what came.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two looks while the database is away, and how many.
const AWAY: (Duration, u32) = (Duration::from_secs(1), 30);

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
/// whatever the query. `end` is the last one and says why.
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
    let given = Paging { limit: None, cursor: reader.last.clone().or(which.after) };
    let at = match given.place()? {
        // A cursor of another listing is no place in this one, but is one that exists: it is bounded by what is there.
        Some(place) => i64::try_from(u128::from_be_bytes(place)).unwrap_or(i64::MAX),
        None => orchestrator.store.arrivals(&query, None, 1).await?.next,
    };
    reader.stream(Arc::clone(&orchestrator), |pen| async move {
        let follow = Follow { orchestrator: &orchestrator, query, at, behind: false };
        follow.write(&pen, &selection).await
    })
}

/// A reader's place in what came, and how it goes on.
struct Follow<'a> {
    orchestrator: &'a Orchestrator,
    query: Query,
    at: i64,
    /// It was told so.
    behind: bool,
}

impl Follow<'_> {
    async fn write(mut self, pen: &Pen, selection: &Selection) -> Result<Infallible, Gone> {
        let mut news = self.orchestrator.store.arrivals_news();
        pen.begin(&place(self.at)).await?;
        let mut due = Instant::now() + HEARTBEAT;
        loop {
            news.mark_unchanged();
            let asked = Instant::now();
            let arrivals = self.arrivals().await?;
            let mut page = self.page(selection, &arrivals);
            if page.is_empty() && Instant::now() >= due {
                page.place(&place(arrivals.next));
            }
            if !page.is_empty() {
                pen.write(page).await?;
                due = Instant::now() + HEARTBEAT;
            }
            self.at = arrivals.next;
            if arrivals.waiting() == 0 {
                wait(&mut news, due).await;
                sleep_until(asked + PAUSE).await;
            }
        }
    }

    /// What came behind the place. A database that is away is waited for.
    async fn arrivals(&self) -> Result<Arrivals, Gone> {
        let (pause, most) = AWAY;
        for _ in 0..most {
            match self.orchestrator.store.arrivals(&self.query, Some(self.at), PAGE).await {
                Ok(arrivals) => return Ok(arrivals),
                Err(StoreError::Closed) => return Err(Gone::Stopping),
                Err(error) => tracing::debug!(%error, "what came cannot be read"),
            }
            sleep(pause).await;
        }
        Err(Gone::Failed)
    }

    fn page(&mut self, selection: &Selection, arrivals: &Arrivals) -> Page {
        let mut page = Page::default();
        if arrivals.skipped > 0 {
            page.event("skipped", &place(self.at), &json!({ "exchanges": arrivals.skipped }));
        }
        for Arrival { number, summary } in &arrivals.items {
            page.event("exchange", &place(*number), &selection.told(item(summary.clone())));
        }
        let waiting = arrivals.waiting();
        if waiting >= BEHIND && !self.behind {
            page.event("behind", &place(arrivals.next), &json!({ "waiting": waiting }));
        }
        self.behind = waiting >= BEHIND || self.behind && waiting > 0;
        page
    }
}

/// Until something came, or something has to be said.
async fn wait(news: &mut watch::Receiver<u64>, due: Instant) {
    // The store, which is borrowed, has the other end.
    let _ = timeout_at(due, news.changed()).await;
}

fn place(number: i64) -> String {
    cursor(u128::from(number.unsigned_abs()).to_be_bytes())
}
