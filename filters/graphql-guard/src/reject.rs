//! Errors in GraphQL's form (GraphQL over HTTP, section 6.4).

use serde_json::json;
use weir_sdk::{Headers, LocalResponse};

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reject {
    status: u16,
    code: &'static str,
    message: String,
}

impl Reject {
    pub(crate) const NO_QUERY: Self = Self::plain(400, "NO_QUERY");
    pub(crate) const TWO_QUERIES: Self = Self::plain(400, "TWO_QUERIES");
    pub(crate) const UNREADABLE: Self = Self::plain(415, "UNREADABLE");
    pub(crate) const METHOD: Self = Self::plain(405, "METHOD");
    pub(crate) const MUTATION_BY_GET: Self = Self::plain(405, "MUTATION_BY_GET");
    pub(crate) const INTROSPECTION: Self = Self::plain(400, "INTROSPECTION");
    pub(crate) const NOT_ALLOWED: Self = Self::plain(403, "NOT_ALLOWED");

    const fn plain(status: u16, code: &'static str) -> Self {
        Self { status, code, message: String::new() }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self { status: 400, code: "MALFORMED", message: message.into() }
    }

    /// A bound is passed. The server's own limits are no secret: clients have to keep them.
    pub(crate) fn too_much(code: &'static str, what: &str, seen: u64, most: u64) -> Self {
        Self { status: 400, code, message: format!("{seen} {what}: {most} at most.") }
    }

    pub(crate) fn response(&self, headers: Headers<'_>) -> LocalResponse {
        let message = if self.message.is_empty() { explain(self.code) } else { &self.message };
        let extensions = json!({"code": self.code, "filter": "graphql-guard"});
        let body = json!({"errors": [{"message": message, "extensions": extensions}]}).to_string();
        let accepts = headers.get_all("accept");
        let is_new = accepts.iter().any(|line| line.to_ascii_lowercase().contains("application/graphql-response+json"));
        let content_type = if is_new { "application/graphql-response+json" } else { "application/json" };
        let response = LocalResponse::new(self.status).header("cache-control", "no-store");
        let response = match self.status {
            405 => response.header("allow", if self.code == "METHOD" { "GET, HEAD, POST, OPTIONS" } else { "POST" }),
            _ => response,
        };
        response.header("content-type", content_type).body(body)
    }
}

fn explain(code: &str) -> &'static str {
    match code {
        "NO_QUERY" => "There is no query.",
        "TWO_QUERIES" => "There is a query in the URL and in the body.",
        "UNREADABLE" => "Queries come as JSON in UTF-8.",
        "METHOD" => "Queries come by GET or POST.",
        "MUTATION_BY_GET" => "By GET, only queries: mutations and subscriptions come by POST.",
        "INTROSPECTION" => "The schema cannot be asked for.",
        _ => "This operation is not among those that are allowed.",
    }
}
