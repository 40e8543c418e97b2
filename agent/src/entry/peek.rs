//! The look at what a client speaks. Enters: a connection; leaves: its protocol, with every byte put back. Never one read:
//! it goes on until `detect` is sure.

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::Cx;
use crate::detect::{MAX_PEEK, Protocol, detect, may_be_tls};
use crate::io::Io;
use crate::tunnel::{self, First};

/// `None` when the client is gone, or came and said nothing, or stopped before it could be known what it says.
///
/// A client that has just been given a tunnel and is silent may wait for a server that speaks first (SSH, SMTP), or be
/// slow. So its target is dialled, and what it says is handed on; the client's first bytes decide all the same: neither
/// silence nor a greeting gets a client past the filters.
pub async fn peek(cx: &mut Cx, io: &mut Io) -> Option<Protocol> {
    // Filters are told when TLS begins in it, be it one that nobody looks into.
    if cx.situation.opaque && !cx.situation.asks_about_tls {
        return Some(Protocol::Other);
    }
    let tuning = cx.worker.tuning.now();
    let limits = &tuning.client;
    let (patience, limit) = (limits.peek_timeout, limits.head_timeout);
    let mut read = BytesMut::new();
    let server_may_be_first = cx.situation.tunnel && !cx.situation.agreed_http;
    let spoke = tokio::select! {
        biased;
        spoke = io.read_buf(&mut read) => matches!(spoke, Ok(1..)),
        () = sleep(if server_may_be_first { patience } else { limit }) => {
            server_may_be_first && match Box::pin(tunnel::who_speaks_first(cx, io, &mut read)).await {
                First::Client => true,
                First::Upstream => return Some(Protocol::Other),
                First::Nobody => false,
            }
        }
        // Nothing was said, so nothing is broken off.
        () = cx.is_to_end() => false,
    };
    if !spoke {
        return None;
    }
    let spoke = *cx.spoke.insert(Instant::now());
    loop {
        if let Some(protocol) = detect(&read) {
            io.unread(read.freeze());
            return Some(protocol);
        }
        debug_assert!(read.len() < MAX_PEEK, "so many bytes always decide");
        read.reserve(1024);
        match timeout_at(spoke + limit, io.read_buf(&mut read)).await {
            Ok(Ok(1..)) => {}
            // The client has no more to say, and of what it said no server makes a request.
            Ok(Ok(0)) if !may_be_tls(&read) => {
                io.unread(read.freeze());
                return Some(Protocol::Other);
            }
            // It stopped in the middle of what may be a request: a tunnel would carry the rest of it past the filters, and
            // HTTP tells it that its time is over.
            Err(_) if !may_be_tls(&read) => {
                io.unread(read.freeze());
                return Some(Protocol::Http1);
            }
            _ => return None,
        }
    }
}
