//! Messages as cases write them <-> as a host takes and gives them.

use std::fmt::Display;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use weir_golden::{Case, Fields, Message, RequestLine, Status};
use weir_host::{Connection, Entry, Exchange, LocalResponse, UpstreamError};

/// A case that no host can be given: its author is to blame.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct CaseFault {
    what: &'static str,
    reason: String,
}

/// For `map_err`: what of a case is wrong.
pub(crate) fn fault<E: Display>(what: &'static str) -> impl Fn(E) -> CaseFault {
    move |reason| CaseFault { what, reason: reason.to_string() }
}

pub(crate) fn connection(case: &Case) -> Result<Connection, CaseFault> {
    let given = &case.connection;
    Ok(Connection {
        entry: match given.entry.as_str() {
            "connect" => Entry::Connect,
            "socks5" => Entry::Socks5,
            "transparent" => Entry::Transparent,
            "reverse" => Entry::Reverse,
            _ => Entry::Forward,
        },
        client_address: given.client_address.parse().map_err(fault("client-address"))?,
        user: given.user.clone(),
        tunnel_target: given.tunnel_target.clone(),
        server_name: given.server_name.clone(),
        intercepted: given.intercepted,
    })
}

pub(crate) fn request_parts(request: &Message<RequestLine>) -> Result<http::request::Parts, CaseFault> {
    let mut parts = Request::new(()).into_parts().0;
    let RequestLine { method, scheme, authority, path } = &request.start;
    parts.method = method.parse().map_err(fault("the request's method"))?;
    let uri = Uri::builder().scheme(scheme.as_str()).authority(authority.as_str()).path_and_query(path);
    parts.uri = uri.build().map_err(fault("the request's URL"))?;
    parts.headers = header_map(&request.fields)?;
    Ok(parts)
}

pub(crate) fn response_parts(response: &Message<Status>) -> Result<http::response::Parts, CaseFault> {
    let mut parts = Response::new(()).into_parts().0;
    parts.status = StatusCode::from_u16(response.start.0).map_err(fault("the upstream's status"))?;
    parts.headers = header_map(&response.fields)?;
    Ok(parts)
}

pub(crate) fn header_map(fields: &Fields) -> Result<HeaderMap, CaseFault> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
        let bytes = bytes.map_err(fault("a field's value"))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(fault("a field's name"))?;
        map.append(name, HeaderValue::from_bytes(&bytes).map_err(fault("a field's value"))?);
    }
    Ok(map)
}

pub(crate) fn fields(map: &HeaderMap) -> Fields {
    let latin1 = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    map.iter().map(|(name, value)| (name.as_str().to_owned(), latin1(value))).collect()
}

/// The request as it is now.
pub(crate) fn forwarded(exchange: &Exchange, body: Vec<Vec<u8>>) -> Message<RequestLine> {
    let uri = &exchange.request.uri;
    Message {
        start: RequestLine {
            method: exchange.request.method.to_string(),
            scheme: uri.scheme_str().unwrap_or_default().to_owned(),
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            path: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        },
        fields: filled(fields(&exchange.request.headers), exchange),
        body,
        trailers: exchange.request_trailers.as_ref().map(fields),
    }
}

/// As an agent puts secrets in, each by the name that a case knows it by.
fn filled(mut fields: Fields, exchange: &Exchange) -> Fields {
    for (_, value) in &mut fields {
        for placeholder in &exchange.placeholders {
            *value = value.replace(&placeholder.text, &weir_golden::shown_secret(placeholder.secret.as_str()));
        }
    }
    fields
}

pub(crate) fn local(response: &LocalResponse) -> Message<Status> {
    Message {
        start: Status(response.status.as_u16()),
        fields: fields(&response.headers),
        body: vec![response.body.to_vec()],
        trailers: None,
    }
}

pub(crate) fn upstream_error(name: &str) -> UpstreamError {
    match name {
        "refused" => UpstreamError::Refused,
        "reset" => UpstreamError::Reset,
        "timeout" => UpstreamError::Timeout,
        "dns" => UpstreamError::Dns,
        "protocol" => UpstreamError::Protocol,
        "too-large" => UpstreamError::TooLarge,
        tls => UpstreamError::Tls(tls.strip_prefix("tls ").unwrap_or(tls).to_owned()),
    }
}
