//! The look at what a client speaks. Enters: a connection; leaves: its protocol, with every byte put back. Never one read:
//! it goes on until `detect` is sure.

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::Cx;
use crate::detect::{MAX_PEEK, Protocol, TLS_HANDSHAKE, detect};
use crate::io::Io;
use crate::tunnel::{self, First};
use crate::upstream::Alpn;

/// `None` when the client is gone, or came and said nothing.
///
/// A client that has just been given a tunnel and is silent may wait for a server that speaks first (SSH, SMTP), or be
/// slow. So its target is dialled and whoever speaks first decides: silence alone gets no client past the filters.
pub async fn peek(cx: &mut Cx, io: &mut Io) -> Option<Protocol> {
    if cx.situation.opaque {
        return Some(Protocol::Other);
    }
    let limits = &cx.worker.shared.config.client;
    let (patience, limit) = (limits.peek_timeout, limits.head_timeout);
    let mut read = BytesMut::new();
    let server_may_be_first = cx.situation.tunnel && !cx.alpn.as_deref().is_some_and(Alpn::is_http);
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
        () = cx.member.begun() => false,
    };
    if !spoke {
        return None;
    }
    let deadline = Instant::now() + limit;
    loop {
        if let Some(protocol) = detect(&read) {
            io.unread(read.freeze());
            return Some(protocol);
        }
        debug_assert!(read.len() < MAX_PEEK, "so many bytes always decide");
        read.reserve(1024);
        match timeout_at(deadline, io.read_buf(&mut read)).await {
            Ok(Ok(1..)) => {}
            // It stopped in the middle of what might have become anything but TLS: a tunnel carries that too, and on the
            // proxy port HTTP says what is wrong with it.
            _ if read.first().is_some_and(|first| *first != TLS_HANDSHAKE) => {
                io.unread(read.freeze());
                return Some(Protocol::Other);
            }
            _ => return None,
        }
    }
}
