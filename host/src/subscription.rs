//! What a filter asked to see. The host skips every call that is not asked for.

use crate::Direction;

/// How much of a body a filter takes part in. In this order each mode asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum BodyMode {
    /// The body never enters the guest.
    #[default]
    None,
    /// Chunks are shown.
    Observe,
    /// Chunks may be replaced or dropped.
    Transform,
    /// One call with the whole body.
    Buffer,
}

/// What a filter asked to see when it was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subscription {
    /// `on-request-head`.
    pub request_head: bool,
    /// `on-body` of requests.
    pub request_body: BodyMode,
    /// `on-trailers` of requests.
    pub request_trailers: bool,
    /// `on-response-head`.
    pub response_head: bool,
    /// `on-body` of responses.
    pub response_body: BodyMode,
    /// `on-trailers` of responses.
    pub response_trailers: bool,
    /// Bodies with their Content-Encoding undone.
    pub decoded: bool,
    /// Bytes for `buffer` and `hold-for-body`, already capped by the filter's limit.
    pub max_buffer: u32,
}

impl Subscription {
    pub(crate) fn head(&self, direction: Direction) -> bool {
        match direction {
            Direction::Request => self.request_head,
            Direction::Response => self.response_head,
        }
    }

    pub(crate) fn body(&self, direction: Direction) -> BodyMode {
        match direction {
            Direction::Request => self.request_body,
            Direction::Response => self.response_body,
        }
    }

    pub(crate) fn trailers(&self, direction: Direction) -> bool {
        match direction {
            Direction::Request => self.request_trailers,
            Direction::Response => self.response_trailers,
        }
    }
}
