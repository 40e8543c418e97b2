//! What a filter wants to see.

/// How much of a body a filter takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum BodyMode {
    /// The body never enters the filter.
    #[default]
    None,
    /// Chunks are shown. Answers other than pass, respond and abort fail the exchange by policy.
    Observe,
    /// Chunks may be replaced or dropped as they pass.
    Transform,
    /// One call with the whole body, up to [`Subscription::max_buffer`]; a longer one fails the exchange by policy.
    Buffer,
}

/// What a filter wants to see. The agent skips every call that is not asked for, so ask for little: a body that nobody
/// asked for is never copied into a guest.
///
/// ```
/// use weir_sdk::{BodyMode, Subscription};
/// let subscription = Subscription::new().request_head().response_body(BodyMode::Transform).decoded();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Subscription {
    pub(crate) request_head: bool,
    pub(crate) request_body: BodyMode,
    pub(crate) request_trailers: bool,
    pub(crate) response_head: bool,
    pub(crate) response_body: BodyMode,
    pub(crate) response_trailers: bool,
    pub(crate) decoded: bool,
    pub(crate) max_buffer: u32,
}

impl Subscription {
    /// Asks for nothing; `max_buffer` is 1 MiB.
    pub const fn new() -> Self {
        Self {
            request_head: false,
            request_body: BodyMode::None,
            request_trailers: false,
            response_head: false,
            response_body: BodyMode::None,
            response_trailers: false,
            decoded: false,
            max_buffer: 1 << 20,
        }
    }

    /// Asks for [`Filter::request_head`](crate::Filter::request_head).
    pub const fn request_head(mut self) -> Self {
        self.request_head = true;
        self
    }

    /// Asks for [`Filter::request_body`](crate::Filter::request_body).
    pub const fn request_body(mut self, mode: BodyMode) -> Self {
        self.request_body = mode;
        self
    }

    /// Asks for [`Filter::request_trailers`](crate::Filter::request_trailers).
    pub const fn request_trailers(mut self) -> Self {
        self.request_trailers = true;
        self
    }

    /// Asks for [`Filter::response_head`](crate::Filter::response_head).
    pub const fn response_head(mut self) -> Self {
        self.response_head = true;
        self
    }

    /// Asks for [`Filter::response_body`](crate::Filter::response_body).
    pub const fn response_body(mut self, mode: BodyMode) -> Self {
        self.response_body = mode;
        self
    }

    /// Asks for [`Filter::response_trailers`](crate::Filter::response_trailers).
    pub const fn response_trailers(mut self) -> Self {
        self.response_trailers = true;
        self
    }

    /// Bodies arrive with Content-Encoding (gzip, deflate, br, zstd) undone, and travel on without it.
    pub const fn decoded(mut self) -> Self {
        self.decoded = true;
        self
    }

    /// Bound in bytes for [`BodyMode::Buffer`] and [`Action::HoldForBody`](crate::Action::HoldForBody). The agent's limit
    /// caps it.
    pub const fn max_buffer(mut self, bytes: u32) -> Self {
        self.max_buffer = bytes;
        self
    }
}

impl Default for Subscription {
    fn default() -> Self {
        Self::new()
    }
}
