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
    /// Go on when a call or timer that this filter has started for the exchange ends: [`Filter::resumed`](crate::Filter::resumed)
    /// decides.
    Wait,
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
    /// Go on when a call or timer that this filter has started for the exchange ends: [`Filter::resumed`](crate::Filter::resumed)
    /// decides.
    Wait,
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
    /// Go on when a call or timer that this filter has started for the exchange ends: [`Filter::resumed`](crate::Filter::resumed)
    /// decides.
    Wait,
}

impl From<LocalResponse> for TrailersAction {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}

/// What is to happen with what waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumption {
    /// A head goes on to the next filter, a chunk as it is, trailers go on.
    Proceed,
    /// These bytes in place of the chunk.
    Replace(Vec<u8>),
    /// Nothing in place of the chunk.
    Drop,
    /// Answer the client with this.
    Respond(LocalResponse),
    /// Close without an answer.
    Abort,
    /// Keep the head back, as [`Action::HoldForBody`].
    HoldForBody,
    /// For the next call that ends.
    Wait,
}

impl From<LocalResponse> for Resumption {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}

impl From<Action> for Resumption {
    fn from(action: Action) -> Self {
        match action {
            Action::Next => Self::Proceed,
            Action::Respond(response) => Self::Respond(response),
            Action::Abort => Self::Abort,
            Action::HoldForBody => Self::HoldForBody,
            Action::Wait => Self::Wait,
        }
    }
}

impl From<ChunkAction> for Resumption {
    fn from(action: ChunkAction) -> Self {
        match action {
            ChunkAction::Pass => Self::Proceed,
            ChunkAction::Replace(bytes) => Self::Replace(bytes),
            ChunkAction::Drop => Self::Drop,
            ChunkAction::Respond(response) => Self::Respond(response),
            ChunkAction::Abort => Self::Abort,
            ChunkAction::Wait => Self::Wait,
        }
    }
}

impl From<TrailersAction> for Resumption {
    fn from(action: TrailersAction) -> Self {
        match action {
            TrailersAction::Next => Self::Proceed,
            TrailersAction::Respond(response) => Self::Respond(response),
            TrailersAction::Abort => Self::Abort,
            TrailersAction::Wait => Self::Wait,
        }
    }
}
