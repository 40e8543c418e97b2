//! Pages of other origins (the Fetch standard, section 3.2): those that an operator named may ask from a browser, with credentials;
//! of others a browser shows them nothing. As some requests of theirs are carried out all the same, with what a browser knows of a
//! user, changes and upgrades that say they come from elsewhere are refused here.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::problem::Problem;
use crate::orchestrator::Orchestrator;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What a request may carry beyond what every page may send.
const FIELDS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, if-range, last-event-id, range",
);
/// What of an answer a page may read beyond what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "content-disposition, content-range, etag, idempotency-replayed, location, ratelimit, ratelimit-policy, retry-after, \
     weir-body-redacted, weir-body-size, weir-body-truncated, weir-content-encoding",
);
/// Seconds for which a browser keeps the answer to a preflight.
const KEPT: HeaderValue = HeaderValue::from_static("600");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Before anything else of a request is looked at: a preflight carries no credential.
pub(super) async fn cors(State(orchestrator): State<Arc<Orchestrator>>, request: Request, next: Next) -> Response {
    let origins = &orchestrator.origins;
    let origin = request.headers().get(header::ORIGIN).cloned();
    let Some(origin) = origin else {
        let mut response = next.run(request).await;
        vary(response.headers_mut(), origins);
        return response;
    };
    let named = origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
    let wanted = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if *request.method() == Method::OPTIONS && wanted {
        preflight(named)
    } else if !named && acts(&request) && !is_own(&origin, &request) {
        let detail = "this comes from a page of another origin; cors_origins names those that may";
        Problem::foreign_origin(detail).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    vary(headers, origins);
    if named {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

fn preflight(named: bool) -> Response {
    if !named {
        return Problem::foreign_origin("pages of this origin may not ask; cors_origins names those that may")
            .into_response();
    }
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, FIELDS),
        (header::ACCESS_CONTROL_MAX_AGE, KEPT),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Does it more than look? A browser sends it before it asks who may see the answer.
fn acts(request: &Request) -> bool {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    !looks || request.headers().contains_key(header::UPGRADE)
}

/// Of a page that this server, or a proxy before it, gave out itself. The scheme is the proxy's matter.
fn is_own(origin: &HeaderValue, request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((host, origin), (Some(host), Some((_, origin))) if origin.eq_ignore_ascii_case(host))
}

fn vary(headers: &mut HeaderMap, origins: &[String]) {
    if !origins.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}
