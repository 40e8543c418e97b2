//! What a client is told whose request a filter refuses.

use serde::Serialize;

use crate::{LocalResponse, Request};

/// A refusal as a problem document (RFC 9457), with the members that the agent's own errors have.
///
/// ```
/// use weir_sdk::{Action, Refusal, Request};
///
/// fn request_head(request: &mut Request) -> Action {
///     let refusal = Refusal {
///         filter: "quota",
///         status: 413,
///         kind: "too-large",
///         title: "The body is too large",
///         detail: "At most 1,000 bytes.",
///         rule: None,
///     };
///     refusal.response(request).into()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The filter's name.
    pub filter: &'a str,
    /// 200 to 599. With 204 and 304 there is no document (RFC 9110 section 6.4.1).
    pub status: u16,
    /// The kind of the problem: `urn:weir:problem:KIND`.
    pub kind: &'a str,
    /// What the kind means, in a few words, always the same.
    pub title: &'a str,
    /// What happened here. No secrets, and nothing of the client's that it could be fooled with.
    pub detail: &'a str,
    /// The rule that it came to, as a pointer into the filter's configuration.
    pub rule: Option<&'a str>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    blame: &'static str,
    filter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    exchange: String,
}

impl Refusal<'_> {
    /// The answer to this request. No cache keeps it.
    pub fn response(&self, request: &Request) -> LocalResponse {
        let response = LocalResponse::new(self.status).header("cache-control", "no-store");
        if matches!(self.status, 204 | 304) {
            return response;
        }
        let document = Document {
            kind: format!("urn:weir:problem:{}", self.kind),
            title: self.title,
            status: self.status,
            detail: self.detail,
            blame: "filter",
            filter: self.filter,
            rule: self.rule,
            exchange: request.id(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        response.header("content-type", "application/problem+json").body(body)
    }
}
