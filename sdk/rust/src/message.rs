//! Messages of WebSockets and server-sent events.

use crate::{Filter, Response};

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The client.
    Client,
    /// The upstream. All server-sent events are of it.
    Upstream,
}

/// One server-sent event (HTML, section 9.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// The type; `message` where there is none.
    pub event: Option<String>,
    /// Lines of data, joined by line feeds.
    pub data: String,
    /// The id that the client is to keep.
    pub id: Option<String>,
    /// Milliseconds until the client connects again.
    pub retry: Option<u32>,
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Of a WebSocket.
    Text(String),
    /// Of a WebSocket.
    Binary(Vec<u8>),
    /// Of a stream of server-sent events.
    Event(ServerEvent),
}

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageAction {
    /// It goes on as it is.
    Pass,
    /// This goes on in its place: an event in place of an event, text or bytes in place of text or bytes.
    Replace(Content),
    /// Nothing does.
    Drop,
    /// The WebSocket is closed, or the response ended, on both sides.
    Close {
        /// 1000 to 4999, of those that may be sent (RFC 6455 section 7.4).
        code: u16,
        /// At most 123 bytes.
        reason: String,
    },
}

/// A filter that sees the messages of WebSockets and of streams of server-sent events; exported by
/// `weir_sdk::export!(MyFilter, with Messages)`.
///
/// Messages of the client meet the filters of the chain in its order, those of the upstream in reverse. These hooks cannot wait.
pub trait Messages: Filter {
    /// The upstream has answered a WebSocket's handshake with 101, or begun a stream of events. Whether this filter is to see
    /// what follows.
    #[allow(unused_variables, reason = "the parameters of hooks that do nothing are named for the reader")]
    fn open(&self, response: &Response, state: &mut Self::State) -> bool {
        true
    }

    /// One whole message, at most [`limits::buffer_bytes`](crate::limits::buffer_bytes); a longer one fails by policy.
    fn message(&self, response: &Response, origin: Origin, content: Content, state: &mut Self::State) -> MessageAction;
}
