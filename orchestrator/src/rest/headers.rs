//! What every response says to browsers: it is data and never a page, nobody shows it within another, nothing of it is kept, and
//! under TLS the next request comes over TLS too.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};

use super::accept::OverTls;

/// On every response, whatever it is of.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// A year (RFC 6797).
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Is the next request to come over TLS too? Not of `localhost`, whose name every server on a machine shares, whatever its port.
pub(super) fn strict_transport(request: &Request) -> bool {
    let over_tls = request.extensions().get::<OverTls>().is_some_and(|over| over.0);
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    over_tls && name != "localhost" && !name.ends_with(".localhost")
}

/// Puts it all on.
pub(super) fn put(headers: &mut HeaderMap, strict: bool) {
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Recorded traffic, tokens, who did what: what may be kept, its handler says.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if strict {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
}
