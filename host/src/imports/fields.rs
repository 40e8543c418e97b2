//! Header and trailer fields, in place (RFC 9110 section 5). Values are latin-1 strings: one character per byte.
//!
//! `Host` is a view of the request's authority; framing, hop-by-hop and proxy credential fields are the agent's own.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::control;
use crate::{
    Changes, Direction, Exchange,
    bindings::weir::filter::http::{HeaderError, Part},
    state::State,
};

/// All lines of a part together, each counted as HTTP/2 does (RFC 9113 section 10.5.1 less the overhead).
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// Lines of a part. Far below what a map can hold even of names that were chosen to collide in it.
pub(crate) const HEAD_LINES: usize = 1000;

type Set = Result<(), HeaderError>;

/// How much some fields are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) lines: usize,
    /// Of names and values.
    pub(crate) bytes: usize,
}

impl Extent {
    pub(crate) fn of(fields: &HeaderMap) -> Self {
        Self { lines: fields.len(), bytes: size(fields) }
    }

    /// The larger of each.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { lines: self.lines.max(other.lines), bytes: self.bytes.max(other.bytes) }
    }

    /// What a guest was given it may hand on, however much; what it made is held to the bounds.
    pub(crate) fn may_follow(self, given: Self) -> bool {
        self.bytes <= HEAD_BYTES.max(given.bytes) && self.lines <= HEAD_LINES.max(given.lines)
    }
}

fn map(exchange: &Exchange, part: Part) -> Option<&HeaderMap> {
    match part {
        Part::Request => Some(&exchange.request.headers),
        Part::Response => exchange.response.as_ref().map(|head| &head.headers),
        Part::RequestTrailers => exchange.request_trailers.as_ref(),
        Part::ResponseTrailers => exchange.response_trailers.as_ref(),
    }
}

pub(super) fn first(exchange: &Exchange, part: Part, name: &str) -> Option<String> {
    if is_host(part, name) {
        return Some(control::authority(exchange).to_owned());
    }
    if is_hidden(name) {
        return None;
    }
    map(exchange, part)?.get(name).map(latin1)
}

pub(super) fn values(exchange: &Exchange, part: Part, name: &str) -> Vec<String> {
    if is_host(part, name) {
        return vec![control::authority(exchange).to_owned()];
    }
    match map(exchange, part) {
        Some(map) if !is_hidden(name) => map.get_all(name).iter().map(latin1).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn all(exchange: &Exchange, part: Part) -> Vec<(String, String)> {
    let Some(map) = map(exchange, part) else { return Vec::new() };
    let mut lines = Vec::with_capacity(map.len() + 1);
    if part == Part::Request {
        lines.push(("host".to_owned(), control::authority(exchange).to_owned()));
    }
    let seen = map.iter().filter(|(name, _)| !is_host(part, name.as_str()) && !is_hidden(name.as_str()));
    lines.extend(seen.map(|(name, value)| (name.as_str().to_owned(), latin1(value))));
    lines
}

/// Every line of a map, names in lower case.
pub(crate) fn lines(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), latin1(value))).collect()
}

/// A field line as a guest wrote it.
pub(super) fn parse(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    Ok((parse_name(name)?, parse_value(value)?))
}

pub(super) fn parse_name(name: &str) -> Result<HeaderName, HeaderError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::InvalidSyntax)
}

pub(crate) fn parse_value(value: &str) -> Result<HeaderValue, HeaderError> {
    let invalid = |_| HeaderError::InvalidSyntax;
    // Whitespace around a value is not part of it (RFC 9110 section 5.5): another reader would see another value.
    if value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']) {
        return Err(HeaderError::InvalidSyntax);
    }
    if value.is_ascii() {
        return HeaderValue::from_str(value).map_err(invalid);
    }
    let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
    HeaderValue::from_bytes(&bytes.ok_or(HeaderError::InvalidSyntax)?).map_err(|_| HeaderError::InvalidSyntax)
}

pub(super) fn set(
    state: &mut State,
    of: u32,
    part: Part,
    (name, value): (HeaderName, HeaderValue),
) -> wasmtime::Result<Set> {
    if part == Part::Request && name == http::header::HOST {
        return control::set_authority(state, of, latin1(&value));
    }
    edit(state, of, part, &name, value, true)
}

pub(super) fn append(
    state: &mut State,
    of: u32,
    part: Part,
    (name, value): (HeaderName, HeaderValue),
) -> wasmtime::Result<Set> {
    edit(state, of, part, &name, value, false)
}

