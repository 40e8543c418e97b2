//! Questions and subscriptions as Server-Sent Events, by the protocol graphql-sse, each in a request of its own
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>, distinct connections mode): for clients that have HTTP
//! and no WebSocket. The connection asks for the next piece when it has room for it, so nothing is made that nobody takes.

use std::{sync::Arc, time::Duration};

use async_graphql::{Request, Response as Answer};
use axum::{
    Extension,
    body::Body,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{sync::oneshot, time::sleep};

use super::{
    Door,
    fault::Fault,
    http::Found,
    operation::{Operation, Turn},
};
use crate::{
    fair::Share,
    orchestrator::Orchestrator,
    rest::{Problem, SeesToIt, Standing, seat},
    seats::Seat,
};

const KIND: &str = "text/event-stream";
/// Given at a time: what the connection has taken of a long answer makes room for others only at its end.
const PIECE: usize = 64 << 10;
/// When nothing is told, something is said, so that both sides see that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Asks proxies on the way not to collect what is to come at once.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Whether the client wants them.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case(KIND)
    })
}

/// The answers to one question, until there are no more, the credential ends or the server stops. What is followed is followed
/// from the head on.
pub(super) async fn answer(door: &Door, Found { asker, standing }: Found, request: Request) -> Result<Response, Fault> {
    let seat = seat(&door.orchestrator, asker.name())?;
    let name = asker.name().to_owned();
    let (answers, mut begun) = Operation::begin(&door.api, request.data(asker));
    begun.wait().await;
    let telling = Telling {
        door: door.clone(),
        name,
        answers: Some(answers),
        over: over(Arc::clone(&door.orchestrator), standing),
        rest: Bytes::new(),
        _taken: None,
        _seat: seat,
    };
    let headers = [(header::CONTENT_TYPE, KIND), (BUFFERING, "no")];
    Ok((Extension(SeesToIt), headers, Body::from_stream(telling.pieces())).into_response())
}

/// That the credential counts no longer, or that the server stops, seen whether or not anything is taken meanwhile.
fn over(orchestrator: Arc<Orchestrator>, standing: Standing) -> oneshot::Receiver<Fault> {
    let (mut tell, told) = oneshot::channel();
    let stop = orchestrator.stop.clone();
    tokio::spawn(async move {
        let fault = tokio::select! {
            () = standing.lapsed(orchestrator) => Problem::unauthorized(),
            () = stop.cancelled() => Problem::stopping(),
            // Nobody listens any more.
            () = tell.closed() => return,
        };
        // Or does not from this moment on.
        let _ = tell.send(fault.into());
    });
    told
}

/// The end came in the middle of an event: an end of the stream would have a part of it taken for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the event was cut off")]
struct CutOff;

/// What is told to one client.
struct Telling {
    door: Door,
    /// Whose it is.
    name: String,
    /// None when that was all.
    answers: Option<Operation>,
    over: oneshot::Receiver<Fault>,
    /// Of an event that the connection has begun to take.
    rest: Bytes,
    /// Its turn, and the room that it has.
    _taken: Option<(Turn, Option<Share>)>,
    _seat: Seat,
}

impl Telling {
    fn pieces(self) -> impl Stream<Item = Result<Bytes, CutOff>> {
        stream::unfold(self, async |mut telling| Some((telling.piece().await?, telling)))
    }

    async fn piece(&mut self) -> Option<Result<Bytes, CutOff>> {
        if self.rest.is_empty() {
            self._taken = None;
            self.rest = self.event().await?;
        } else if self.answers.is_some() && self.over.try_recv().is_ok() {
            (self.answers, self.rest) = (None, Bytes::new());
            return Some(Err(CutOff));
        }
        Some(Ok(self.rest.split_to(self.rest.len().min(PIECE))))
    }

    async fn event(&mut self) -> Option<Bytes> {
        let answers = self.answers.as_mut()?;
        tokio::select! {
            answer = answers.next() => match answer {
                Some(Some((answer, turn))) => Some(self.told(answer, turn).await),
                _ => Some(self.last("")),
            },
            fault = &mut self.over => Some(self.failed(fault.unwrap_or_else(|_| Problem::unavailable().into()))),
            () = sleep(HEARTBEAT) => Some(Bytes::from_static(b":\n\n")),
        }
    }

    async fn told(&mut self, answer: Answer, turn: Turn) -> Bytes {
        let text = next(&answer);
        drop(answer);
        let room = self.door.outgoing.room(&self.name, text.len()).await;
        turn.release();
        match room {
            Ok(room) => {
                self._taken = Some((turn, room));
                text.into()
            }
            Err(problem) => self.failed(problem.into()),
        }
    }

    fn failed(&mut self, fault: Fault) -> Bytes {
        let answer = Answer::from_errors(vec![fault.of_request()]);
        self.last(&next(&answer))
    }

    /// What is before it, and the end.
    fn last(&mut self, before: &str) -> Bytes {
        self.answers = None;
        format!("{before}event: complete\ndata:\n\n").into()
    }
}

fn next(answer: &Answer) -> String {
    // JSON has no line ends but in escapes, so it is one line. What was recorded has no value that JSON has not.
    format!("event: next\ndata: {}\n\n", serde_json::to_string(answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn who_wants_events_says_so() {
        for (accept, expect) in [
            ("text/event-stream", true),
            ("application/json, Text/Event-Stream;q=1", true),
            ("application/json", false),
            ("*/*", false),
            ("text/event-streams", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(is_wanted(&headers), expect, "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
