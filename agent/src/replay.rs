//! A request that no client sent: an orchestrator has the agent send it, again or for the first time. Enters: the request,
//! and how the one came that it repeats; leaves: what leaves of a client's request, an exchange in the record. It goes the way of
//! every other: filters, target policy, upstream pool. Must not know who may ask for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::{Method, Request, Uri, Version, request};
use http_body_util::BodyExt as _;
use uuid::Uuid;
use weir_host::{ClientHello, Connection, Entry, Passage};
use weir_proto::v1;

use crate::config::ClientLimits;
use crate::connection::Cx;
use crate::entry::{connect, tunnels};
use crate::exchange::{self, Abort, Came, Marked, asks_upgrade};
use crate::target::{Scheme, Target, TargetError};
use crate::worker::Worker;

/// There is no client: on no list of addresses is this one.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A request that can be sent.
#[derive(Debug)]
pub struct Wanted {
    id: Uuid,
    head: request::Parts,
    body: Bytes,
    trailers: HeaderMap,
    marked: Marked,
    facts: Connection,
    /// where the connection goes, where that is not for the URL to say
    target: Option<Target>,
}

/// What cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("the id of the new exchange is no UUIDv7")]
    Id,
    #[error("there is no request")]
    NoRequest,
    #[error("`{0}` is no method that is sent like this")]
    Method(String),
    #[error("the URL is none: {0}")]
    Url(String),
    #[error("the request has a field that is none: `{0}`")]
    Field(String),
    #[error(
        "the request head is too large: the agent takes {bytes} bytes and {fields} fields (client.head_bytes, client.headers)"
    )]
    TooLarge { bytes: usize, fields: usize },
    #[error("a request for another protocol, such as a WebSocket, cannot be sent like this")]
    Upgrade,
    #[error("where the connection goes: {0}")]
    Target(#[from] TargetError),
}

/// What keeps an exchange from beginning.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error(transparent)]
    Tunnel(#[from] connect::Refused),
    #[error("filter {filter} refuses the TLS of the tunnel: {reason}")]
    Tls { filter: String, reason: String },
    #[error("a filter wants the TLS of this tunnel left alone")]
    Opaque,
    #[error("a filter that decides about the TLS of tunnels failed: {0}")]
    Failed(weir_host::Failure),
}

