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
    match drive(connection, &cx.member, watch, |connection| connection.graceful_shutdown()).await {
        Some(Err(error)) => {
            tracing::debug!(client = %cx.facts.client_address, %error, "the client's HTTP/2 ended early");
        }
        None => tracing::debug!(client = %cx.facts.client_address, "the client takes nothing of what it is sent"),
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
