//! What a filter with streams wants to see.

/// What a filter wants to see. A hook that is not asked for is not called, and a body that is not asked for is passed on by the
/// agent alone.
///
/// ```
/// use weir_streaming::Subscription;
/// let subscription = Subscription::new().request_head().response().decoded();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Subscription {
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "the agent reads it"))]
    pub(crate) asked: Asked,
}

/// By hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "the agent reads it"))]
pub(crate) struct Asked {
    pub(crate) request_head: bool,
    pub(crate) request_body: bool,
    pub(crate) response_head: bool,
    pub(crate) response_body: bool,
    pub(crate) decoded: bool,
}

impl Subscription {
    /// Asks for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for [`StreamFilter::request`](crate::StreamFilter::request), with the body.
    pub fn request(mut self) -> Self {
        (self.asked.request_head, self.asked.request_body) = (true, true);
        self
    }

    /// Asks for [`StreamFilter::request`](crate::StreamFilter::request), without the body.
    pub fn request_head(mut self) -> Self {
        self.asked.request_head = true;
        self
    }

    /// Asks for [`StreamFilter::response`](crate::StreamFilter::response), with the body, and for
    /// [`StreamFilter::upstream_error`](crate::StreamFilter::upstream_error).
    pub fn response(mut self) -> Self {
        (self.asked.response_head, self.asked.response_body) = (true, true);
        self
    }

    /// As [`Self::response`], without the body.
    pub fn response_head(mut self) -> Self {
        self.asked.response_head = true;
        self
    }

    /// Bodies that are asked for arrive with Content-Encoding (gzip, deflate, br, zstd) undone, and travel on without it.
    pub fn decoded(mut self) -> Self {
        self.asked.decoded = true;
        self
    }
}
