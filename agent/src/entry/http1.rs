//! HTTP/1 from a client. Enters: a connection that speaks it; leaves: an exchange for each request, and the connection
//! itself, where CONNECT made a tunnel of it. Must not know what an exchange does.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::{Duration, Instant, Sleep, sleep_until};

use super::connect::{self, Tunnel};
use super::guarded::Guarded;
use super::notes::{Notes, Stage};
use crate::connection::Cx;
use crate::exchange::{self, Abort, Problem, ReplyBody, names_websocket};
use crate::io::Io;
use crate::roster::{At, Busy};
use crate::upstream::BodyError;

/// Where a CONNECT leaves what comes after it.
type Slot = Cell<Option<(OnUpgrade, Tunnel)>>;

pub async fn http1(cx: &Cx, io: Io) -> Option<(Io, Tunnel)> {
    let tuning = cx.worker.tuning.now();
    let limits = &tuning.client;
    let slot = Slot::default();
    let notes = Arc::<Notes>::default();
    let heads = Cell::new(0);
    let service = service_fn(|request: Request<Incoming>| {
        let (slot, notes) = (&slot, &notes);
        heads.set(heads.get() + 1);
        let is_known = heads.get() == notes.passed();
        async move {
            if !is_known {
                tracing::error!(client = %cx.facts.client_address, "a request that nobody looked at");
                return Err(Abort);
            }
            let mut busy = None;
            let reply = match notes.refusal() {
                Some(problem) => refused(cx, problem),
                None if request.method() == Method::CONNECT => {
                    let (response, tunnel) = Box::pin(connect::answer(cx, request)).await;
                    if tunnel.is_some() {
                        notes.switch();
                    }
                    slot.set(tunnel);
                    response
                }
                None => {
                    busy = cx.exchange(&request);
                    exchange::serve(&cx.worker, cx.card(), &cx.facts, cx.origin.as_ref(), request).await?
                }
            };
            if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
                notes.switch();
                cx.is_at(if names_websocket(reply.headers()) { At::WebSocket } else { At::Upgraded });
            }
            Ok(reply.map(|body| Noted { body, notes: Arc::clone(notes), busy }))
        }
    });
    let connection = http1::Builder::new()
        .preserve_header_case(true)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes.max(8 << 10))
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(Guarded::with_heads(io, limits, Arc::clone(&notes))), service)
        .with_upgrades();
    let ended = drive(cx, connection, &notes, |connection| connection.graceful_shutdown()).await;
    if let Err(error) = ended {
        tracing::debug!(client = %cx.facts.client_address, %error, "the client's HTTP/1 ended early");
    }
    let (upgrade, tunnel) = slot.take()?;
    let parts = upgrade.await.ok()?.downcast::<TokioIo<Guarded>>().ok()?;
    let mut io = parts.io.into_inner().into_inner();
    io.unread(parts.read_buf);
    Some((io, tunnel))
}

/// Nobody may act on such a head, and nothing is known of what follows it.
fn refused(cx: &Cx, problem: &Problem) -> Response<ReplyBody> {
    tracing::debug!(client = %cx.facts.client_address, problem = %problem.detail, "request refused");
    let mut reply = exchange::reply(problem, None, None);
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// To its end; once the agent is to stop, to the end of what is under way: `Connection: close`. A request that has begun to
/// come is under way.
async fn drive<C: Future>(cx: &Cx, connection: C, notes: &Notes, mut stop: impl FnMut(Pin<&mut C>)) -> C::Output {
    let mut connection = pin!(connection);
    let mut clock = Clock::new(cx);
    let mut told = false;
    poll_fn(|task| {
        let mut tried = None;
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(task) {
                return Poll::Ready(ended);
            }
            // The codec does not ask by itself whether what it was kept waiting for may come now.
            if notes.stage() == Stage::Held && notes.is_free() && tried.replace(notes.passed()) != Some(notes.passed())
            {
                continue;
            }
            if !told && !notes.hides_head() && cx.member.poll_begun(task).is_ready() {
                told = true;
                stop(connection.as_mut());
                continue;
            }
            if !notes.has_expired() && clock.poll(task, notes).is_ready() {
                notes.expire();
                continue;
            }
            return Poll::Pending;
        }
    })
    .await
}

/// How long the client may take to begin its next head, and then to end it.
struct Clock {
    limit: Duration,
    /// which head, and whether it has begun
    awaited: Option<(u64, bool)>,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// The first head began when the client first spoke.
    fn new(cx: &Cx) -> Self {
        let limit = cx.worker.tuning.now().client.head_timeout;
        let spoke = cx.spoke.unwrap_or_else(Instant::now);
        Clock { limit, awaited: Some((0, true)), deadline: spoke + limit, sleep: None }
    }

    /// A timer is set once and looked at when it rings: what comes in time touches none.
    fn poll(&mut self, task: &mut Context<'_>, notes: &Notes) -> Poll<()> {
        let Some(begun) = notes.awaits_head() else { return Poll::Pending };
        let awaited = Some((notes.passed(), begun));
        if self.awaited != awaited {
            self.awaited = awaited;
            self.deadline = Instant::now() + self.limit;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
        loop {
            ready!(sleep.as_mut().poll(task));
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.deadline);
        }
    }
}

/// A reply, the end of which ends its exchange.
struct Noted {
    body: ReplyBody,
    notes: Arc<Notes>,
    #[expect(dead_code, reason = "its drop counts")]
    busy: Option<Busy>,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.notes.end();
    }
}

impl Body for Noted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
