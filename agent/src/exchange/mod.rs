//! One HTTP exchange, from the client's request to its recorded end. Enters: a request on any kind of connection, and the
//! target of the tunnel it came through; leaves: the reply that hyper sends. Must not know how clients arrive.
//!
//! `serve` is the whole of it, top to bottom. The exchange outlives it: bodies go on, and when the last part is gone,
//! [`live::Live`] tells filters and recorder.

mod body;
mod calls;
mod capture;
mod expect;
mod hop_by_hop;
mod ledger;
mod linger;
mod live;
mod messages;
mod pause;
mod problem;
mod reply;
mod request;
mod resolve;
mod response;
mod source;
mod upgrade;
mod websocket;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use uuid::Uuid;
use weir_host::{Connection, Direction, Progress};

use self::body::BodyStream;
pub(crate) use self::hop_by_hop::{Unfit, asks_upgrade};
use self::live::{Live, Stop};
pub use self::problem::{Blame, Problem};
pub use self::reply::reply;
pub use self::response::ReplyBody;
use self::source::Source;
pub(crate) use self::websocket::names_websocket;
use crate::ids;
use crate::roster::Card;
use crate::target::Target;
use crate::upstream::{Outgoing, Sent, UpstreamFailure};
use crate::worker::Worker;

/// The client is to get no answer: its connection closes, over HTTP/2 its stream is reset.
#[derive(Debug, thiserror::Error)]
#[error("the exchange was closed without an answer")]
pub struct Abort;

/// A request on its way in, whoever sends it.
pub struct Came {
    id: Uuid,
    head: http::request::Parts,
    body: Source,
    /// there when the client asks for another protocol
    client: Option<OnUpgrade>,
    /// there when no client sends it
    marked: Option<Marked>,
}

/// Says of an exchange that an orchestrator wanted it.
#[derive(Debug)]
pub struct Marked {
    /// the exchange that is repeated, if one is
    pub of: Option<Uuid>,
    /// who wanted it
    pub by: String,
}

impl Came {
    fn of_client(mut request: Request<Incoming>) -> Self {
        let client = upgrade::of_client(&mut request);
        let (head, body) = request.into_parts();
        Came { id: ids::new(), head, body: Source::Client(body), client, marked: None }
    }

    /// Made here.
    pub fn made(id: Uuid, head: http::request::Parts, body: Bytes, trailers: HeaderMap, marked: Marked) -> Self {
        let body = Some(body).filter(|body| !body.is_empty());
        let body = match trailers.is_empty() {
            true => Source::Local(body),
            false => Source::Trailed(body, Some(trailers)),
        };
        Came { id, head, body, client: None, marked: Some(marked) }
    }
}

/// Takes one request of a client's to its target and back. `origin` is where the tunnel goes that it came through, and `card` is
/// told who has answered.
pub async fn serve(
    worker: &Rc<Worker>,
    card: Option<&Arc<Card>>,
    connection: &Arc<Connection>,
    origin: Option<&Target>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Abort> {
    carry(worker, card, connection, origin, Came::of_client(request)).await
}

/// The same for whatever came.
pub async fn carry(
    worker: &Rc<Worker>,
    card: Option<&Arc<Card>>,
    connection: &Arc<Connection>,
    origin: Option<&Target>,
    came: Came,
) -> Result<Response<ReplyBody>, Abort> {
    let Came { id, mut head, body, client, marked } = came;
    let placed = resolve::resolve(&mut head, origin);
    let live = Live::begin(worker, connection, id, &head);
    if let Some(Marked { of, by }) = marked {
        live.record(|ledger| ledger.recording().replay(of, &by));
    }
    let body = BodyStream::of_client(&live, body, head.version);
    let reply = async {
        let mut target = placed.map_err(Problem::from)?;
        let request = request::prepare(&live, connection, &mut target, head, body).await?;
        let sent = send(&live, &target, request).await?;
        live.answered(sent.address);
        if let Some(card) = card {
            card.answered(sent.address, sent.terms);
        }
        response::from_upstream(&live, sent.response, client).await
    };
    let mut reply = match reply.await {
        Ok(reply) => reply,
        Err(stop) => response::settle(&live, stop).await?,
    };
    if reply.status() != StatusCode::SWITCHING_PROTOCOLS && live.body_is_unwanted() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if matches!(reply.body(), ReplyBody::Full(_)) {
            live.reply_is_out();
        }
    }
    Ok(reply)
}

/// Waits for the response head, unless a filter that sees the request body answers first.
async fn send(live: &Live, target: &Target, request: Request<Outgoing>) -> Result<Sent, Stop> {
    let sent = unless_stopped(live, live.worker.upstreams.send(target, request)).await?;
    match sent {
        Ok(sent) => Ok(sent),
        Err(failure) => Err(no_response(live, &failure).await),
    }
}

async fn unless_stopped<T>(live: &Live, sending: impl Future<Output = T>) -> Result<T, Stop> {
    let mut sending = pin!(sending);
    poll_fn(|cx| match live.poll_stop(cx) {
        Poll::Ready(stop) => Poll::Ready(Err(stop)),
        Poll::Pending => match live.poll_early_answer(cx) {
            Poll::Ready(stop) => Poll::Ready(Err(stop)),
            Poll::Pending => sending.as_mut().poll(cx).map(Ok),
        },
    })
    .await
}

/// A filter may answer for the dead upstream; else the agent says what happened.
async fn no_response(live: &Live, failure: &UpstreamFailure) -> Stop {
    live.worker.shared.stats.upstream_failed(failure);
    let told = problem::upstream_error(failure);
    let mut answer = told.and_then(|error| live.with_run(|run| run.upstream_error(error)));
    while let Some(Progress::Waiting) = answer {
        answer = Some(live.resumed(Direction::Response).await);
    }
    match answer {
        Some(Progress::Answer(answer)) => answer.into(),
        Some(Progress::Held | Progress::Waiting | Progress::Open) | None => Problem::from(failure).into(),
    }
}
