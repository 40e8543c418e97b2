//! HTTP from a client. Enters: a connection that speaks HTTP/1 or HTTP/2; leaves: an exchange for each request, and from
//! HTTP/1 the connection itself, where CONNECT made a tunnel of it. Must not know what an exchange does.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::header::{ACCEPT, CONNECTION, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::connect::{self, Tunnel};
use super::first_head;
use super::framing::Fault;
use super::guarded::{Guarded, Notes};
use super::streams::{Found, Streamed, Streams, Watch};
use crate::connection::Cx;
use crate::drain::Member;
use crate::exchange::{self, Abort, Problem, ReplyBody};
use crate::io::Io;
use crate::local::Local;

/// Where a CONNECT leaves what comes after it.
type Slot = Cell<Option<(OnUpgrade, Tunnel)>>;

pub async fn http1(cx: &Cx, mut io: Io) -> Option<(Io, Tunnel)> {
    first_head::read(cx, &mut io).await?;
    let limits = &cx.worker.shared.config.client;
    let slot = Slot::default();
    let notes = Arc::<Notes>::default();
    let heads = Cell::new(0);
    let service = service_fn(|request: Request<Incoming>| {
        let (slot, notes) = (&slot, &notes);
        let head = heads.get() + 1;
        heads.set(head);
        async move {
            if let Some(fault) = notes.refusal(head) {
                return Ok(refused(cx, &request, fault));
            }
            if request.method() != Method::CONNECT {
                let asks = request.headers().contains_key(UPGRADE);
                let reply = exchange::serve(&cx.worker, &cx.facts, cx.origin.as_ref(), request).await?;
                if asks {
                    notes.answered(head, reply.status() == StatusCode::SWITCHING_PROTOCOLS);
                }
                return Ok(reply);
            }
            let (response, tunnel) = Box::pin(connect::answer(cx, request)).await;
            notes.answered(head, tunnel.is_some());
            slot.set(tunnel);
            Ok::<Response<ReplyBody>, Abort>(response)
        }
    });
    let connection = http1::Builder::new()
        .preserve_header_case(true)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes.max(8 << 10))
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .serve_connection(TokioIo::new(Guarded::with_heads(io, limits.write_timeout, Arc::clone(&notes))), service)
        .with_upgrades();
    let ended = drive(connection, &cx.member, None, |connection| connection.graceful_shutdown()).await;
    if let Some(Err(error)) = ended {
        tracing::debug!(client = %cx.facts.client_address, %error, "the client's HTTP/1 ended early");
    }
    let (upgrade, tunnel) = slot.take()?;
    let parts = upgrade.await.ok()?.downcast::<TokioIo<Guarded>>().ok()?;
    let mut io = parts.io.into_inner().into_inner();
    io.unread(parts.read_buf);
    Some((io, tunnel))
}

/// A head that others could read in another way, and so could be made to take the rest for a request of somebody else.
fn refused(cx: &Cx, request: &Request<Incoming>, fault: Fault) -> Response<ReplyBody> {
    let why = match fault {
        Fault::BothFramings => "Content-Length stands beside Transfer-Encoding (RFC 9112 section 6.3)",
        Fault::BareLineFeed => "a line of the request head ends without a carriage return (RFC 9112 section 2.2)",
    };
    tracing::debug!(client = %cx.facts.client_address, problem = why, "request refused");
    let mut reply = exchange::reply(&Problem::bad_request(why.to_owned()), request.headers().get(ACCEPT), None);
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

pub async fn http2(cx: &Cx, io: Io) {
    let limits = &cx.worker.shared.config.client;
    // hyper runs each stream as a task of its own, which may outlive this frame.
    let of_streams = Rc::new(cx.stream());
    let streams = Streams::new();
    let watch = Watch::new(&streams, limits.head_timeout, limits.write_timeout);
    let service = service_fn(move |request: Request<Incoming>| {
        let cx = Rc::clone(&of_streams);
        let streams = Rc::clone(&streams);
        async move {
            let stream = streams.begin();
            if request.method() != Method::CONNECT {
                let reply = exchange::serve(&cx.worker, &cx.facts, cx.origin.as_ref(), request).await?;
                return Ok(reply.map(|body| Streamed { body, stream }));
            }
            let (response, tunnel) = Box::pin(connect::answer(&cx, request)).await;
            if let Some((upgrade, tunnel)) = tunnel {
                // A tunnel minds its own silence.
                let tunnel_stream = streams.begin();
                let cx = cx.stream();
                tokio::task::spawn_local(async move {
                    connect::enter_stream(cx, upgrade, tunnel).await;
                    drop(tunnel_stream);
                });
            }
            Ok::<_, Abort>(response.map(|body| Streamed { body, stream }))
        }
    });
    let connection = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(64 << 10)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.head_timeout / 2)
        .serve_connection(TokioIo::new(Guarded::new(io, limits.write_timeout)), service);
    match drive(connection, &cx.member, Some(watch), |connection| connection.graceful_shutdown()).await {
        Some(Err(error)) => {
            tracing::debug!(client = %cx.facts.client_address, %error, "the client's HTTP/2 ended early");
        }
        None => tracing::debug!(client = %cx.facts.client_address, "the client takes nothing of what it is sent"),
        Some(Ok(())) => {}
    }
}

/// To its end; once the agent is to stop, or the connection is idle, to the end of what is under way: `Connection: close`,
/// or GOAWAY. `None`: the client was given up.
async fn drive<C: Future>(
    connection: C,
    member: &Member,
    mut watch: Option<Watch>,
    mut stop: impl FnMut(Pin<&mut C>),
) -> Option<C::Output> {
    let mut connection = pin!(connection);
    let mut told = false;
    poll_fn(|cx| {
        if !told && member.poll_begun(cx).is_ready() {
            told = true;
            stop(connection.as_mut());
        }
        while let Some(Poll::Ready(found)) = watch.as_mut().map(|watch| watch.poll(cx)) {
            match found {
                Found::Stalled => return Poll::Ready(None),
                Found::Idle if !told => {
                    told = true;
                    stop(connection.as_mut());
                }
                Found::Idle => {}
            }
        }
        connection.as_mut().poll(cx).map(Some)
    })
    .await
}
