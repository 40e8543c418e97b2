//! Bounds what GraphQL requests may ask of a server. In: request heads and whole bodies. Out: the same, or an error in
//! GraphQL's form.
#![forbid(unsafe_code)]

mod config;
mod document;
mod limits;
mod query;
mod reject;

use weir_sdk::{
    Action, BodyMode, Chunk, ChunkAction, Filter, Headers, Problems, Request, Subscription,
    matching::{Facts, MediaTypes, Scope},
};

use crate::{config::Config, limits::Limits, query::Query, reject::Reject};

/// The filter.
#[derive(Debug)]
pub struct GraphqlGuard {
    scope: Scope,
    limits: Limits,
    json: MediaTypes,
    max_bytes: u32,
}

impl Filter for GraphqlGuard {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let scope = Scope::new("/match", &config.scope, &mut problems);
        if config.scope == Default::default() {
            problems.push("/match", "which requests are GraphQL's? Name the path, as in `{\"paths\": [\"/graphql\"]}`");
        }
        let types = ["application/json", "application/graphql+json"].map(str::to_owned);
        let json = MediaTypes::new("", &types, &mut problems);
        let max_bytes = config.max_bytes;
        if !(1..=1 << 20).contains(&max_bytes) {
            problems.push("/max_bytes", "1 to 1048576");
        }
        let limits = Limits::new(config, &mut problems);
        problems.or(Self { scope, limits, json, max_bytes })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head().request_body(BodyMode::Buffer).decoded().max_buffer(self.max_bytes)
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        let facts = Facts::of(request);
        if !self.scope.touches(&facts) {
            let _ = request.set_body_mode(BodyMode::None);
            return Action::Next;
        }
        match self.head(facts.method(), request) {
            Ok(action) => {
                if action == Action::Next {
                    let _ = request.set_body_mode(BodyMode::None);
                }
                action
            }
            Err(reject) => reject.response(request.headers()).into(),
        }
    }

    fn request_body(&self, request: &mut Request, chunk: Chunk, _state: &mut ()) -> ChunkAction {
        let checked = Query::list_of_json(&chunk, self.limits.batch)
            .and_then(|list| list.iter().try_for_each(|query| self.limits.check(query, false)));
        match checked {
            Ok(()) => ChunkAction::Pass,
            Err(reject) => reject.response(request.headers()).into(),
        }
    }
}

weir_sdk::export!(GraphqlGuard);

impl GraphqlGuard {
    /// GraphQL over HTTP knows GET with a query string and POST with JSON; servers know more, and a guard that does not read
    /// what they read guards nothing. So nothing else gets through.
    fn head(&self, method: &str, request: &Request) -> Result<Action, Reject> {
        let path = request.path();
        let has_body = request.has_body();
        match method {
            "OPTIONS" if !has_body => Ok(Action::Next),
            "GET" | "HEAD" if !has_body => {
                match Query::of_url(&path)? {
                    Some(query) => self.limits.check(&query, true)?,
                    // A page for people to try queries, or an error of the server's.
                    None if self.limits.has_allow_list() => return Err(Reject::NO_QUERY),
                    None => {}
                }
                Ok(Action::Next)
            }
            "POST" if has_body => {
                if Query::is_in_url(&path)? {
                    return Err(Reject::TWO_QUERIES);
                }
                if !self.is_readable(request.headers()) {
                    return Err(Reject::UNREADABLE);
                }
                Ok(Action::HoldForBody)
            }
            "POST" => Err(Reject::NO_QUERY),
            _ => Err(Reject::METHOD),
        }
    }

    fn is_readable(&self, headers: Headers<'_>) -> bool {
        let types = headers.get_all("content-type");
        let is_json = matches!(&types[..], [one] if one.contains('/') && self.json.contains(Some(one)));
        // Servers that heed another charset, or the second of two, would read another text.
        let is_utf8 = types.iter().all(|one| {
            let parameters = one.split_once(';').map_or("", |(_, parameters)| parameters.trim());
            ["", "charset=utf-8", "charset=\"utf-8\""].iter().any(|known| parameters.eq_ignore_ascii_case(known))
        });
        let lines = headers.get_all("content-encoding");
        let mut codings =
            lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|coding| !coding.is_empty());
        let known = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"];
        let is_decoded = codings.all(|coding| known.iter().any(|known| coding.eq_ignore_ascii_case(known)));
        is_json && is_utf8 && is_decoded
    }
}

#[cfg(test)]
mod tests;
