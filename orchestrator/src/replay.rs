//! A request that an agent is to send: of a recorded exchange, as it was or edited, or made up. Pure: what is known of the
//! exchange and what somebody wants enter, a command and the list of what was changed leave, or why not.

mod trailers;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method, Uri};
use prost::bytes::Bytes;
use uuid::Uuid;
use weir_proto::v1::{Body, Exchange, Field, Outcome, Replay, Request};

/// How a request differs from the recorded one. What is left out stays.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub(crate) struct RequestEdits {
    pub(crate) method: Option<String>,
    /// With scheme and host, or a path alone.
    pub(crate) url: Option<String>,
    /// In place of all fields of these names.
    pub(crate) set_headers: Vec<(String, String)>,
    pub(crate) remove_headers: Vec<String>,
    /// In place of all trailers of these names, of the body that goes.
    pub(crate) set_trailers: Vec<(String, String)>,
    pub(crate) remove_trailers: Vec<String>,
    pub(crate) body: Option<String>,
    pub(crate) body_base64: Option<String>,
}

/// A request that is not recorded.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub(crate) struct NewRequest {
    /// none: GET
    pub(crate) method: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) body_base64: Option<String>,
}

/// Why it cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Unfit {
    #[error("`{0}` is no method that can be sent")]
    Method(String),
    #[error("`{0}` is no URL with http or https and a host, nor a path")]
    Url(String),
    #[error("`{0}` is no name of a field")]
    Name(String),
    #[error("the value of `{0}` holds what no field may")]
    Value(String),
    #[error("give `body` or `body_base64`, not both")]
    TwoBodies,
    #[error("`body_base64` is not Base64")]
    Base64,
    #[error("it changed to another protocol, such as WebSocket: what was said there cannot be sent again")]
    Upgraded,
    #[error("it asks for another protocol, such as WebSocket: that cannot be sent like this")]
    Upgrade,
    #[error(
        "of its body of {size} bytes only {captured} were recorded: give a body, or have the agent record more (capture.body_bytes)"
    )]
    Truncated { size: u64, captured: usize },
    #[error("the value of `{0}` is hidden in what is recorded: set the field, or remove it")]
    Hidden(String),
    #[error("a value in its URL is hidden in what is recorded: give the URL")]
    HiddenUrl,
    #[error("a value in its body is hidden in what is recorded: give a body")]
    HiddenBody,
    #[error(
        "the value of its trailer `{0}` is hidden in what is recorded: set the trailer, remove it, or give a body, which goes without it"
    )]
    HiddenTrailer(String),
    #[error("`{0}` cannot be a trailer: it has to come before the body")]
    Trailer(String),
    #[error("it has no request")]
    NoRequest,
}

/// What goes, and how it differs from what was recorded.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) replay: Replay,
    pub(crate) changes: Vec<String>,
}

