//! What can go wrong with an exchange, in the words that the client reads: which status, whose fault, what to look at.
//! Enters: the typed error of a stage; leaves: a [`Problem`]. Must not know how it is written out: that is `reply`.

use std::borrow::Cow;

use http::StatusCode;
use weir_host::{Direction, Failure, UpstreamError};

use super::hop_by_hop::Unfit;
use super::resolve::Misplaced;
use crate::framing::BadFraming;
use crate::policy::Denied;
use crate::secrets::Misuse;
use crate::target::TargetError;
use crate::upstream::UpstreamFailure;

/// Whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Client,
    Upstream,
    Filter,
    Agent,
}

impl Blame {
    pub fn as_str(self) -> &'static str {
        match self {
            Blame::Client => "client",
            Blame::Upstream => "upstream",
            Blame::Filter => "filter",
            Blame::Agent => "agent",
        }
    }
}

/// A problem document to be (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// the end of `urn:weir:problem:…`: what programs tell problems apart by
    pub kind: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    pub blame: Blame,
    pub detail: Cow<'static, str>,
    /// the error type of RFC 9209 section 2.3
    pub proxy_error: &'static str,
}

impl Problem {
    const fn new(
        kind: &'static str,
        status: StatusCode,
        blame: Blame,
        proxy_error: &'static str,
        title: &'static str,
    ) -> Self {
        Problem { kind, status, title, blame, detail: Cow::Borrowed(""), proxy_error }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// A request that this proxy cannot take.
    pub fn bad_request(detail: String) -> Self {
        let (status, blame) = (StatusCode::BAD_REQUEST, Blame::Client);
        Problem::new("bad-request", status, blame, "http_request_error", "The request is not valid").detail(detail)
    }

    /// A failure inside the agent that is neither the peers' nor a filter's.
    pub fn agent(detail: impl Into<Cow<'static, str>>) -> Self {
        let (status, blame) = (StatusCode::INTERNAL_SERVER_ERROR, Blame::Agent);
        Problem::new("agent", status, blame, "proxy_internal_error", "The agent failed").detail(detail)
    }

    /// The client's body did not come to its end.
    pub fn request_body(detail: String) -> Self {
        let (status, blame) = (StatusCode::BAD_REQUEST, Blame::Client);
        Problem::new("request-body", status, blame, "http_request_error", "The request body broke off").detail(detail)
    }

    /// The client's body ceased to come.
    pub fn request_silent(detail: String) -> Self {
        Problem { status: StatusCode::REQUEST_TIMEOUT, ..Problem::request_body(detail) }
    }

    fn upstream(kind: &'static str, status: StatusCode, proxy_error: &'static str, title: &'static str) -> Self {
        Problem::new(kind, status, Blame::Upstream, proxy_error, title)
    }

    /// The response body ceased before any of it was passed on.
    pub fn upstream_silent(detail: String) -> Self {
        let (status, error) = (StatusCode::GATEWAY_TIMEOUT, "http_response_timeout");
        Problem::upstream("upstream-timeout", status, error, "The upstream took too long").detail(detail)
    }

    /// A filter does not let the client have its tunnel.
    pub fn denied_by_filter(detail: String) -> Self {
        let (status, blame) = (StatusCode::FORBIDDEN, Blame::Filter);
        Problem::new("filter-denied", status, blame, "http_request_denied", "A filter refused the tunnel")
            .detail(detail)
    }

    /// A person does not let the exchange go on.
    pub fn blocked() -> Self {
        let (status, blame) = (StatusCode::FORBIDDEN, Blame::Agent);
        Problem::new("blocked", status, blame, "http_request_denied", "The exchange was blocked")
            .detail("somebody who watches this traffic blocked the exchange")
    }

    /// An exchange waited at a breakpoint, and nobody let it go on.
    pub fn undecided() -> Self {
        let (status, blame) = (StatusCode::GATEWAY_TIMEOUT, Blame::Agent);
        Problem::new("breakpoint", status, blame, "http_request_denied", "Nobody let the exchange go on")
            .detail("the exchange waited at a breakpoint, and nobody decided in time")
    }

    /// A filter sent the exchange where nothing can be.
    pub fn redirected(error: &TargetError) -> Self {
        let (status, blame) = (StatusCode::INTERNAL_SERVER_ERROR, Blame::Filter);
        Problem::new("filter-failed", status, blame, "proxy_internal_error", "A filter failed")
            .detail(format!("a filter set an authority that cannot be reached: {error}"))
    }

    /// A filter put a secret where it must not go.
    pub fn misused(misuse: &Misuse) -> Self {
        let (status, blame) = (StatusCode::INTERNAL_SERVER_ERROR, Blame::Filter);
        Problem::new("filter-failed", status, blame, "proxy_internal_error", "A filter failed")
            .detail(misuse.to_string())
    }

    /// What the upstream sent is not what HTTP allows.
    pub fn upstream_protocol(detail: String) -> Self {
        let (status, error) = (StatusCode::BAD_GATEWAY, "http_protocol_error");
        Problem::upstream("upstream-protocol", status, error, "The upstream did not speak HTTP").detail(detail)
    }
}

impl From<Misplaced> for Problem {
    fn from(misplaced: Misplaced) -> Self {
        Problem::bad_request(misplaced.to_string())
    }
}

impl From<TargetError> for Problem {
    fn from(error: TargetError) -> Self {
        Problem::bad_request(error.to_string())
    }
}

impl From<Unfit> for Problem {
    fn from(unfit: Unfit) -> Self {
        let problem = Problem::bad_request(unfit.to_string());
        match unfit {
            Unfit::Framing(BadFraming::TransferCoding) => Problem { status: StatusCode::NOT_IMPLEMENTED, ..problem },
            Unfit::Expectation => Problem { status: StatusCode::EXPECTATION_FAILED, ..problem },
            Unfit::Loop => looped().detail(problem.detail),
            Unfit::MaxForwards | Unfit::Framing(_) => problem,
        }
    }
}

impl From<BadFraming> for Problem {
    fn from(framing: BadFraming) -> Self {
        Problem::upstream_protocol(format!("the upstream sent {framing}"))
    }
}

impl From<&Denied> for Problem {
    fn from(denied: &Denied) -> Self {
        let problem = match denied {
            Denied::Own(_) => looped(),
            _ => Problem::new(
                "target-denied",
                StatusCode::FORBIDDEN,
                Blame::Client,
                "destination_ip_prohibited",
                "The agent does not connect there",
            ),
        };
        problem.detail(denied.to_string())
    }
}

fn looped() -> Problem {
    Problem::new(
        "loop",
        StatusCode::LOOP_DETECTED,
        Blame::Client,
        "proxy_loop_detected",
        "The request came back to the agent",
    )
}

impl From<&UpstreamFailure> for Problem {
    fn from(failure: &UpstreamFailure) -> Self {
        const BAD: StatusCode = StatusCode::BAD_GATEWAY;
        let problem = match failure {
            UpstreamFailure::Refused(_) => {
                Problem::upstream("upstream-refused", BAD, "connection_refused", "The upstream refused the connection")
            }
            UpstreamFailure::Reset(_) | UpstreamFailure::Stale(_) | UpstreamFailure::Unprocessed(_) => {
                Problem::upstream("upstream-reset", BAD, "connection_terminated", "The upstream closed the connection")
            }
            UpstreamFailure::Timeout(_) => Problem::upstream(
                "upstream-timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "http_response_timeout",
                "The upstream took too long",
            ),
            UpstreamFailure::Dns(_) => {
                Problem::upstream("upstream-dns", BAD, "dns_error", "The upstream's name did not resolve")
            }
            UpstreamFailure::Tls(_) => {
                Problem::upstream("upstream-tls", BAD, "tls_protocol_error", "The upstream's TLS failed")
            }
            UpstreamFailure::Protocol(_) | UpstreamFailure::Http1Required(_) => {
                Problem::upstream_protocol(String::new())
            }
            UpstreamFailure::TooLarge => Problem::upstream(
                "upstream-head-too-large",
                BAD,
                "http_response_header_section_size",
                "The upstream's response head is too large",
            ),
            UpstreamFailure::Own(_) => Problem::new(
                "agent-exhausted",
                StatusCode::SERVICE_UNAVAILABLE,
                Blame::Agent,
                "proxy_internal_error",
                "The agent cannot connect to anybody now",
            ),
            UpstreamFailure::Denied(denied) => return Problem::from(denied),
            UpstreamFailure::RequestBody(_) => Problem::request_body(String::new()),
        };
        problem.detail(failure.to_string())
    }
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        let problem = match failure.kind.sender() {
            Some(Direction::Request) => Problem::request_body(String::new()),
            Some(Direction::Response) => Problem::upstream_protocol(String::new()),
            None => Problem::new(
                "filter-failed",
                StatusCode::INTERNAL_SERVER_ERROR,
                Blame::Filter,
                "proxy_internal_error",
                "A filter failed",
            ),
        };
        problem.detail(failure.to_string())
    }
}

/// What filters are told of it: nothing where no upstream was meant to be reached.
pub(super) fn upstream_error(failure: &UpstreamFailure) -> Option<UpstreamError> {
    Some(match failure {
        UpstreamFailure::Refused(_) => UpstreamError::Refused,
        UpstreamFailure::Reset(_) | UpstreamFailure::Stale(_) | UpstreamFailure::Unprocessed(_) => UpstreamError::Reset,
        UpstreamFailure::Timeout(_) => UpstreamError::Timeout,
        UpstreamFailure::Dns(_) => UpstreamError::Dns,
        UpstreamFailure::Tls(reason) => UpstreamError::Tls(reason.clone()),
        UpstreamFailure::Protocol(_) | UpstreamFailure::Http1Required(_) => UpstreamError::Protocol,
        UpstreamFailure::TooLarge => UpstreamError::TooLarge,
        UpstreamFailure::Own(_) | UpstreamFailure::Denied(_) | UpstreamFailure::RequestBody(_) => return None,
    })
}
