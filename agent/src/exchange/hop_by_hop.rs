//! The fields that end at this hop (RFC 9110 section 7.6.1). Enters: a head as a peer sent it; leaves: the head that may
//! travel on, and what the removed fields had asked for. Pure; must not know filters or sockets.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, MAX_FORWARDS, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{Method, StatusCode, Version, request, response};

use crate::framing::{BadFraming, Framing};
use crate::upstream::join_cookies;

/// What a request asked of this hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// To go on in another protocol; `Upgrade` is still in the head then, and goes upstream.
    pub upgrade: bool,
    /// To be told to go on before the body is sent (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
}

/// A request that must not travel on. The client is to blame for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the request has {0}")]
    Framing(#[from] BadFraming),
    #[error("the request expects what no server here does (RFC 9110 section 10.1.1)")]
    Expectation,
    #[error("Max-Forwards is not a number (RFC 9110 section 7.6.2)")]
    MaxForwards,
    #[error("the request has passed this agent before: it would go round for ever (RFC 9110 section 7.6.3)")]
    Loop,
}

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
static PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

/// Removes what ends here from a request. `via` is this agent's own entry, by which a loop is known.
pub(super) fn strip_request(request: &mut request::Parts, via: &HeaderValue) -> Result<Asked, Unfit> {
    let version = request.version;
    let headers = &mut request.headers;
    if has_passed(headers, via) {
        return Err(Unfit::Loop);
    }
    let framing = Framing::of(headers)?.of_one_kind()?;
    one_content_length(headers, framing.length);
    let upgrade = asks_upgrade(version, headers);
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    let expect_continue = expectation(headers, version)?;
    remove_connection_fields(headers, upgrade);
    if upgrade {
        without_h2c(headers);
    }
    headers.remove(TE);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(&HTTP2_SETTINGS);
    if version == Version::HTTP_2 {
        join_cookies(headers);
    }
    Ok(Asked { upgrade, expect_continue })
}

/// Removes what ends here from a response. The error says that the upstream framed the body in a way nobody asked for.
pub(super) fn strip_response(response: &mut response::Parts) -> Result<(), BadFraming> {
    let headers = &mut response.headers;
    let framing = Framing::of(headers)?;
    // Chunked wins over Content-Length (RFC 9112 section 6.3), and what both arrive with must not go on with both.
    if framing.chunked || response.status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH);
    } else {
        one_content_length(headers, framing.length);
    }
    let upgrade = response.status == StatusCode::SWITCHING_PROTOCOLS;
    remove_connection_fields(headers, upgrade);
    headers.remove(TE);
    headers.remove(PROXY_AUTHENTICATE);
    headers.remove(&PROXY_AUTHENTICATION_INFO);
    Ok(())
}

/// What the next hop has to be told about this one connection: as `strip_request` left it, in the words of HTTP/1.1.
/// HTTP/2 leaves the field out.
pub(super) fn connection_options(headers: &mut HeaderMap, version: Version) {
    if version == Version::HTTP_2 {
        return;
    }
    match (headers.contains_key(UPGRADE), headers.contains_key(TE)) {
        (true, true) => headers.insert(CONNECTION, HeaderValue::from_static("upgrade, te")),
        (true, false) => headers.insert(CONNECTION, HeaderValue::from_static("upgrade")),
        (false, true) => headers.insert(CONNECTION, HeaderValue::from_static("te")),
        (false, false) => None,
    };
}

/// Adds this hop to the way that a message has come.
pub(super) fn add_via(headers: &mut HeaderMap, via: &HeaderValue, received: Version) {
    let via = match received {
        Version::HTTP_11 => via.clone(),
        other => with_protocol(via, if other == Version::HTTP_2 { "2" } else { "1.0" }),
    };
    headers.append(VIA, via);
}

