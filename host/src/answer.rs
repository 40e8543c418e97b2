//! What a run tells the agent: go on, wait for more of the body, or answer; and what each filter did.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use weir_artifact::{Digest, Name};

use crate::{Changes, Failure};

/// Where a head and its body stand after a step.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// A filter holds the head back: read more of the body and feed it.
    Held,
    /// A hook waits for a call: feed no more of this direction, and [`crate::Run::resume`] it when a call has ended.
    Waiting,
    /// The head may be sent, and output may be ready.
    Open,
    /// The exchange takes another course.
    Answer(Answer),
}

/// The course that a filter, or its failure, has chosen.
#[derive(Debug)]
pub enum Answer {
    /// Answer the client with this: give it to [`crate::Run::respond_with`].
    Respond(LocalResponse),
    /// Close without an answer: the connection on HTTP/1, the stream on HTTP/2.
    Abort,
    /// A filter failed and its policy is not `open`, or a body that had to be decoded cannot be.
    Failed(Failure),
}

/// A response that does not come from the upstream.
#[derive(Debug, Clone)]
pub struct LocalResponse {
    /// 200 to 599.
    pub status: StatusCode,
    /// Without framing fields: the agent owns those.
    pub headers: HeaderMap,
    /// The whole content.
    pub body: Bytes,
}

/// What is known of a body's length once its head may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// No filter changes it.
    AsReceived,
    /// A filter may change it: Content-Length has to go.
    Unknown,
    /// All of it went through the chain before the head was sent: so many bytes.
    Exact(u64),
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamError {
    /// The connection was refused.
    Refused,
    /// The connection broke.
    Reset,
    /// No answer in time.
    Timeout,
    /// The name could not be resolved.
    Dns,
    /// The TLS handshake failed; the reason.
    Tls(String),
    /// What came is not HTTP.
    Protocol,
    /// The response head exceeds the agent's bound.
    TooLarge,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoneReason {
    /// The client has the whole response.
    Complete,
    /// The client left.
    ClientGone,
    /// The upstream left.
    UpstreamGone,
    /// A filter answered.
    FilterAnswered,
    /// A filter failed.
    FilterFailed,
    /// The agent shuts down.
    ShutDown,
}

/// What an exchange came to, in figures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Bytes of content, as the client sent them.
    pub request_bytes: u64,
    /// Bytes of content, as the client got them.
    pub response_bytes: u64,
    /// From the request's head to the end.
    pub duration: Duration,
    /// From the request's head to that of the upstream's response.
    pub first_byte: Option<Duration>,
    /// Where it was sent.
    pub upstream_address: Option<SocketAddr>,
}

/// What one filter did to an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Receipt<'a> {
    /// The filter.
    pub name: &'a Name,
    /// Of the generation that ran.
    pub version: u64,
    /// Of its component.
    pub digest: Digest,
    /// What it decided.
    pub verdict: Verdict,
    /// Why it failed.
    pub error: Option<&'a Failure>,
    /// What it changed.
    pub changes: Changes,
    /// What its guest took, all its hooks together.
    pub took: Duration,
}

/// What a filter decided about an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The exchange went on.
    Next,
    /// It answered the client.
    Responded,
    /// It closed without an answer.
    Aborted,
    /// It failed and its policy ended the exchange.
    Failed,
    /// It failed, or its breaker was open, and its policy let the exchange go on without it.
    Skipped,
}

impl Verdict {
    /// The word used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Responded => "responded",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}
