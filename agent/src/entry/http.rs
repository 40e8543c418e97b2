//! HTTP from a client. Enters: a connection that speaks HTTP/1 or HTTP/2; leaves: an exchange for each request, and from
//! HTTP/1 the connection itself, where CONNECT made a tunnel of it. Must not know what an exchange does.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::connect::{self, Tunnel};
use super::first_head;
use crate::connection::Cx;
use crate::drain::Member;
use crate::exchange::{self, Abort, ReplyBody};
use crate::io::Io;
use crate::local::Local;

/// Where a CONNECT leaves what comes after it.
type Slot = Rc<Cell<Option<(OnUpgrade, Tunnel)>>>;

pub async fn http1(cx: &Cx, mut io: Io) -> Option<(Io, Tunnel)> {
    first_head::read(cx, &mut io).await?;
    let limits = &cx.worker.shared.config.client;
    let slot = Slot::default();
    let service = service_fn(|request: Request<Incoming>| {
        let slot = Rc::clone(&slot);
        async move {
            if request.method() != Method::CONNECT {
                return exchange::serve(&cx.worker, &cx.facts, cx.origin.as_ref(), request).await;
            }
            let (response, tunnel) = Box::pin(connect::answer(cx, request)).await;
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
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let ended = drive(connection, &cx.member, |connection| connection.graceful_shutdown()).await;
    if let Err(error) = ended {
        tracing::debug!(client = %cx.facts.client_address, %error, "the client's HTTP/1 ended early");
    }
    let (upgrade, tunnel) = slot.take()?;
    let parts = upgrade.await.ok()?.downcast::<TokioIo<Io>>().ok()?;
    let mut io = parts.io.into_inner();
    io.unread(parts.read_buf);
    Some((io, tunnel))
}

pub async fn http2(cx: &Cx, io: Io) {
    let limits = &cx.worker.shared.config.client;
    // hyper runs each stream as a task of its own, which may outlive this frame.
    let streams = Rc::new(cx.stream());
    let service = service_fn(move |request: Request<Incoming>| {
        let cx = Rc::clone(&streams);
        async move {
            if request.method() != Method::CONNECT {
                return exchange::serve(&cx.worker, &cx.facts, cx.origin.as_ref(), request).await;
            }
            let (response, tunnel) = Box::pin(connect::answer(&cx, request)).await;
            if let Some((upgrade, tunnel)) = tunnel {
                tokio::task::spawn_local(connect::enter_stream(cx.stream(), upgrade, tunnel));
            }
            Ok::<Response<ReplyBody>, Abort>(response)
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
        .serve_connection(TokioIo::new(io), service);
    let ended = drive(connection, &cx.member, |connection| connection.graceful_shutdown()).await;
    if let Err(error) = ended {
        tracing::debug!(client = %cx.facts.client_address, %error, "the client's HTTP/2 ended early");
    }
}

/// To its end; once the agent is to stop, to the end of what is under way: `Connection: close`, or GOAWAY.
async fn drive<C: Future>(connection: C, member: &Member, mut stop: impl FnMut(Pin<&mut C>)) -> C::Output {
    let mut connection = pin!(connection);
    let mut told = false;
    poll_fn(|cx| {
        if !told && member.poll_begun(cx).is_ready() {
            told = true;
            stop(connection.as_mut());
        }
        connection.as_mut().poll(cx)
    })
    .await
}
