//! How requests beyond a rate are refused, and how everybody hears how they stand (draft-ietf-httpapi-ratelimit-headers-10).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::problem::Problem;
use crate::{access::Budget, orchestrator::Orchestrator};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// For what needs no credential.
pub(super) async fn open(
    State(orchestrator): State<Arc<Orchestrator>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let budget = orchestrator.rates.open(client.ip());
    if let Some(refusal) = refusal(budget) {
        return refusal;
    }
    let mut response = next.run(request).await;
    tell(response.headers_mut(), budget);
    response
}

/// The answer to a request too many.
pub(super) fn refusal(budget: Option<Budget>) -> Option<Response> {
    let mut response = too_many(budget)?.into_response();
    tell(response.headers_mut(), budget);
    Some(response)
}

/// The same, as a problem.
pub(crate) fn too_many(budget: Option<Budget>) -> Option<Problem> {
    let wait = budget?.wait_s?;
    Some(Problem::too_many("more requests than rate_limit allows: slow down", wait))
}

/// The answer to a sign-in too many.
pub(super) fn failed_sign_in(budget: Option<Budget>) -> Option<Problem> {
    let wait = budget?.wait_s?;
    Some(Problem::too_many("more sign-ins from this address failed than sign_in_limit allows", wait))
}

/// How somebody stands.
pub(crate) fn tell(headers: &mut HeaderMap, budget: Option<Budget>) {
    let Some(Budget { quota, window_s, remaining, wait_s }) = budget else { return };
    // Until there is a next one, else until the bucket is full.
    let missing = u64::from(quota - remaining.min(quota)) * u64::from(window_s);
    let reset = wait_s.unwrap_or_else(|| missing.div_ceil(u64::from(quota.max(1))));
    let fields = [
        (POLICY, format!("\"default\";q={quota};w={window_s}")),
        (LIMIT, format!("\"default\";r={remaining};t={reset}")),
    ];
    for (name, text) in fields {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    debug_assert!(wait_s.is_none() || headers.contains_key(header::RETRY_AFTER), "who is refused is told for how long");
}
