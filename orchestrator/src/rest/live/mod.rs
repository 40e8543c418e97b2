//! Streams of Server-Sent Events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>) that go on until the
//! reader leaves, its credential ends, or the server stops. Each event has an id, from which a reader goes on after the
//! connection broke. A reader holds nobody up: what it has not read stays where it came from.

pub(super) mod connections;
pub(super) mod events;
pub(super) mod exchanges;
mod pen;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    problem::Problem,
    standing::{SeesToIt, Standing},
};
use crate::{
    access::Principal,
    orchestrator::Orchestrator,
    seats::{self, Seat},
};
pub(crate) use connections::Watch;
pub(super) use pen::{Gone, Pen};

/// Writes that may wait for the reader, beside the one that is made.
const AHEAD: usize = 2;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies on the way not to collect what is to come at once.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Somebody who follows, and by what right.
pub(super) struct Reader {
    pub(super) principal: Principal,
    standing: Standing,
    /// `Last-Event-ID`: where the connection before broke.
    pub(super) last: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let (principal, standing) = (parts.extensions.get::<Principal>(), parts.extensions.get::<Standing>());
        let (Some(principal), Some(standing)) = (principal, standing) else { return Err(Problem::unauthorized()) };
        let last = parts.headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
        // Empty is what a browser's reader has before the first id.
        let last = last.filter(|last| !last.is_empty()).map(str::to_owned);
        Ok(Self { principal: principal.clone(), standing: standing.clone(), last })
    }
}

/// Somebody who has a place.
pub(super) struct Seated {
    standing: Standing,
    seat: Seat,
}

/// A place among those who follow.
pub(crate) fn seat(orchestrator: &Orchestrator, name: &str) -> Result<Seat, Problem> {
    let full = || {
        let detail = format!(
            "too many streams are open: {} for one name and {} in all; close some, or ask for several things in one",
            seats::EACH,
            seats::ALL
        );
        Problem::busy(&detail)
    };
    orchestrator.seats.take(name).ok_or_else(full)
}

impl Reader {
    /// Takes a place, before anything is done for what it asks.
    pub(super) fn sit(self, orchestrator: &Orchestrator) -> Result<Seated, Problem> {
        let seat = seat(orchestrator, &self.principal.name)?;
        Ok(Seated { standing: self.standing, seat })
    }

    /// Answers with what `write` writes until one of them ends.
    pub(super) fn stream<F>(
        self,
        orchestrator: Arc<Orchestrator>,
        write: impl FnOnce(Pen) -> F,
    ) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Infallible, Gone>> + Send + 'static,
    {
        Ok(self.sit(&orchestrator)?.stream(orchestrator, write))
    }
}

impl Seated {
    /// The same, where the place is taken.
    pub(super) fn stream<F>(self, orchestrator: Arc<Orchestrator>, write: impl FnOnce(Pen) -> F) -> Response
    where
        F: Future<Output = Result<Infallible, Gone>> + Send + 'static,
    {
        let Self { standing, seat } = self;
        let (out, written) = mpsc::channel(AHEAD);
        let pen = Pen::new(out);
        let writing = write(pen.clone());
        tokio::spawn(async move {
            let _seat = seat;
            let gone = tokio::select! {
                Err(gone) = writing => gone,
                () = orchestrator.stop.cancelled() => Gone::Stopping,
                () = standing.lapsed(Arc::clone(&orchestrator)) => Gone::Lapsed,
                () = pen.left() => return,
            };
            pen.end(gone);
        });
        let body = Body::from_stream(ReceiverStream::new(written).map(Ok::<_, Infallible>));
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (BUFFERING, HeaderValue::from_static("no")),
        ];
        (Extension(SeesToIt), headers, body).into_response()
    }
}