/// The exchange as it was, but for the edits.
pub(crate) fn again(exchange: Exchange, edits: &RequestEdits) -> Result<Wanted, Unfit> {
    if exchange.outcome() == Outcome::Upgraded {
        return Err(Unfit::Upgraded);
    }
    let connection = exchange.connection.unwrap_or_default();
    let mut request = exchange.request.ok_or(Unfit::NoRequest)?;
    let mut changes = Vec::new();
    let is_tunnel = connection.entry == "connect" && !connection.tunnel_target.is_empty();
    let (mut entry, mut target, mut server_name) = (connection.entry, String::new(), connection.server_name);
    if is_tunnel {
        target = connection.tunnel_target;
    } else {
        (entry, server_name) = ("forward".to_owned(), String::new());
    }
    if let Some(text) = &edits.method {
        request.method = method(text)?;
        changes.push(format!("method {}", request.method));
    }
    if let Some(text) = &edits.url {
        let (scheme, authority, path) = url(text, &request)?;
        if (&scheme, &authority) != (&request.scheme, &request.authority) {
            (entry, target, server_name) = ("forward".to_owned(), String::new(), String::new());
        }
        (request.scheme, request.authority, request.path) = (scheme, authority, path);
        changes.push(format!("url {}://{}{}", request.scheme, request.authority, request.path));
    }
    for text in &edits.remove_headers {
        let name = name(text)?;
        request.headers.retain(|field| !field.name.eq_ignore_ascii_case(name.as_str()));
        changes.push(format!("removed {name}"));
    }
    let mut set = fields(&edits.set_headers)?;
    changes.extend(set.iter().map(|field| format!("set {}", field.name)));
    let host = said_host(&mut set);
    request.headers.retain(|field| !set.iter().any(|new| new.name.eq_ignore_ascii_case(&field.name)));
    let other_body = body(edits.body.as_deref(), edits.body_base64.as_deref())?;
    let is_other_body = other_body.is_some();
    if let Some(body) = other_body {
        changes.push(format!("body of {} bytes", body.len()));
        request.body = Some(Body { size: body.len() as u64, data: body, ..Body::default() });
        // What came was packed, perhaps; what goes is as it is.
        let packed = |field: &Field| field.name.eq_ignore_ascii_case("content-encoding");
        request.headers.retain(|field| !packed(field));
        request.trailers.clear();
    }
    let recorded: Vec<String> = names(&request.trailers);
    trailers::edit(&mut request, &edits.set_trailers, &edits.remove_trailers, &mut changes)?;
    if is_other_body || names(&request.trailers) != recorded {
        // The agent says which there are.
        request.headers.retain(|field| !field.name.eq_ignore_ascii_case("trailer"));
    }
    request.headers.extend(set);
    let wanted = Replay {
        exchange_id: Bytes::new(),
        replay_of: exchange.id,
        by: String::new(),
        request: Some(request),
        entry,
        target,
        server_name,
    };
    Ok(Wanted { replay: ready(wanted, host)?, changes })
}

/// A request of its own.
pub(crate) fn made(made: &NewRequest) -> Result<Wanted, Unfit> {
    let text = made.url.as_deref().unwrap_or_default();
    let (scheme, authority, path) = url(text, &Request::default())?;
    let mut headers = fields(&made.headers)?;
    let host = said_host(&mut headers);
    let body = body(made.body.as_deref(), made.body_base64.as_deref())?.unwrap_or_default();
    let request = Request {
        method: method(made.method.as_deref().unwrap_or("GET"))?,
        scheme,
        authority,
        path,
        version: "HTTP/1.1".to_owned(),
        headers,
        body: Some(Body { size: body.len() as u64, data: body, ..Body::default() }),
        trailers: trailers::given(&made.trailers)?,
    };
    let changes = vec![format!("{} {}://{}{}", request.method, request.scheme, request.authority, request.path)];
    let replay = Replay { request: Some(request), entry: "forward".to_owned(), ..Replay::default() };
    Ok(Wanted { replay: ready(replay, host)?, changes })
}

/// What can be sent: whole, and with nothing that stands for what is hidden. A `Host` of its own is said and not followed.
fn ready(mut replay: Replay, host: Option<Field>) -> Result<Replay, Unfit> {
    let Some(request) = &mut replay.request else { return Err(Unfit::NoRequest) };
    let body = request.body.clone().unwrap_or_default();
    if body.redacted {
        return Err(Unfit::HiddenBody);
    }
    if body.size > body.data.len() as u64 {
        return Err(Unfit::Truncated { size: body.size, captured: body.data.len() });
    }
    if let Some(field) = request.headers.iter().find(|field| is_hidden(&field.value)) {
        return Err(Unfit::Hidden(field.name.clone()));
    }
    if let Some(trailer) = request.trailers.iter().find(|field| is_hidden(&field.value)) {
        return Err(Unfit::HiddenTrailer(trailer.name.clone()));
    }
    trailers::fit(request);
    if is_hidden(request.path.as_bytes()) {
        return Err(Unfit::HiddenUrl);
    }
    let has = |name: &str| request.headers.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    let asks = |field: &Field| {
        let value = String::from_utf8_lossy(&field.value).to_ascii_lowercase();
        field.name.eq_ignore_ascii_case("connection") && value.split(',').any(|word| word.trim() == "upgrade")
    };
    if has("upgrade") && request.headers.iter().any(asks) {
        return Err(Unfit::Upgrade);
    }
    if let Some(host) = host {
        let said = String::from_utf8_lossy(&host.value).into_owned();
        if replay.target.is_empty() {
            let port = if request.scheme == "https" { 443 } else { 80 };
            let uri: Uri = request.authority.parse().map_err(|_| Unfit::Url(request.authority.clone()))?;
            replay.target = match uri.port_u16() {
                Some(_) => request.authority.clone(),
                None => format!("{}:{port}", request.authority),
            };
        }
        let parsed: Result<http::uri::Authority, _> = said.parse();
        request.authority = parsed.map_err(|_| Unfit::Value("Host".to_owned()))?.to_string();
    }
    Ok(replay)
}

