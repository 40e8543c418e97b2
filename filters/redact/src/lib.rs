//! Replaces patterns in bodies as they stream. In: heads, to choose by content type, and chunks of the chosen bodies. Out:
//! the same bytes with every match replaced, wherever the borders between chunks fall. Holds back only what may still
//! become a match.
#![forbid(unsafe_code)]

mod config;
mod matcher;
mod stream;

use std::cell::RefCell;

use weir_sdk::{
    Action, BodyMode, Chunk, ChunkAction, Filter, Headers, HeadersMut, LocalResponse, Problems, Request, Response,
    Subscription, matching::MediaTypes,
};

use crate::{config::Config, matcher::Matcher, stream::Stream};

/// The filter.
#[derive(Debug)]
pub struct Redact {
    matcher: RefCell<Matcher>,
    content_types: MediaTypes,
    request: bool,
    response: bool,
    ranges: bool,
    pass_unreadable: bool,
}

/// The bodies of one exchange.
#[derive(Debug, Default)]
pub struct Bodies {
    request: Stream,
    response: Stream,
}

impl Filter for Redact {
    type Config = Config;
    type State = Bodies;

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if !config.request && !config.response {
            problems.push("", "with `request` and `response` both false there is nothing to redact");
        }
        let content_types = MediaTypes::new("/content_types", &config.content_types, &mut problems);
        match Matcher::new(&config, &mut problems) {
            Some(matcher) => problems.or(Self {
                matcher: RefCell::new(matcher),
                content_types,
                request: config.request,
                response: config.response,
                ranges: config.ranges,
                pass_unreadable: config.pass_unreadable,
            }),
            None => Err(problems),
        }
    }

    fn subscription(&self) -> Subscription {
        let mut subscription = Subscription::new().decoded();
        if self.request {
            subscription = subscription.request_head().request_body(BodyMode::Transform);
        }
        if self.response {
            subscription = subscription.request_head().response_head().response_body(BodyMode::Transform);
        }
        subscription
    }

    fn request_head(&self, request: &mut Request, _state: &mut Bodies) -> Action {
        if self.response {
            self.want_whole_responses(&mut request.headers_mut());
        }
        if self.request && request.has_body() {
            if self.content_types.may_contain(request.headers()) {
                if self.is_unreadable(request.headers()) {
                    return Action::Respond(refusal(
                        415,
                        "the request's body is coded in a way that cannot be redacted",
                    ));
                }
                drop_digests(&mut request.headers_mut());
            } else {
                let _ = request.set_body_mode(BodyMode::None);
            }
        }
        Action::Next
    }

    fn response_head(&self, response: &mut Response, state: &mut Bodies) -> Action {
        // another filter's answer may take the place of a response whose body was under way
        state.response = Stream::default();
        if response.has_body() {
            if self.content_types.may_contain(response.headers()) {
                if self.is_unreadable(response.headers()) {
                    return Action::Respond(refusal(
                        502,
                        "the response's body is coded in a way that cannot be redacted",
                    ));
                }
                drop_digests(&mut response.headers_mut());
            } else {
                let _ = response.set_body_mode(BodyMode::None);
            }
        }
        Action::Next
    }

    fn request_body(&self, _request: &mut Request, chunk: Chunk, state: &mut Bodies) -> ChunkAction {
        state.request.push(&mut self.matcher.borrow_mut(), chunk)
    }

    fn response_body(&self, _response: &mut Response, chunk: Chunk, state: &mut Bodies) -> ChunkAction {
        state.response.push(&mut self.matcher.borrow_mut(), chunk)
    }
}

weir_sdk::export!(Redact);

impl Redact {
    /// The agent cannot undo its coding, or it is a part of a whole that was asked for as a whole.
    fn is_unreadable(&self, headers: Headers<'_>) -> bool {
        if self.pass_unreadable {
            return false;
        }
        let lines = headers.get_all("content-encoding");
        let codings: Vec<&str> = lines.iter().flat_map(|line| line.split(',')).map(str::trim).collect();
        let is_known = |coding: &&str| coding.is_empty() || is_undone_by_the_agent(coding);
        let is_part = headers.contains("content-range");
        let is_coded = codings.iter().any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        codings.len() > 4 || !codings.iter().all(is_known) || is_part && (is_coded || !self.ranges)
    }

    /// What comes in halves, or in an encoding that the agent cannot undo, cannot be redacted: the upstream is not asked
    /// for it. A server may ignore Range (RFC 9110 section 14.2) and has to do with fewer codings (section 12.5.3).
    fn want_whole_responses(&self, headers: &mut HeadersMut<'_>) {
        if !self.ranges && headers.contains("range") {
            let _ = headers.remove("range");
            let _ = headers.remove("if-range");
        }
        let codings = headers.get_all("accept-encoding").join(",");
        let (known, unknown): (Vec<&str>, Vec<&str>) = codings
            .split(',')
            .map(str::trim)
            .filter(|coding| !coding.is_empty())
            .partition(|coding| is_undone_by_the_agent(coding));
        if !unknown.is_empty() {
            let known = if known.is_empty() { "identity".to_owned() } else { known.join(", ") };
            let _ = headers.set("accept-encoding", &known);
        }
    }
}

fn is_undone_by_the_agent(coding: &str) -> bool {
    let name = coding.split(';').next().unwrap_or(coding).trim();
    ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn refusal(status: u16, reason: &str) -> LocalResponse {
    LocalResponse::text(status, format!("redact: {reason}"))
}

/// They vouch for bytes that will be others (RFC 9530).
fn drop_digests(headers: &mut HeadersMut<'_>) {
    for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
        let _ = headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
