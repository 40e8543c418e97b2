//! Why no response came. Enters: what the dial, TLS or hyper said; leaves: one [`UpstreamFailure`], whose text names who
//! is to blame. Must not know how it is shown to a client.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use crate::policy::Denied;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFailure {
    #[error("the upstream refused the connection: {0}")]
    Refused(String),
    #[error("the upstream closed the connection before it answered: {0}")]
    Reset(String),
    /// As `Reset`, on a connection that had served before: most likely the upstream closed it while it was idle, but it
    /// may have seen the request. A request with an idempotent method may be sent again (RFC 9110 section 9.2.2), and
    /// then goes out on a fresh connection.
    #[error("the upstream closed a kept connection as the request was sent: {0}")]
    Stale(String),
    /// The upstream says that it did not look at the request (RFC 9113 section 8.7): any method may be sent again.
    #[error("the upstream did not take the request: {0}")]
    Unprocessed(String),
    /// It wants HTTP/1.1 for this (RFC 9113 section 7).
    #[error("the upstream wants HTTP/1.1: {0}")]
    Http1Required(String),
    #[error("the upstream took too long {0}")]
    Timeout(&'static str),
    #[error("the upstream's name did not resolve: {0}")]
    Dns(String),
    #[error("the upstream's TLS failed: {0}")]
    Tls(String),
    #[error("the upstream did not answer in proper HTTP: {0}")]
    Protocol(String),
    #[error("the response head of the upstream is too large")]
    TooLarge,
    /// No socket, no port or no memory is left, or the machine lets nobody out: the upstream was never asked.
    #[error("the agent itself cannot connect: {0}")]
    Own(String),
    #[error("the agent does not connect there: {0}")]
    Denied(Denied),
    /// The body on its way up ended with an error: the client went away, or a filter stopped it.
    #[error("the request body broke off: {0}")]
    RequestBody(String),
}

impl UpstreamFailure {
    /// Of a request on a connection; `reused` says whether the connection had served before.
    pub(super) fn of(error: &hyper::Error, address: SocketAddr, reused: bool) -> Self {
        let text = in_words(error);
        if error.is_user() {
            return UpstreamFailure::RequestBody(text);
        }
        if error.is_parse_too_large() {
            return UpstreamFailure::TooLarge;
        }
        if error.is_parse() || error.is_parse_status() {
            return UpstreamFailure::Protocol(text);
        }
        if error.is_timeout() {
            return UpstreamFailure::Timeout("to answer");
        }
        if let Some(h2) = source::<h2::Error>(error) {
            match h2.reason() {
                Some(h2::Reason::REFUSED_STREAM) if h2.is_remote() => return UpstreamFailure::Unprocessed(text),
                Some(h2::Reason::HTTP_1_1_REQUIRED) => return UpstreamFailure::Http1Required(text),
                // Of the streams that it ends, GOAWAY reaches those alone that are above its last (section 6.8).
                _ if h2.is_go_away() && h2.is_remote() => return UpstreamFailure::Unprocessed(text),
                Some(reason) if reason != h2::Reason::NO_ERROR => return UpstreamFailure::Protocol(text),
                _ => {}
            }
        }
        match reused {
            true => UpstreamFailure::Stale(format!("{address}: {text}")),
            false => UpstreamFailure::Reset(format!("{address}: {text}")),
        }
    }
}

fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        at = error.source();
    }
    None
}

/// hyper's own text says the kind; the cause below it says what happened.
fn in_words(error: &hyper::Error) -> String {
    match source::<io::Error>(error) {
        Some(cause) => cause.to_string(),
        None => error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    }
}
