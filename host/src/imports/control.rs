//! The part of a head that is not fields (RFC 9110 section 7.1, RFC 9113 section 8.3): method, target, status; and how
//! much of the body the filter takes part in.

use http::{
    Method, StatusCode, Uri, Version,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    BodyMode, Exchange,
    bindings::weir::filter::http::{
        BodyMode as GuestMode, ConnectionInfo, Direction, Entry as GuestEntry, HeaderError, HttpVersion, Part,
    },
    exchange::Entry,
    state::State,
};

/// Longest path with query, and longest authority: with the fields' bound no head outgrows what peers accept.
const TARGET_BYTES: usize = 16 << 10;

type Set = Result<(), HeaderError>;

pub(super) fn connection(exchange: &Exchange) -> ConnectionInfo {
    let connection = &*exchange.connection;
    ConnectionInfo {
        entry: match connection.entry {
            Entry::Forward => GuestEntry::Forward,
            Entry::Connect => GuestEntry::Connect,
            Entry::Socks5 => GuestEntry::Socks5,
            Entry::Transparent => GuestEntry::Transparent,
            Entry::Reverse => GuestEntry::Reverse,
        },
        client_address: connection.client_address.to_string(),
        user: connection.user.clone(),
        tunnel_target: connection.tunnel_target.clone(),
        server_name: connection.server_name.clone(),
        intercepted: connection.intercepted,
    }
}

pub(super) fn version(exchange: &Exchange, origin: Direction) -> HttpVersion {
    let version = match (origin, &exchange.response) {
        (Direction::Response, Some(response)) => response.version,
        _ => exchange.request.version,
    };
    match version {
        Version::HTTP_2 => HttpVersion::Http2,
        Version::HTTP_3 => HttpVersion::Http3,
        Version::HTTP_11 => HttpVersion::Http11,
        _ => HttpVersion::Http10,
    }
}

pub(super) fn scheme(exchange: &Exchange) -> String {
    exchange.request.uri.scheme_str().unwrap_or("http").to_owned()
}

