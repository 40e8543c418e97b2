//! What a blocked client is told.

use weir_sdk::{LocalResponse, Problems, Request, field};

use crate::config::Config;

/// The answer to a blocked request.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    /// Body and media type, where the configuration gives them.
    body: Option<(String, String)>,
}

impl Refusal {
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        let status = config.status.unwrap_or(403);
        if let Err(fault) = field::check_status(status) {
            problems.push("/status", fault);
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
        if let Some((body, content_type)) = &self.body
            // RFC 9110 section 15.3.5: these two have no body.
            && !matches!(self.status, 204 | 304)
        {
            let response = LocalResponse::new(self.status).header("cache-control", "no-store");
            return response.header("content-type", content_type).body(body.as_bytes());
        }
        let detail = format!("The filter `block` refuses this request by its rule {rule}.");
        let refusal = weir_sdk::Refusal {
            filter: "block",
            status: self.status,
            kind: "blocked",
            title: "Blocked by a filter",
            detail: &detail,
            rule: Some(rule),
        };
        refusal.response(request)
    }
}