/// Counts a TRACE or OPTIONS down. True when this agent is its last recipient (RFC 9110 section 7.6.2).
pub(super) fn is_final_recipient(request: &mut request::Parts) -> Result<bool, Unfit> {
    if request.method != Method::TRACE && request.method != Method::OPTIONS {
        return Ok(false);
    }
    let Some(value) = request.headers.get(MAX_FORWARDS) else { return Ok(false) };
    let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    // a number past u64 only says "very many"
    match digits.ok_or(Unfit::MaxForwards)?.parse::<u64>() {
        Ok(0) => return Ok(true),
        Ok(n) => request.headers.insert(MAX_FORWARDS, HeaderValue::from(n - 1)),
        Err(_) => None,
    };
    Ok(false)
}

/// The members of a list field, over all its lines. A value that is not text has none.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> + use<'h> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// `Upgrade` counts only where `Connection` names it. HTTP/2 by upgrade is gone (RFC 9113 section 3.1): hyper would not
/// speak it, so it is not offered on.
pub(crate) fn asks_upgrade(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11
        && headers.contains_key(UPGRADE)
        && tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && tokens(headers, &UPGRADE).any(|token| !is_h2c(token))
}

/// With or without a version (RFC 9110 section 7.8).
fn is_h2c(protocol: &str) -> bool {
    protocol.split('/').next().is_some_and(|name| name.trim_end().eq_ignore_ascii_case("h2c"))
}

/// What is left to be offered: an upstream that took HTTP/2 of the offers would be spoken to past the filters.
fn without_h2c(headers: &mut HeaderMap) {
    let is_text = headers.get_all(UPGRADE).iter().all(|value| value.to_str().is_ok());
    if is_text && !tokens(headers, &UPGRADE).any(is_h2c) {
        return;
    }
    let rest: Vec<&str> = tokens(headers, &UPGRADE).filter(|token| !is_h2c(token)).collect();
    match HeaderValue::from_str(&rest.join(", ")) {
        Ok(rest) => drop(headers.insert(UPGRADE, rest)),
        Err(_) => drop(headers.remove(UPGRADE)),
    }
}

fn expectation(headers: &HeaderMap, version: Version) -> Result<bool, Unfit> {
    let Some(value) = headers.get(EXPECT) else { return Ok(false) };
    if version == Version::HTTP_10 {
        return Ok(false);
    }
    let is_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    is_continue.then_some(true).ok_or(Unfit::Expectation)
}

fn remove_connection_fields(headers: &mut HeaderMap, upgrade: bool) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &CONNECTION).filter_map(named_by_connection).collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    headers.remove(&KEEP_ALIVE);
    headers.remove(&PROXY_CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    if !upgrade {
        headers.remove(UPGRADE);
    }
}

/// A field that a connection option names, unless it is an option only, is handled by itself, or says what the message
/// is: a sender that names `Host` or `Content-Length` means to make the next hop read another message.
fn named_by_connection(token: &str) -> Option<HeaderName> {
    const KEPT: [&str; 6] = ["close", "keep-alive", "upgrade", "te", "host", "content-length"];
    if KEPT.iter().any(|kept| token.eq_ignore_ascii_case(kept)) {
        return None;
    }
    HeaderName::from_bytes(token.as_bytes()).ok()
}

/// Equal lengths may repeat in what came (RFC 9112 section 6.3), not in what goes on.
fn one_content_length(headers: &mut HeaderMap, length: Option<u64>) {
    let Some(length) = length else { return };
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let is_list = values.next().is_some_and(|value| value.as_bytes().contains(&b','));
    if is_list || values.next().is_some() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Whether the pseudonym of `via` is in the way that the request has come.
fn has_passed(headers: &HeaderMap, via: &HeaderValue) -> bool {
    let Some(own) = received_by(via.to_str().unwrap_or_default()) else { return false };
    headers.contains_key(VIA) && tokens(headers, &VIA).any(|entry| received_by(entry) == Some(own))
}

/// `1.1 name (comment)` -> `name`
fn received_by(entry: &str) -> Option<&str> {
    entry.split_ascii_whitespace().nth(1)
}

fn with_protocol(via: &HeaderValue, protocol: &str) -> HeaderValue {
    let own = via.to_str().ok().and_then(received_by).unwrap_or("weir");
    HeaderValue::from_str(&format!("{protocol} {own}")).unwrap_or_else(|_| via.clone())
}

#[cfg(test)]
#[path = "hop_by_hop_tests.rs"]
mod tests;
