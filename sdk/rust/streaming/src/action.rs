//! What a hook with streams answers.

use weir_sdk::LocalResponse;

use crate::Body;

/// What is to happen next.
#[derive(Debug)]
pub enum Action {
    /// On with the head as it is now, and with what the hook did not read of the body.
    Next,
    /// On with the head as it is now, and with this body.
    NextWith(Body),
    /// This answer. Of a request: it goes no further.
    Respond(Reply),
    /// Close without an answer: the connection on HTTP/1, the stream on HTTP/2.
    Abort,
}

/// An answer of the filter's own.
#[derive(Debug)]
pub struct Reply {
    pub(crate) head: LocalResponse,
    pub(crate) body: Option<Body>,
}

impl Reply {
    /// With the head of `head`, and this body in place of its own.
    pub fn streamed(head: LocalResponse, body: Body) -> Self {
        Self { head, body: Some(body) }
    }
}

impl From<LocalResponse> for Reply {
    fn from(head: LocalResponse) -> Self {
        Self { head, body: None }
    }
}

impl From<LocalResponse> for Action {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response.into())
    }
}

impl From<Reply> for Action {
    fn from(reply: Reply) -> Self {
        Self::Respond(reply)
    }
}

impl From<Body> for Action {
    fn from(body: Body) -> Self {
        Self::NextWith(body)
    }
}
