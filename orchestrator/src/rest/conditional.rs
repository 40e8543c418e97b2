//! Things that can be asked for again at little cost, and changed without undoing what somebody else did (RFC 9110 section 13): an
//! answer about one thing carries its `ETag`, `If-None-Match` has it left out where the client has it, and `If-Match` lets a change
//! through only where the thing is still what the client saw.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use http_body::Body as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tower_service::Service as _;

use super::{problem::Problem, range::has};
use crate::orchestrator::Orchestrator;

/// Longer answers have no tag.
const LONGEST: usize = 48 << 20;
/// Bytes of a SHA-256 that are in a tag.
const TAG: usize = 16;

/// Routes of one thing.
pub(super) trait Tagged {
    /// With an `ETag`, and the conditions on it. Put on what a route does with all methods of the thing.
    fn tagged(self, orchestrator: &Arc<Orchestrator>) -> Self;
}

impl Tagged for MethodRouter<Arc<Orchestrator>, Infallible> {
    fn tagged(self, orchestrator: &Arc<Orchestrator>) -> Self {
        // From the look to the change, one at a time.
        let turn = Arc::new(Mutex::new(()));
        // A layer stands behind the choice of the method: to look, all methods are needed again.
        let thing: MethodRouter = self.clone().with_state(Arc::clone(orchestrator));
        self.route_layer(from_fn(move |request: Request, next: Next| {
            let (turn, thing) = (Arc::clone(&turn), thing.clone());
            async move {
                match *request.method() {
                    Method::GET | Method::HEAD => look(request, next).await,
                    _ if request.headers().contains_key(header::IF_MATCH) => {
                        let _turn = turn.lock().await;
                        change(request, next, thing).await
                    }
                    _ => next.run(request).await,
                }
            }
        }))
    }
}

async fn look(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let (response, tag) = tag(next.run(request).await).await;
    let Some((tag, known)) = tag.zip(known) else { return response };
    if !known.to_str().is_ok_and(|known| has(known, &tag)) {
        return response;
    }
    let headers = match response.headers().get(header::ETAG) {
        Some(tag) => HeaderMap::from_iter([(header::ETAG, tag.clone())]),
        None => HeaderMap::new(),
    };
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// Looks with the eyes of whoever asks: what a role does not see is no part of the tag.
async fn change(request: Request, next: Next, mut thing: MethodRouter) -> Response {
    let (parts, body) = request.into_parts();
    let mut look = Request::new(Body::empty());
    *look.uri_mut() = parts.uri.clone();
    *look.extensions_mut() = parts.extensions.clone();
    let Ok(response) = thing.call(look).await;
    let wanted = parts.headers.get(header::IF_MATCH).and_then(|wanted| wanted.to_str().ok()).unwrap_or_default();
    let status = response.status();
    let (_, tag) = tag(response).await;
    // Section 13.1.1: compared strongly.
    let holds = match tag {
        Some(tag) => wanted.split(',').map(str::trim).any(|one| one == "*" || one == tag),
        None => wanted.trim() == "*" && status.is_success(),
    };
    if !holds {
        return Problem::precondition_failed("this is not what `If-Match` says any more: ask for it again")
            .into_response();
    }
    next.run(Request::from_parts(parts, body)).await
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

/// Strong, in quotes.
pub(super) fn entity_tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits: String = digest.iter().take(TAG).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}
