//! HTTP/2 from a client. Enters: a connection that speaks it; leaves: an exchange for each request, and a tunnel for each
//! CONNECT. Must not know what an exchange does.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::connect;
use super::guarded::Guarded;
use super::streams::{Found, Streamed, Streams, Watch};
use crate::connection::Cx;
use crate::drain::Member;
use crate::exchange::{self, Abort};
use crate::io::Io;
use crate::local::Local;

/// Streams reset before the agent saw them, and streams that the agent had to reset for errors of the client's: beyond it
/// h2 ends the connection (CVE-2023-44487, CVE-2025-8671). What was seen, [`Streams`] counts.
const RESET_UNSEEN: usize = 20;
const RESET_IN_ERROR: usize = 128;

pub async fn http2(cx: &Cx, io: Io) {
    let tuning = cx.worker.tuning.now();
    let limits = &tuning.client;
    // hyper runs each stream as a task of its own, which may outlive this frame.
    let of_streams = Rc::new(cx.stream());
    let streams = Streams::new();
    let watch = Watch::new(&streams, limits.head_timeout, limits.write_timeout);
    let service = service_fn(move |request: Request<Incoming>| {
        let cx = Rc::clone(&of_streams);
        let streams = Rc::clone(&streams);
        async move {
            let mut stream = streams.begin();
            if request.method() != Method::CONNECT {
                let busy = cx.exchange(&request);
                let reply = exchange::serve(&cx.worker, cx.card(), &cx.facts, cx.origin.as_ref(), request).await;
                let reply = reply.inspect_err(|_| stream.answered())?;
                return Ok(reply.map(|body| Streamed { body, stream, busy }));
            }
            let (response, tunnel) = Box::pin(connect::answer(&cx, request)).await;
            if let Some((upgrade, tunnel)) = tunnel {
                // A tunnel minds its own silence.
                let mut tunnel_stream = streams.begin();
                tunnel_stream.answered();
                let cx = cx.stream();
                tokio::task::spawn_local(async move {
                    connect::enter_stream(cx, upgrade, tunnel).await;
                    drop(tunnel_stream);
                });
            }
            Ok::<_, Abort>(response.map(|body| Streamed { body, stream, busy: None }))
        }
    });
    let connection = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(RESET_UNSEEN)
        .max_local_error_reset_streams(RESET_IN_ERROR)
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(64 << 10)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.head_timeout / 2)
        .serve_connection(TokioIo::new(Guarded::new(io, limits.write_timeout)), service);
    match drive(connection, &cx.member, watch, |connection| connection.graceful_shutdown()).await {
        Some(Err(error)) => {
            tracing::debug!(client = %cx.facts.client_address, %error, "the client's HTTP/2 ended early");
        }
        None => {
            tracing::info!(client = %cx.facts.client_address, "given up: it takes nothing of what it is sent, or resets all")
        }
        Some(Ok(())) => {}
    }
}

/// To its end; once the agent is to stop, or the connection is idle, to the end of what is under way: GOAWAY. `None`: the
/// client was given up.
async fn drive<C: Future>(
    connection: C,
    member: &Member,
    mut watch: Watch,
    mut stop: impl FnMut(Pin<&mut C>),
) -> Option<C::Output> {
    let mut connection = pin!(connection);
    let mut told = false;
    poll_fn(|cx| {
        if !told && member.poll_begun(cx).is_ready() {
            told = true;
            stop(connection.as_mut());
        }
        while let Poll::Ready(found) = watch.poll(cx) {
            match found {
                Found::Stalled | Found::Flood => return Poll::Ready(None),
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
