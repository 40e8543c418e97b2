//! Changes JSON bodies by JSON Patch (RFC 6902). In: heads, and whole bodies of the chosen exchanges. Out: the bodies
//! patched, and heads that say nothing of the old ones.
#![forbid(unsafe_code)]

mod config;
mod node;
mod patch;
mod pointer;
mod rules;

use weir_sdk::{
    Action, BodyMode, Chunk, ChunkAction, Filter, Headers, HeadersMut, Problems, Refusal, Request, Response,
    Subscription, matching::Facts, warn,
};

use crate::{
    config::{Config, Direction, OnFailure},
    rules::{Outcome, Rules},
};

/// The filter.
#[derive(Debug)]
pub struct JsonEdit {
    rules: Rules,
    on_failure: OnFailure,
    max_bytes: u32,
}

/// Rules that fit the exchange, by their places.
#[derive(Debug, Default)]
pub struct Chosen {
    request: Vec<usize>,
    response: Vec<usize>,
}

impl Filter for JsonEdit {
    type Config = Config;
    type State = Chosen;

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let (on_failure, max_bytes) = (config.on_failure, config.max_bytes);
        if !(1..=config::MOST_BYTES).contains(&max_bytes) {
            problems.push("/max_bytes", format!("1 to {}", config::MOST_BYTES));
        }
        let rules = Rules::new(&config, &mut problems);
        problems.or(Self { rules, on_failure, max_bytes })
    }

    fn subscription(&self) -> Subscription {
        let mut subscription = Subscription::new().request_head().decoded().max_buffer(self.max_bytes);
        if self.rules.edit(Direction::Request) {
            subscription = subscription.request_body(BodyMode::Buffer);
        }
        if self.rules.edit(Direction::Response) {
            subscription = subscription.response_head().response_body(BodyMode::Buffer);
        }
        subscription
    }

    fn request_head(&self, request: &mut Request, chosen: &mut Chosen) -> Action {
        let facts = Facts::of(request);
        chosen.request = self.rules.choose(Direction::Request, &facts);
        chosen.response = self.rules.choose(Direction::Response, &facts);
        if !chosen.response.is_empty() {
            want_whole_responses(&mut request.headers_mut());
        }
        if !self.rules.edit(Direction::Request) || !request.has_body() {
            return Action::Next;
        }
        if chosen.request.is_empty() || !self.rules.is_json(request.headers()) {
            chosen.request.clear();
            let _ = request.set_body_mode(BodyMode::None);
            return Action::Next;
        }
        match self.is_readable(request.headers()) {
            true => Action::HoldForBody,
            false if self.on_failure == OnFailure::Refuse => self.refuse(request, Direction::Request).into(),
            false => {
                chosen.request.clear();
                let _ = request.set_body_mode(BodyMode::None);
                Action::Next
            }
        }
    }

    fn request_body(&self, request: &mut Request, chunk: Chunk, chosen: &mut Chosen) -> ChunkAction {
        match self.rules.apply(&chosen.request, &chunk) {
            Outcome::Same => ChunkAction::Pass,
            Outcome::Changed(bytes) => {
                forget(&mut request.headers_mut());
                ChunkAction::Replace(bytes)
            }
            Outcome::Failed(fault) if self.on_failure == OnFailure::Refuse => {
                warn!("a request's body was not edited: {fault}");
                self.refuse(request, Direction::Request).into()
            }
            Outcome::Failed(_) => ChunkAction::Pass,
        }
    }

    fn response_head(&self, response: &mut Response, chosen: &mut Chosen) -> Action {
        if !response.has_body() {
            return Action::Next;
        }
        let is_meant = !chosen.response.is_empty() && self.rules.is_json(response.headers());
        if is_meant && self.is_readable(response.headers()) {
            return Action::HoldForBody;
        }
        if is_meant && self.on_failure == OnFailure::Refuse {
            return self.refuse(response.request(), Direction::Response).into();
        }
        let _ = response.set_body_mode(BodyMode::None);
        Action::Next
    }

    fn response_body(&self, response: &mut Response, chunk: Chunk, chosen: &mut Chosen) -> ChunkAction {
        match self.rules.apply(&chosen.response, &chunk) {
            Outcome::Same => ChunkAction::Pass,
            Outcome::Changed(bytes) => {
                forget(&mut response.headers_mut());
                ChunkAction::Replace(bytes)
            }
            Outcome::Failed(fault) if self.on_failure == OnFailure::Refuse => {
                warn!("a response's body was not edited: {fault}");
                self.refuse(response.request(), Direction::Response).into()
            }
            Outcome::Failed(_) => ChunkAction::Pass,
        }
    }
}

weir_sdk::export!(JsonEdit);

impl JsonEdit {
    /// The agent undoes these codings; any other is left, and so is a part of a whole.
    fn is_readable(&self, headers: Headers<'_>) -> bool {
        let lines = headers.get_all("content-encoding");
        let mut codings =
            lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|coding| !coding.is_empty());
        let known = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"];
        codings.all(|coding| known.iter().any(|known| coding.eq_ignore_ascii_case(known)))
            && !headers.contains("content-range")
    }

    fn refuse(&self, request: &Request, direction: Direction) -> weir_sdk::LocalResponse {
        let (status, detail) = match direction {
            Direction::Request => (422, "The request's body is no JSON that could be edited as it has to be."),
            Direction::Response => (502, "The response's body is no JSON that could be edited as it has to be."),
        };
        let refusal = Refusal {
            filter: "json-edit",
            status,
            kind: "not-edited",
            title: "The body could not be edited",
            detail,
            rule: None,
        };
        refusal.response(request)
    }
}

/// They vouch for bytes that are others now (RFC 9530, RFC 9110 section 8.8.3).
fn forget(headers: &mut HeadersMut<'_>) {
    for name in ["etag", "content-digest", "repr-digest", "digest", "content-md5", "accept-ranges"] {
        if let Err(fault) = headers.remove(name) {
            warn!("`{name}` was not removed: {fault}");
        }
    }
}

/// A part of a JSON text is none. A server may ignore Range (RFC 9110 section 14.2).
fn want_whole_responses(headers: &mut HeadersMut<'_>) {
    for name in ["range", "if-range"] {
        let _ = headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
