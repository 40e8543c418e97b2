//! A response that a filter makes itself.

/// A response that a filter makes itself. The agent sets Content-Length.
///
/// ```
/// use weir_sdk::{Action, LocalResponse};
/// let action: Action = LocalResponse::text(403, "not here").header("cache-control", "no-store").into();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl LocalResponse {
    /// A response without fields and body. The status is 200 to 599; any other fails the exchange by policy.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A response of plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::new(status).header("content-type", "text/plain; charset=utf-8").body(body.into())
    }

    /// A response of JSON. A value that JSON cannot express (a map with keys that are no strings) leaves the body empty.
    pub fn json(status: u16, body: &impl serde::Serialize) -> Self {
        Self::new(status).header("content-type", "application/json").body(serde_json::to_vec(body).unwrap_or_default())
    }

    /// Adds a field line; the value is latin-1, as everywhere.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}
