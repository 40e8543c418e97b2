//! Calls to servers that the publication names.

use std::fmt;

use weir_sdk::{CallError, CallRequest, CallResponse, Request, UpstreamError, streaming as sdk};

use crate::agent;

/// A server that the publication names, asked on behalf of one exchange. The publication has to grant `callout`.
///
/// ```
/// use weir_sdk::{CallRequest, LocalResponse, Request};
/// use weir_streaming::{Action, Upstream};
///
/// async fn ask(request: &Request) -> Action {
///     match Upstream::new(request, "oracle").send(&CallRequest::get("/may-i")).await {
///         Ok(answer) if answer.status == 200 => Action::Next,
///         _ => LocalResponse::text(403, "the oracle says no\n").into(),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Upstream {
    of: u32,
    name: String,
}

impl Upstream {
    /// The server of this name. It may be moved into a body that is written: calls end with their exchange, not with a hook.
    pub fn new(request: &Request, name: impl Into<String>) -> Self {
        Self { of: sdk::number(request), name: name.into() }
    }

    /// Sends a request and waits for the whole response; other tasks of the filter go on meanwhile. 16 may wait at once.
    ///
    /// # Errors
    /// It was not sent, or no whole response came.
    pub async fn send(&self, request: &CallRequest) -> Result<CallResponse, FetchError> {
        agent::send(self.of, &self.name, request).await
    }
}

/// Why there is no response to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// It was not sent.
    NotSent(CallError),
    /// No whole response came.
    Failed(UpstreamError),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => error.fmt(f),
            Self::Failed(error) => write!(f, "no response: {error:?}"),
        }
    }
}

impl std::error::Error for FetchError {}