/// Without user information: what a client put there by mistake is no business of a filter.
pub(super) fn authority(exchange: &Exchange) -> &str {
    let authority = exchange.request.uri.authority().map_or("", Authority::as_str);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

pub(super) fn path(exchange: &Exchange) -> String {
    exchange.request.uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned()
}

/// What the request head may not be changed to, or no more.
fn request_open(state: &State, of: u32) -> wasmtime::Result<Set> {
    state.exchange(of)?;
    Ok(if state.frozen.has(Part::Request) { Err(HeaderError::Frozen) } else { Ok(()) })
}

pub(super) fn set_method(state: &mut State, of: u32, value: String) -> wasmtime::Result<Set> {
    if let Err(error) = request_open(state, of)? {
        return Ok(Err(error));
    }
    let Ok(method) = Method::from_bytes(value.as_bytes()) else { return Ok(Err(HeaderError::InvalidSyntax)) };
    if method == Method::CONNECT || value.len() > 64 {
        return Ok(Err(HeaderError::Forbidden));
    }
    // asterisk-form is for OPTIONS alone (RFC 9112 section 3.2.4)
    if method != Method::OPTIONS && path(state.exchange(of)?) == "*" {
        return Ok(Err(HeaderError::InvalidSyntax));
    }
    state.request_mut(of)?.method = method;
    Ok(Ok(()))
}

pub(super) fn set_scheme(state: &mut State, of: u32, value: String) -> wasmtime::Result<Set> {
    if let Err(error) = request_open(state, of)? {
        return Ok(Err(error));
    }
    let scheme = match value.as_str() {
        "http" => Scheme::HTTP,
        "https" => Scheme::HTTPS,
        _ => return Ok(Err(HeaderError::InvalidSyntax)),
    };
    let request = state.request_mut(of)?;
    let mut uri = request.uri.clone().into_parts();
    uri.scheme = Some(scheme);
    request.uri = Uri::from_parts(uri).expect("an absolute URI stays one with another scheme");
    Ok(Ok(()))
}

pub(super) fn set_authority(state: &mut State, of: u32, value: String) -> wasmtime::Result<Set> {
    if let Err(error) = request_open(state, of)? {
        return Ok(Err(error));
    }
    let authority = match parse_authority(value) {
        Ok(authority) => authority,
        Err(error) => return Ok(Err(error)),
    };
    let request = state.request_mut(of)?;
    let mut uri = request.uri.clone().into_parts();
    if let Some(host) = request.headers.get_mut(HOST) {
        *host = http::HeaderValue::from_str(authority.as_str()).expect("an authority is visible ASCII");
    }
    uri.authority = Some(authority);
    request.uri = Uri::from_parts(uri).expect("an absolute URI stays one with another authority");
    Ok(Ok(()))
}

/// host[:port], RFC 3986 section 3.2 without user information.
pub(crate) fn parse_authority(value: String) -> Result<Authority, HeaderError> {
    if value.len() > TARGET_BYTES {
        return Err(HeaderError::TooLarge);
    }
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    let authority = plain.then(|| Authority::from_maybe_shared(value).ok()).flatten();
    let authority = authority.ok_or(HeaderError::InvalidSyntax)?;
    let after_host = &authority.as_str()[authority.host().len()..];
    let port_fits = after_host.is_empty() || authority.port_u16().is_some();
    if authority.host().is_empty() || !port_fits { Err(HeaderError::InvalidSyntax) } else { Ok(authority) }
}

pub(super) fn set_path(state: &mut State, of: u32, value: String) -> wasmtime::Result<Set> {
    if let Err(error) = request_open(state, of)? {
        return Ok(Err(error));
    }
    let path = match parse_path(value, &state.exchange(of)?.request.method) {
        Ok(path) => path,
        Err(error) => return Ok(Err(error)),
    };
    let request = state.request_mut(of)?;
    let mut uri = request.uri.clone().into_parts();
    uri.path_and_query = Some(path);
    request.uri = Uri::from_parts(uri).expect("an absolute URI stays one with another path");
    Ok(Ok(()))
}

/// Origin form (RFC 9112 section 3.2.1), or `*` for OPTIONS.
pub(crate) fn parse_path(value: String, method: &Method) -> Result<PathAndQuery, HeaderError> {
    if value.len() > TARGET_BYTES {
        return Err(HeaderError::TooLarge);
    }
    let form = value.starts_with('/') || value == "*" && *method == Method::OPTIONS;
    // A fragment never travels, and a space or control character would end the request line.
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !form || !plain {
        return Err(HeaderError::InvalidSyntax);
    }
    PathAndQuery::from_maybe_shared(value).map_err(|_| HeaderError::InvalidSyntax)
}

pub(super) fn set_status(state: &mut State, of: u32, value: u16) -> wasmtime::Result<Set> {
    if state.exchange(of)?.response.is_none() {
        return Ok(Err(HeaderError::Absent));
    }
    if state.frozen.has(Part::Response) {
        return Ok(Err(HeaderError::Frozen));
    }
    let status = match StatusCode::from_u16(value) {
        // these have no content (RFC 9110 sections 15.3.5 and 15.4.5), and there may be some on its way
        Ok(StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => return Ok(Err(HeaderError::Forbidden)),
        Ok(status) if (200..600).contains(&value) => status,
        _ => return Ok(Err(HeaderError::InvalidSyntax)),
    };
    if let Some(response) = state.response_mut(of)? {
        response.status = status;
    }
    Ok(Ok(()))
}

pub(super) fn set_body_mode(state: &mut State, of: u32, origin: Direction, mode: GuestMode) -> wasmtime::Result<Set> {
    state.exchange(of)?;
    let direction = origin.into();
    if state.hook.head() != Some(direction) {
        return Ok(Err(HeaderError::Frozen));
    }
    let (asked, mode) = (state.filter.subscription().body(direction), BodyMode::from(mode));
    let less = mode == asked || mode == BodyMode::None || mode == BodyMode::Observe && asked > mode;
    if !less {
        return Ok(Err(HeaderError::Forbidden));
    }
    state.narrowed = Some(mode);
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_ends_the_request_line_is_a_path() {
        let get = Method::GET;
        for bad in ["", "a", "*", "/a b", "/a\r\nHost: x", "/\u{0}", "/é", "/#f", "http://x/", "//\t"] {
            assert!(parse_path(bad.to_owned(), &get).is_err(), "{bad:?}");
        }
        for good in ["/", "/a?b=%20#"[..8].to_owned().as_str(), "//x", "/?", "/a/../b"] {
            assert_eq!(parse_path(good.to_owned(), &get).unwrap().as_str(), good);
        }
        assert!(parse_path("*".to_owned(), &Method::OPTIONS).is_ok());
    }

    #[test]
    fn an_authority_is_host_and_port() {
        for bad in ["", "u@h", "h:", "h:99999", "h:x", "a b", "h/p", ":80", "h\r\n", "é", "[::1"] {
            assert!(parse_authority(bad.to_owned()).is_err(), "{bad:?}");
        }
        for good in ["h", "h:80", "[::1]:443", "192.0.2.1", "a-b.example"] {
            assert_eq!(parse_authority(good.to_owned()).unwrap().as_str(), good);
        }
    }
}