pub(super) fn remove(state: &mut State, of: u32, part: Part, name: &HeaderName) -> wasmtime::Result<Set> {
    if let Err(error) = may_edit(state, of, part, name)? {
        return Ok(Err(error));
    }
    let present = map(state.exchange(of)?, part).is_some_and(|map| map.contains_key(name));
    let map = if present { map_mut(state, of, part)? } else { None };
    if let Some(map) = map {
        map.remove(name);
    }
    Ok(Ok(()))
}

fn edit(
    state: &mut State,
    of: u32,
    part: Part,
    name: &HeaderName,
    value: HeaderValue,
    replaces: bool,
) -> wasmtime::Result<Set> {
    if let Err(error) = may_edit(state, of, part, name)? {
        return Ok(Err(error));
    }
    let Some(present) = map(state.exchange(of)?, part) else { return Ok(Err(HeaderError::Absent)) };
    let replaced = if replaces { size_of_field(present, name) } else { 0 };
    let bytes = size(present) - replaced + name.as_str().len() + value.len();
    if bytes > HEAD_BYTES || present.len() >= HEAD_LINES {
        return Ok(Err(HeaderError::TooLarge));
    }
    let Some(map) = map_mut(state, of, part)? else { return Ok(Err(HeaderError::Absent)) };
    let made = if replaces { map.try_insert(name, value).map(drop) } else { map.try_append(name, value).map(drop) };
    Ok(made.map_err(|_| HeaderError::TooLarge))
}

fn may_edit(state: &State, of: u32, part: Part, name: &HeaderName) -> wasmtime::Result<Set> {
    let present = map(state.exchange(of)?, part).is_some();
    Ok(if !present {
        Err(HeaderError::Absent)
    } else if is_owned(name) || *name == http::header::HOST {
        Err(HeaderError::Forbidden)
    } else if state.frozen.has(part) {
        Err(HeaderError::Frozen)
    } else {
        Ok(())
    })
}

/// The fields, to be changed: keeps the head as it came, once.
fn map_mut(state: &mut State, of: u32, part: Part) -> wasmtime::Result<Option<&mut HeaderMap>> {
    Ok(match part {
        Part::Request => Some(&mut state.request_mut(of)?.headers),
        Part::Response => state.response_mut(of)?.map(|head| &mut head.headers),
        Part::RequestTrailers => {
            state.changed |= Changes::trailers(Direction::Request);
            state.exchange_mut(of)?.request_trailers.as_mut()
        }
        Part::ResponseTrailers => {
            state.changed |= Changes::trailers(Direction::Response);
            state.exchange_mut(of)?.response_trailers.as_mut()
        }
    })
}

fn size(map: &HeaderMap) -> usize {
    map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// All lines of one field.
fn size_of_field(map: &HeaderMap, name: &HeaderName) -> usize {
    map.get_all(name).iter().map(|value| name.as_str().len() + value.len()).sum()
}

fn is_host(part: Part, name: &str) -> bool {
    part == Part::Request && name.eq_ignore_ascii_case("host")
}

/// Credentials for the agent, not for filters.
fn is_hidden(name: &str) -> bool {
    name.eq_ignore_ascii_case("proxy-authorization")
}

/// Framing, hop-by-hop (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2) and proxy authentication fields.
pub(crate) fn is_owned(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "transfer-encoding"
            | "content-length"
            | "te"
            | "trailer"
            | "upgrade"
            | "http2-settings"
            | "proxy-authenticate"
            | "proxy-authorization"
    )
}

fn latin1(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_character_per_byte() {
        let value = parse_value("caf\u{e9} \u{ff}").unwrap();
        assert_eq!(value.as_bytes(), b"caf\xe9 \xff");
        assert_eq!(latin1(&value), "caf\u{e9} \u{ff}");
        assert_eq!(latin1(&HeaderValue::from_bytes("é".as_bytes()).unwrap()), "\u{c3}\u{a9}");
    }

    #[test]
    fn no_value_breaks_out_of_its_line() {
        for bad in ["a\r\nb: c", "a\n", "\0", " a", "a\t", "\u{100}", "\u{7f}"] {
            assert!(parse_value(bad).is_err(), "{bad:?}");
        }
        for bad in ["", ":authority", "a b", "a\r\n", "é", "a:"] {
            assert!(parse_name(bad).is_err(), "{bad:?}");
        }
    }
}
