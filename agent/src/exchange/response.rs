//! The way back. Enters: a response, from the upstream, a filter or the agent itself; leaves: the reply that the client
//! gets, once the filters have had it. Must not know how the request was made.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, Response, StatusCode, Version, response};
use http_body::{Body, Frame, SizeHint};
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use weir_host::{Direction, Length, LocalResponse, Progress, has_no_content};

use super::Abort;
use super::body::BodyStream;
use super::hop_by_hop::{add_via, strip_response};
use super::ledger::Ledger;
use super::live::{Live, Stop};
use super::pause;
use super::problem::Problem;
use super::reply::{into_response, render};
use super::source::Source;
use super::upgrade;
use super::websocket::{self, Spoken};
use crate::upstream::{BodyError, Received};

/// What hyper's server sends to the client.
pub enum ReplyBody {
    Full(Option<Bytes>),
    Stream(Box<BodyStream>),
}

impl ReplyBody {
    pub fn empty() -> Self {
        ReplyBody::Full(None)
    }

    pub fn full(bytes: Bytes) -> Self {
        ReplyBody::Full(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

/// Passes the upstream's response on. `client` is there when the client asked for another protocol.
pub(super) async fn from_upstream(
    live: &Rc<Live>,
    mut response: Response<Received>,
    client: Option<OnUpgrade>,
) -> Result<Response<ReplyBody>, Stop> {
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let ends = match (switching, client) {
        (true, Some(client)) => Some((client, hyper::upgrade::on(&mut response))),
        (true, None) => return Err(Problem::upstream_protocol("the upstream changed protocol unasked".into()).into()),
        (false, _) => None,
    };
    let (mut head, body) = response.into_parts();
    let (received, spoken) = (head.version, ends.is_some().then(|| Spoken::of(&head)));
    strip_response(&mut head).map_err(Problem::from)?;
    let mut reply = through_filters(live, head, Source::Upstream(body), Some(received)).await?;
    if let (Some((client, upstream)), Some(spoken)) = (ends, spoken)
        && reply.status() == StatusCode::SWITCHING_PROTOCOLS
    {
        let watched = websocket::open(live, &spoken)?;
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        upgrade::relay(live, client, upstream, spoken, watched);
    }
    Ok(reply)
}

/// What the client gets when the exchange did not go the whole way.
pub(super) async fn settle(live: &Rc<Live>, mut stop: Stop) -> Result<Response<ReplyBody>, Abort> {
    // Each turn, fewer filters are left to answer: only those entered before the one that did.
    loop {
        live.ends_by(&stop);
        live.record(Ledger::begin_local_response);
        stop = match stop {
            Stop::Abort => return Err(Abort),
            Stop::Problem(problem) => {
                tracing::debug!(exchange = %live.id, blame = problem.blame.as_str(), "{}", problem.detail);
                return Ok(unfiltered(live, render(&problem, live.accept.as_ref(), Some(live.id))));
            }
            Stop::Reply(response) => return Ok(unfiltered(live, response)),
            Stop::Respond(response) => match from_filter(live, response).await {
                Ok(reply) => return Ok(reply),
                Err(next) => next,
            },
        };
    }
}

async fn from_filter(live: &Rc<Live>, response: LocalResponse) -> Result<Response<ReplyBody>, Stop> {
    let body = Source::Local(Some(response.body.clone()).filter(|body| !body.is_empty()));
    let head = live.with_run(|run| {
        run.respond_with(response);
        run.exchange_mut().response.take()
    });
    let head = head.flatten().ok_or_else(|| Problem::agent("a filter's response was lost"))?;
    through_filters(live, head, body, None).await
}

/// The agent's own word passes no filter: it is about the filters as often as not.
fn unfiltered(live: &Live, mut response: LocalResponse) -> Response<ReplyBody> {
    let body = response.body.clone();
    if live.method == Method::HEAD {
        response.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        response.body = Bytes::new();
    }
    let (mut head, body) = into_response(response).into_parts();
    head.version = live.version;
    live.record(|ledger| {
        ledger.response(&head, None);
        if let ReplyBody::Full(Some(bytes)) = &body {
            ledger.received(Direction::Response, bytes);
            ledger.received_ended(Direction::Response);
        }
        ledger.recording().first_byte();
    });
    live.replied();
    head.version = Version::HTTP_11;
    Response::from_parts(head, body)
}

/// The response side of the chain, and the head that comes out of it. `received` is the version that an upstream spoke.
async fn through_filters(
    live: &Rc<Live>,
    mut head: response::Parts,
    source: Source,
    received: Option<Version>,
) -> Result<Response<ReplyBody>, Stop> {
    let mut body = BodyStream::new(live, Direction::Response, source, live.tuning.upstream.body_idle);
    let mut edited = None;
    if received.is_some() && live.worker.shared.interception.is_armed() {
        edited = Box::pin(pause::at_response(live, &mut head, &mut body)).await?;
    }
    let no_content = has_no_content(&live.method, head.status);
    if no_content && received.is_none() && live.method == Method::HEAD {
        head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from(body.len().unwrap_or_default()));
    }
    if no_content {
        body.drop_content();
    }
    let mut original = None;
    if live.has_run() {
        let may_stream = received.is_some() && !no_content;
        (head, original) = filtered_head(live, head, &mut body, no_content, may_stream).await?;
    }
    head.version = live.version;
    if let Some(received) = received {
        add_via(&mut head.headers, &live.worker.shared.via, received);
    }
    live.record(|ledger| {
        ledger.response(&head, edited.or(original).as_deref());
        ledger.recording().first_byte();
    });
    // hyper writes what the connection speaks
    head.version = Version::HTTP_11;
    if body.is_done() {
        live.replied();
        return Ok(Response::from_parts(head, ReplyBody::empty()));
    }
    Ok(Response::from_parts(head, ReplyBody::Stream(Box::new(body))))
}

type Heads = (response::Parts, Option<Box<response::Parts>>);

/// The head after the filters, and before them if one changed it.
async fn filtered_head(
    live: &Live,
    mut head: response::Parts,
    body: &mut BodyStream,
    no_content: bool,
    may_stream: bool,
) -> Result<Heads, Stop> {
    let (status, extensions) = (head.status, std::mem::take(&mut head.extensions));
    let mut progress = live.with_run(|run| {
        run.exchange_mut().response = Some(head);
        run.response_head(body.is_done())
    });
    loop {
        match progress {
            None => return Err(Problem::agent("the filters of this exchange are gone").into()),
            Some(Progress::Answer(answer)) => return Err(answer.into()),
            Some(Progress::Open) => break,
            Some(Progress::Waiting) => progress = Some(live.resumed(Direction::Response).await),
            Some(Progress::Held) => progress = Some(body.feed_or_resume().await?),
        }
    }
    if may_stream && let Some(Err(failure)) = live.with_run(|run| run.events_open()) {
        return Err(Problem::from(&failure).into());
    }
    let heads = live.with_run(|run| {
        body.head_is_open(run);
        run.response_committed();
        let original = run.exchange_mut().original_response.take();
        // filters may still read the response in later hooks, so theirs stays
        let mut head = run.exchange().response.clone()?;
        match no_content {
            false => set_length(&mut head.headers, run.length(Direction::Response)),
            // what the content would be is not known where a filter would have made it
            true if live.rewrites_responses() => drop(head.headers.remove(CONTENT_LENGTH)),
            true => {}
        }
        head.extensions = extensions;
        if head.status != status {
            head.extensions.remove::<ReasonPhrase>();
            if status == StatusCode::SWITCHING_PROTOCOLS {
                head.headers.remove(UPGRADE);
            }
        }
        Some((head, original))
    });
    heads.flatten().ok_or_else(|| Problem::agent("the response was lost among the filters").into())
}

/// Content-Length as it is once the head is open.
pub(super) fn set_length(headers: &mut HeaderMap, length: Length) {
    match length {
        Length::AsReceived => {}
        Length::Unknown => drop(headers.remove(CONTENT_LENGTH)),
        Length::Exact(bytes) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes))),
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            ReplyBody::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            ReplyBody::Stream(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBody::Full(bytes) => bytes.is_none(),
            ReplyBody::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ReplyBody::Stream(body) => body.size_hint(),
        }
    }
}