impl Wanted {
    /// # Errors
    /// It could not have come from a client either.
    pub fn read(replay: v1::Replay, limits: &ClientLimits) -> Result<Self, Unfit> {
        let id = uuid(&replay.exchange_id).filter(|id| id.get_version_num() == 7).ok_or(Unfit::Id)?;
        let of = uuid(&replay.replay_of).filter(|of| !of.is_nil());
        let request = replay.request.ok_or(Unfit::NoRequest)?;
        let method = Method::from_bytes(request.method.as_bytes()).ok().filter(|method| *method != Method::CONNECT);
        let method = method.ok_or_else(|| Unfit::Method(request.method.clone()))?;
        let url = |error: String| Unfit::Url(error);
        let path = if request.path.is_empty() { "/" } else { &*request.path };
        let uri = Uri::builder().scheme(&*request.scheme).authority(&*request.authority).path_and_query(path);
        let uri = uri.build().map_err(|error| url(error.to_string()))?;
        let named = Target::from_uri(&uri).map_err(|error| url(error.to_string()))?;
        let headers = fields(&request.headers, &request.authority, limits)?;
        let version = match &*request.version {
            "HTTP/1.0" => Version::HTTP_10,
            "HTTP/2" => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        if asks_upgrade(Version::HTTP_11, &headers) {
            return Err(Unfit::Upgrade);
        }
        let trailers = parsed(&request.trailers, limits)?;
        let body = request.body.map(|body| body.data).unwrap_or_default();
        let mut sent = Request::new(());
        (*sent.method_mut(), *sent.uri_mut(), *sent.version_mut()) = (method, uri, version);
        *sent.headers_mut() =
            if trailers.is_empty() { framed(headers, body.len()) } else { trailed(headers, &trailers, version) };
        let mut target = match &*replay.target {
            "" => None,
            target => Some(Target::from_connect(target)?.with_scheme(named.scheme)),
        };
        if let (Some(target), false) = (&mut target, replay.server_name.is_empty()) {
            let name = crate::target::TargetHost::parse(&replay.server_name)?;
            target.server_name = target.other_name(&name);
        }
        let is_tunnel = replay.entry == Entry::Connect.as_str();
        let facts = Connection {
            entry: if is_tunnel { Entry::Connect } else { Entry::Forward },
            client_address: NOBODY,
            user: None,
            tunnel_target: target.as_ref().filter(|_| is_tunnel).map(Target::to_string),
            server_name: Some(replay.server_name).filter(|name| !name.is_empty()),
            intercepted: is_tunnel && named.scheme == Scheme::Https,
        };
        let marked = Marked { of, by: replay.by };
        Ok(Wanted { id, head: sent.into_parts().0, body, trailers, marked, facts, target })
    }
}

fn uuid(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

/// As many, and as large, as a client might send.
fn parsed(fields: &[v1::Field], limits: &ClientLimits) -> Result<HeaderMap, Unfit> {
    let bytes: usize = fields.iter().map(|field| field.name.len() + field.value.len() + 4).sum();
    if bytes > limits.head_bytes || fields.len() > limits.headers {
        return Err(Unfit::TooLarge { bytes: limits.head_bytes, fields: limits.headers });
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        match (HeaderName::from_bytes(field.name.as_bytes()), HeaderValue::from_bytes(&field.value)) {
            (Ok(name), Ok(value)) => drop(headers.append(name, value)),
            _ => return Err(Unfit::Field(field.name.chars().take(100).collect())),
        }
    }
    Ok(headers)
}

/// Of the head. The URL says what `Host` says, in the place where that was.
fn fields(fields: &[v1::Field], authority: &str, limits: &ClientLimits) -> Result<HeaderMap, Unfit> {
    let mut headers = parsed(fields, limits)?;
    let authority = HeaderValue::from_str(authority).map_err(|error| Unfit::Url(error.to_string()))?;
    headers.insert(HOST, authority);
    Ok(headers)
}

/// The length is that of the body that goes, however the one was framed that came; and all of it is there.
fn framed(mut headers: HeaderMap, length: usize) -> HeaderMap {
    let said = headers.remove(TRANSFER_ENCODING).is_some() || headers.contains_key(CONTENT_LENGTH);
    if length > 0 || said {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.remove(EXPECT);
    headers
}

/// Over HTTP/1.1 a body with trailers is chunked, and the names of those that go on are in `Trailer` (RFC 9110 section 6.6.2).
fn trailed(mut headers: HeaderMap, trailers: &HeaderMap, version: Version) -> HeaderMap {
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    match version {
        Version::HTTP_2 => drop(headers.remove(TRANSFER_ENCODING)),
        _ => drop(headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))),
    }
    let said: Vec<String> =
        headers.get_all(TRAILER).iter().filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect();
    let is_said = |name: &&str| {
        let mut names = said.iter().flat_map(|value| value.split(','));
        names.any(|said| said.trim().eq_ignore_ascii_case(name))
    };
    let missing: Vec<&str> = trailers.keys().map(HeaderName::as_str).filter(|name| !is_said(name)).collect();
    if !missing.is_empty() {
        let names: Vec<&str> = said.iter().map(String::as_str).chain(missing).collect();
        if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
            headers.insert(TRAILER, names);
        }
    }
    headers
}

/// To the end of the exchange; the status of its response, none where a filter wanted none to be given.
///
/// # Errors
/// A filter that decides about tunnels refuses this one.
pub async fn carry(worker: &Rc<Worker>, wanted: Wanted) -> Result<Option<u16>, Stopped> {
    let Wanted { id, head, body, trailers, marked, facts, mut target } = wanted;
    let mut cx = Cx::new(Rc::clone(worker), NOBODY);
    let is_tunnel = facts.entry == Entry::Connect;
    if let Some(asked) = target.as_mut().filter(|_| is_tunnel) {
        let (leads_to, mut intercept) = connect::passage(&cx, asked)?;
        *asked = Target { server_name: asked.server_name.take(), ..leads_to }.with_scheme(asked.scheme);
        cx.facts = Arc::new(facts.clone());
        if asked.scheme == Scheme::Https {
            intercept = about_tls(&mut cx, asked)?.or(intercept);
            if intercept == Some(false) {
                return Err(Stopped::Opaque);
            }
        }
    }
    let came = Came::made(id, head, body, trailers, marked);
    let reply = match exchange::carry(worker, None, &Arc::new(facts), target.as_ref(), came).await {
        Ok(reply) => reply,
        Err(Abort) => return Ok(None),
    };
    let status = reply.status().as_u16();
    let mut body = reply.into_body();
    // read as fast as it comes, and kept by nobody but the recorder
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Some(status))
}

/// What filters say of the TLS, as if a client had begun it.
fn about_tls(cx: &mut Cx, target: &Target) -> Result<Option<bool>, Stopped> {
    if !tunnels::is_anybody_asked(cx) {
        return Ok(None);
    }
    let server_name = cx.facts.server_name.clone();
    let hello = ClientHello { server_name, alpn: vec!["h2".to_owned(), "http/1.1".to_owned()] };
    match tunnels::ask_about_tls(cx, target, &hello) {
        Passage::Open { intercept, .. } => Ok(intercept),
        Passage::Denied { filter, reason } => Err(Stopped::Tls { filter: filter.to_string(), reason }),
        Passage::Failed(failure) => Err(Stopped::Failed(failure)),
    }
}