/// Something in it stands for a value: for one that an archive does not tell, or that an agent's rules of redaction took out.
fn is_hidden(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    [weir_har::HIDDEN, weir_har::REDACTED, weir_har::REDACTED_IN_URLS].iter().any(|mark| text.contains(mark))
}

/// A `Host` that is set.
fn said_host(fields: &mut Vec<Field>) -> Option<Field> {
    let place = fields.iter().position(|field| field.name == "host")?;
    let host = fields.swap_remove(place);
    fields.retain(|field| field.name != "host");
    Some(host)
}

fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.name.to_ascii_lowercase()).collect()
}

fn method(text: &str) -> Result<String, Unfit> {
    let method = Method::from_bytes(text.as_bytes()).ok().filter(|method| *method != Method::CONNECT);
    method.map(|method| method.to_string()).ok_or_else(|| Unfit::Method(text.to_owned()))
}

/// Scheme, authority and path; a path alone is of where the request went.
fn url(text: &str, request: &Request) -> Result<(String, String, String), Unfit> {
    let fault = || Unfit::Url(text.to_owned());
    let bare = text.split('#').next().unwrap_or_default();
    let uri: Uri = bare.parse().map_err(|_| fault())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) if !authority.as_str().contains('@') => {
            Ok((scheme.to_owned(), authority.to_string(), path))
        }
        (None, None) if bare.starts_with('/') && !request.authority.is_empty() => {
            Ok((request.scheme.clone(), request.authority.clone(), path))
        }
        _ => Err(fault()),
    }
}

fn name(text: &str) -> Result<HeaderName, Unfit> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| Unfit::Name(text.to_owned()))
}

fn fields(given: &[(String, String)]) -> Result<Vec<Field>, Unfit> {
    let field = |(text, value): &(String, String)| {
        let name = name(text)?;
        // Shown as one character for each byte, and taken back so; what is beyond is UTF-8.
        let bytes = value.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>();
        let bytes = bytes.unwrap_or_else(|| value.clone().into_bytes());
        HeaderValue::from_bytes(&bytes).map_err(|_| Unfit::Value(name.to_string()))?;
        Ok(Field { name: name.to_string(), value: bytes.into() })
    };
    given.iter().map(field).collect()
}

fn body(text: Option<&str>, base64: Option<&str>) -> Result<Option<Bytes>, Unfit> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(Unfit::TwoBodies),
        (Some(text), None) => Ok(Some(Bytes::copy_from_slice(text.as_bytes()))),
        (None, Some(base64)) => STANDARD.decode(base64).map(|bytes| Some(bytes.into())).map_err(|_| Unfit::Base64),
        (None, None) => Ok(None),
    }
}

impl Wanted {
    /// For one exchange: what it is called, and who wants it.
    pub(crate) fn command(&self, id: Uuid, by: &str) -> Replay {
        Replay { exchange_id: id.into_bytes().to_vec().into(), by: by.to_owned(), ..self.replay.clone() }
    }
}

#[cfg(test)]
mod tests;
