//! What a filter sees and changes: one exchange, and the facts of the connection it came over.
//!
//! The agent makes an [`Exchange`] of what it parsed and lends it to a run; nothing here knows of sockets or guests.

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, StatusCode, request, response};
use uuid::Uuid;
use weir_artifact::Name;

/// How the client reached the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Absolute-form request to a forward proxy (RFC 9112 section 3.2.2).
    Forward,
    /// Inside a CONNECT tunnel.
    Connect,
    /// Through SOCKS5.
    Socks5,
    /// Redirected by the network.
    Transparent,
    /// Reverse proxy.
    Reverse,
}

impl Entry {
    /// The word used in records, metrics and queries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Connect => "connect",
            Self::Socks5 => "socks5",
            Self::Transparent => "transparent",
            Self::Reverse => "reverse",
        }
    }
}

/// Facts of a client's connection, shared by its exchanges.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How the client reached the agent.
    pub entry: Entry,
    /// Where it came from.
    pub client_address: SocketAddr,
    /// Who it proved to be.
    pub user: Option<String>,
    /// `host:port` it asked to be connected to, before any request was read.
    pub tunnel_target: Option<String>,
    /// Server name of its TLS handshake (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// Its TLS ends at the agent.
    pub intercepted: bool,
}

/// Which way a head, a body or trailers travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

impl Direction {
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// One request and its response.
#[derive(Debug)]
pub struct Exchange {
    /// Names it in the traffic store.
    pub id: Uuid,
    /// Over which it came.
    pub connection: Arc<Connection>,
    /// The request; its URI is always in absolute form (scheme, authority, path).
    pub request: request::Parts,
    /// The response, from the moment there is one.
    pub response: Option<response::Parts>,
    /// Trailers of the request, from the end of its body.
    pub request_trailers: Option<HeaderMap>,
    /// Trailers of the response, from the end of its body.
    pub response_trailers: Option<HeaderMap>,
    /// The method of the request as it came, from a filter's first change of the head on. Whoever wants the rest of the
    /// head as it came takes it before filters meet it.
    pub original_method: Option<Method>,
    /// The response as it came, from a filter's first change on.
    pub original_response: Option<Box<response::Parts>>,
    /// What filters have said of it.
    pub tags: Vec<Tag>,
    /// What stands for secrets in its request and in calls for it.
    pub placeholders: Vec<Placeholder>,
}

/// Something that a filter says of an exchange: `FILTER.NAME`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// Who says it.
    pub filter: Name,
    /// 1 to 64 of a-z, 0-9, `-` and `_`.
    pub name: String,
    /// What.
    pub value: TagValue,
}

/// The value of a tag.
#[derive(Debug, Clone, PartialEq)]
pub enum TagValue {
    /// Without control characters.
    Text(String),
    /// Finite.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

/// Text that a filter was given to stand for a secret. Nobody can guess it, and it is of this exchange alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// Who was given it.
    pub filter: Name,
    /// What it stands for.
    pub secret: Name,
    /// `weir-secret-` and 32 hexadecimal digits.
    pub text: String,
}

impl Exchange {
    /// An exchange whose request has just been read.
    pub fn new(id: Uuid, connection: Arc<Connection>, request: request::Parts) -> Box<Self> {
        Box::new(Self {
            id,
            connection,
            request,
            response: None,
            request_trailers: None,
            response_trailers: None,
            original_method: None,
            original_response: None,
            tags: Vec::new(),
            placeholders: Vec::new(),
        })
    }

    /// The method of the request as it came: it decides whether a response has content.
    pub(crate) fn client_method(&self) -> &Method {
        self.original_method.as_ref().unwrap_or(&self.request.method)
    }

    /// Copies its heads out of the buffers that they were read into, and which they keep alive: for an exchange that goes on for
    /// long after them.
    pub fn compact(&mut self) {
        compact(&mut self.request.headers);
        if let Ok(uri) = self.request.uri.to_string().parse() {
            self.request.uri = uri;
        }
        let responses = [self.response.as_mut(), self.original_response.as_deref_mut()];
        responses.into_iter().flatten().for_each(|head| compact(&mut head.headers));
    }

    /// Keeps of a head that is about to be changed what is asked for later, the first time.
    pub(crate) fn keep_original(&mut self, direction: Direction) {
        match direction {
            Direction::Request if self.original_method.is_none() => {
                self.original_method = Some(self.request.method.clone());
            }
            Direction::Response if self.original_response.is_none() => {
                self.original_response = self.response.clone().map(Box::new);
            }
            _ => {}
        }
    }

    /// The fields of a head, if it is there.
    pub(crate) fn fields(&self, direction: Direction) -> Option<&HeaderMap> {
        match direction {
            Direction::Request => Some(&self.request.headers),
            Direction::Response => self.response.as_ref().map(|head| &head.headers),
        }
    }

    pub(crate) fn fields_mut(&mut self, direction: Direction) -> Option<&mut HeaderMap> {
        match direction {
            Direction::Request => Some(&mut self.request.headers),
            Direction::Response => self.response.as_mut().map(|head| &mut head.headers),
        }
    }

    pub(crate) fn trailers(&self, direction: Direction) -> Option<&HeaderMap> {
        match direction {
            Direction::Request => self.request_trailers.as_ref(),
            Direction::Response => self.response_trailers.as_ref(),
        }
    }

    pub(crate) fn set_trailers(&mut self, direction: Direction, trailers: Option<HeaderMap>) {
        match direction {
            Direction::Request => self.request_trailers = trailers,
            Direction::Response => self.response_trailers = trailers,
        }
    }
}

fn compact(headers: &mut HeaderMap) {
    for value in headers.values_mut() {
        if let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
}

/// RFC 9110 sections 6.4.1 and 9.3.2: a response without content, whatever its fields say of one.
pub fn has_no_content(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
