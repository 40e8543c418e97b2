//! A head as its record has it: what a breakpoint may ask about.

use std::borrow::Cow;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, request, response};

use crate::redact::Rules;

/// Of a request.
pub fn seen_request(rules: &Rules, head: &request::Parts) -> request::Parts {
    let mut seen = Request::new(()).into_parts().0;
    (seen.method, seen.version) = (head.method.clone(), head.version);
    seen.uri = seen_uri(rules, &head.uri);
    seen.headers = seen_fields(rules, &head.headers);
    seen
}

/// The same of a response.
pub(super) fn seen_response(rules: &Rules, head: &response::Parts) -> response::Parts {
    let mut seen = Response::new(()).into_parts().0;
    (seen.status, seen.version) = (head.status, head.version);
    seen.headers = seen_fields(rules, &head.headers);
    seen
}

fn seen_uri(rules: &Rules, uri: &Uri) -> Uri {
    let Some(path) = uri.path_and_query() else { return uri.clone() };
    let Cow::Owned(path) = rules.path(path.as_str()) else { return uri.clone() };
    let mut parts = uri.clone().into_parts();
    // a pattern may leave what is no path
    parts.path_and_query = PathAndQuery::try_from(&path[..]).ok().or(Some(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}

fn seen_fields(rules: &Rules, headers: &HeaderMap) -> HeaderMap {
    let mut seen = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let value = match rules.field(name, value) {
            Cow::Borrowed(bytes) if bytes == value.as_bytes() => value.clone(),
            other => HeaderValue::from_bytes(&other).unwrap_or(HeaderValue::from_static("")),
        };
        seen.append(name, value);
    }
    seen
}
