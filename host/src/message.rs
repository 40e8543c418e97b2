//! Messages of WebSockets and events of streams, as a run takes them through the chain. Must not know frames.

pub use crate::event_stream::ServerEvent;
use crate::{
    Failure,
    bindings::message::exports::weir::filter::message::{Content, ServerEvent as GuestEvent},
};

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Of a WebSocket.
    Text(String),
    /// Of a WebSocket.
    Binary(Vec<u8>),
    /// Of a stream of server-sent events.
    Event(ServerEvent),
}

/// How a filter closes a WebSocket, or ends a stream of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// RFC 6455 section 7.4.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: String,
}

/// What the chain made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Judged {
    /// It passes as it came.
    Pass,
    /// This passes in its place.
    Replace(Message),
    /// Nothing does.
    Drop,
    /// A filter ends it all.
    Close(Close),
    /// A filter failed, and its policy lets nothing go on without it.
    Failed(Failure),
}

impl Message {
    /// Bytes of what was said.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Event(event) => {
                let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                event.data.len() + optional(&event.event) + optional(&event.id)
            }
        }
    }

    /// Nothing was said.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is wrong with putting `other` in its place.
    pub(crate) fn fault_of(&self, other: &Self) -> Option<&'static str> {
        match (self, other) {
            (Self::Event(_), Self::Event(event)) if event.is_valid() => None,
            (Self::Event(_), Self::Event(_)) => Some("it makes an event whose type or id cannot be written"),
            (Self::Event(_), _) => Some("it puts a message in place of an event"),
            (_, Self::Event(_)) => Some("it puts an event in place of a message"),
            _ => None,
        }
    }
}

impl Close {
    /// RFC 6455 section 7.4: may this be said in a Close?
    pub fn is_code(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// May it be sent (RFC 6455 sections 5.5.1 and 7.4)?
    pub(crate) fn is_valid(&self) -> bool {
        Self::is_code(self.code) && self.reason.len() <= 123
    }
}

impl From<&Message> for Content {
    fn from(message: &Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.clone()),
            Message::Binary(bytes) => Self::Binary(bytes.clone()),
            Message::Event(event) => {
                let ServerEvent { event, data, id, retry } = event.clone();
                Self::Event(GuestEvent { event, data, id, retry })
            }
        }
    }
}

impl From<Content> for Message {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Binary(bytes) => Self::Binary(bytes),
            Content::Event(GuestEvent { event, data, id, retry }) => {
                Self::Event(ServerEvent { event, data, id, retry })
            }
        }
    }
}
