//! What a hook wants to happen next.

use crate::LocalResponse;

/// Answer of a hook that sees a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Go on with the next filter.
    Next,
    /// Answer the client with this; the request goes no further.
    Respond(LocalResponse),
    /// Close without an answer: the connection on HTTP/1, the stream on HTTP/2.
    Abort,
    /// Keep this head back until its body ended or [`Subscription::max_buffer`](crate::Subscription::max_buffer) bytes
    /// came, so that body hooks may still change it. Only where there is a body to come.
    HoldForBody,
}

impl From<LocalResponse> for Action {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}

/// Answer of a hook that sees a chunk of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkAction {
    /// As it is: the agent sends its own copy, nothing leaves the guest.
    Pass,
    /// These bytes in its place.
    Replace(Vec<u8>),
    /// Nothing in its place.
    Drop,
    /// Answer the client with this. Possible until the response's head is sent to the client; later it closes like
    /// [`ChunkAction::Abort`].
    Respond(LocalResponse),
    /// Close without an answer.
    Abort,
}

impl From<LocalResponse> for ChunkAction {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}

/// Answer of a hook that sees trailers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrailersAction {
    /// Go on.
    Next,
    /// As [`ChunkAction::Respond`].
    Respond(LocalResponse),
    /// Close without an answer.
    Abort,
}

impl From<LocalResponse> for TrailersAction {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}
