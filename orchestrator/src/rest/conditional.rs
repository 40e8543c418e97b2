//! Things that can be asked for again at little cost, and changed without undoing what somebody else did (RFC 9110 section 13): an
//! answer about one thing carries its `ETag`, `If-None-Match` has it left out where the client has it, and `If-Match` lets a change
//! through only where the thing is still what the client saw. Whether it is, the store asks in the transaction of the change.

use std::convert::Infallible;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, MatchedPath, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use http_body::Body as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{problem::Problem, range::has};

/// Longer answers have no tag.
const LONGEST: usize = 48 << 20;
/// Bytes of a SHA-256 that are in a tag.
const TAG: usize = 16;

/// Changes that ask `If-Match` of the store, by method and template of the address.
pub(super) const CHANGES: [(Method, &str); 3] = [
    (Method::DELETE, "/api/v1/exchanges/{id}"),
    (Method::PATCH, "/api/v1/exchanges/{id}"),
    (Method::PUT, "/api/v1/retention"),
];

/// Routes of one thing.
pub(super) trait Tagged {
    /// What looks at it has an `ETag`, and is spared who has it.
    fn tagged(self) -> Self;
}

impl<S: Clone + Send + Sync + 'static> Tagged for MethodRouter<S, Infallible> {
    fn tagged(self) -> Self {
        self.route_layer(from_fn(async |request: Request, next: Next| match *request.method() {
            Method::GET | Method::HEAD => look(request, next).await,
            _ => next.run(request).await,
        }))
    }
}

/// What `If-Match` says (section 13.1.1): what a thing has to be for a change of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Whatever it is; there need not be one.
    Unsaid,
    /// There has to be one.
    Any,
    /// One that has one of these tags.
    Tags(Vec<String>),
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl IfMatch {
    fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::IF_MATCH) {
            return Self::Unsaid;
        }
        let lines = headers.get_all(header::IF_MATCH).iter().filter_map(|line| line.to_str().ok());
        let tags: Vec<String> = lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect();
        if tags == ["*"] { Self::Any } else { Self::Tags(tags) }
    }

    /// Does a thing with this tag fit? Compared strongly: a weak tag is never one of ours.
    pub(super) fn holds(&self, tag: impl FnOnce() -> String) -> bool {
        match self {
            Self::Unsaid | Self::Any => true,
            Self::Tags(tags) => tags.contains(&tag()),
        }
    }

    /// The answer where there is nothing: whoever said something of it is told that it does not hold.
    pub(super) fn absent(&self, problem: Problem) -> Problem {
        if *self == Self::Unsaid { problem } else { failed() }
    }
}

/// A change that is not what its client saw.
pub(super) fn failed() -> Problem {
    Problem::precondition_failed("this is not what `If-Match` says any more: ask for it again")
}

/// Refuses a change whose `If-Match` nobody would look at: its client counts on that.
pub(super) fn unheeded(request: &Request) -> Option<Problem> {
    let IfMatch::Tags(_) = IfMatch::of(request.headers()) else { return None };
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let is_asked = CHANGES.iter().any(|(method, template)| method == request.method() && *template == path);
    (!is_asked).then(|| Problem::precondition_failed("nothing here has an `ETag`: leave `If-Match` out"))
}

async fn look(request: Request, next: Next) -> Response {
    let known: Vec<HeaderValue> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let (response, tag) = tag(next.run(request).await).await;
    let has_it = |tag: &String| known.iter().filter_map(|line| line.to_str().ok()).any(|line| has(line, tag));
    if !tag.as_ref().is_some_and(has_it) {
        return response;
    }
    let headers = match response.headers().get(header::ETAG) {
        Some(tag) => HeaderMap::from_iter([(header::ETAG, tag.clone())]),
        None => HeaderMap::new(),
    };
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// The answer with its tag, where it has one: of its bytes, so that orchestrators on one database agree.
async fn tag(response: Response) -> (Response, Option<String>) {
    let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
    if response.status() != StatusCode::OK || length.is_none_or(|length| length > LONGEST) {
        return (response, None);
    }
    if let Some(tag) = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()) {
        let tag = tag.to_owned();
        return (response, Some(tag));
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LONGEST).await else { return (Problem::unavailable().into_response(), None) };
    let tag = entity_tag(&bytes);
    if let Ok(value) = HeaderValue::try_from(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    (Response::from_parts(parts, Body::from(bytes)), Some(tag))
}

/// The tag of an answer in JSON, as `axum::Json` writes it.
pub(super) fn tag_of(answer: &impl Serialize) -> String {
    // What is answered with can be written.
    entity_tag(&serde_json::to_vec(answer).unwrap_or_default())
}

/// Strong, in quotes.
pub(super) fn entity_tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits: String = digest.iter().take(TAG).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_over_several_lines_is_one() {
        let of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::IF_MATCH, HeaderValue::from_str(line).unwrap());
            }
            IfMatch::of(&headers)
        };
        let holds = |lines: &[&str], tag: &str| of(lines).holds(|| tag.to_owned());
        assert_eq!((of(&[]), of(&["*"])), (IfMatch::Unsaid, IfMatch::Any));
        assert!(holds(&["\"a\"", "\"b\", \"c\""], "\"c\""));
        for other in [&["W/\"a\""][..], &[""], &["\"b\""], &["a"], &["\"b\", *"]] {
            assert!(!holds(other, "\"a\""), "{other:?}");
        }
    }
}
