//! Requests on their way to upstreams: the seam that an exchange sees. Enters: a target and a request in absolute form;
//! leaves: the response head with its streaming body, or an [`UpstreamFailure`]. Must not know filters or the recorder.

pub mod outgoing;
pub mod received;

use std::net::SocketAddr;

use http::{Request, Response};

pub use self::outgoing::{BodyError, Outgoing};
pub use self::received::Received;
use crate::target::Target;

/// One worker's way to every upstream: resolver, pool of connections, TLS sessions. `!Send`.
pub struct Upstreams {}

/// A response whose body still arrives. `hyper::upgrade::on(response)` works after a 101 or a 2xx to CONNECT.
pub struct Sent {
    pub response: Response<Received>,
    pub address: SocketAddr,
}

/// Why no response came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFailure {
    #[error("the upstream refused the connection: {0}")]
    Refused(String),
    #[error("the upstream closed the connection before it answered: {0}")]
    Reset(String),
    #[error("the upstream took too long {0}")]
    Timeout(&'static str),
    #[error("the upstream's name did not resolve: {0}")]
    Dns(String),
    #[error("the upstream's TLS failed: {0}")]
    Tls(String),
    #[error("the upstream did not speak HTTP: {0}")]
    Protocol(String),
    #[error("the response head of the upstream is too large")]
    TooLarge,
    #[error("the agent does not connect there: {0}")]
    Denied(crate::policy::Denied),
    /// The body on its way up ended with an error: the client went away, or a filter stopped it.
    #[error("the request body broke off: {0}")]
    RequestBody(String),
}

impl Upstreams {
    /// `request.uri` is absolute: `Host` or `:authority` are made of it, whatever they were. The request's version says
    /// what to speak: HTTP/2 goes as HTTP/2 where the upstream's TLS agrees, all else as HTTP/1.1, and so does a request
    /// with `Upgrade`. Hop-by-hop fields are the caller's to remove. A reused connection that turns out closed before a
    /// byte was sent is replaced once.
    pub async fn send(&self, _target: &Target, _request: Request<Outgoing>) -> Result<Sent, UpstreamFailure> {
        Err(UpstreamFailure::TooLarge)
    }
}
