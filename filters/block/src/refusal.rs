//! What a blocked client is told.

use serde::Serialize;
use weir_sdk::{LocalResponse, Problems, Request};

use crate::config::Config;

/// The answer to a blocked request.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    /// Body and media type, where the configuration gives them.
    body: Option<(String, String)>,
}

/// RFC 9457, with the members that the agent's own errors have.
#[derive(Serialize)]
struct ProblemDocument<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    blame: &'static str,
    filter: &'static str,
    rule: &'a str,
    exchange: String,
}

impl Refusal {
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        let status = config.status.unwrap_or(403);
        if !(200..=599).contains(&status) {
            problems.push("/status", format!("{status} is no final status: 200 to 599"));
        }
        if config.content_type.is_some() && config.body.is_none() {
            problems.push("/content_type", "there is no `body` that it could describe");
        }
        let content_type = config.content_type.as_deref().unwrap_or("text/plain; charset=utf-8");
        if !content_type.contains('/') || content_type.chars().any(|c| c.is_control() || !c.is_ascii()) {
            problems.push("/content_type", format!("`{}` is no media type", content_type.escape_debug()));
        }
        Self { status, body: config.body.clone().map(|body| (body, content_type.to_owned())) }
    }

    /// `rule` points into the configuration.
    pub(crate) fn respond(&self, rule: &str, request: &Request) -> LocalResponse {
        let response = LocalResponse::new(self.status).header("cache-control", "no-store");
        // RFC 9110 section 15.3.5: these two have no body.
        if matches!(self.status, 204 | 304) {
            return response;
        }
        if let Some((body, content_type)) = &self.body {
            return response.header("content-type", content_type).body(body.as_bytes());
        }
        let document = ProblemDocument {
            kind: "urn:weir:problem:blocked",
            title: "Blocked by a filter",
            status: self.status,
            detail: format!("The filter `block` refuses this request by its rule {rule}."),
            blame: "filter",
            filter: "block",
            rule,
            exchange: request.id(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        response.header("content-type", "application/problem+json").body(body)
    }
}
