//! One exchange as its hooks see it: handles that read and change the agent's own heads. A handle is lent to a hook and
//! cannot be kept, so no filter reaches an exchange whose hook does not run.

use std::time::Duration;

use crate::{
    BodyMode, Call, CallError, CallRequest, Connection, HeaderError, Headers, HeadersMut, TagError, TagValue,
    headers::Part, imports,
};

/// HTTP version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
    /// HTTP/3
    Http3,
}

/// Which way a head, a body or trailers travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// Why no response came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamError {
    /// It does not accept connections.
    Refused,
    /// It closed the connection.
    Reset,
    /// It did not answer in time.
    Timeout,
    /// Its name does not resolve.
    Dns,
    /// No TLS with it, and why.
    Tls(String),
    /// What it sent is not HTTP.
    Protocol,
    /// What it sent is over the agent's bounds.
    TooLarge,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoneReason {
    /// The response was sent whole.
    Complete,
    /// The client went away.
    ClientGone,
    /// The upstream went away.
    UpstreamGone,
    /// A filter answered.
    FilterAnswered,
    /// A filter failed, and its policy closed the exchange.
    FilterFailed,
    /// The agent shuts down.
    ShutDown,
}

/// The request of an exchange, and the facts of its connection.
#[derive(Debug)]
pub struct Request {
    number: u32,
    end_of_stream: bool,
}

impl Request {
    pub(crate) fn new(number: u32, end_of_stream: bool) -> Self {
        Self { number, end_of_stream }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The exchange's id in the traffic store, a UUID.
    pub fn id(&self) -> String {
        imports::id(self.number)
    }

    /// How the client reached the agent.
    pub fn connection(&self) -> Connection {
        imports::connection(self.number)
    }

    /// HTTP version that the request arrived with.
    pub fn version(&self) -> Version {
        imports::version(self.number, Direction::Request)
    }

    /// In [`Filter::request_head`](crate::Filter::request_head): a body follows. Elsewhere false.
    pub fn has_body(&self) -> bool {
        !self.end_of_stream
    }

    /// Method, as sent: `GET`.
    pub fn method(&self) -> String {
        imports::method(self.number)
    }

    /// Changes the method.
    ///
    /// # Errors
    /// It is as it was.
    pub fn set_method(&mut self, value: &str) -> Result<(), HeaderError> {
        imports::set_method(self.number, value)
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> String {
        imports::scheme(self.number)
    }

    /// Whether the agent speaks TLS to the upstream: `http` or `https`. An authority without a port goes to the scheme's own.
    ///
    /// # Errors
    /// It is as it was.
    pub fn set_scheme(&mut self, value: &str) -> Result<(), HeaderError> {
        imports::set_scheme(self.number, value)
    }

    /// `host[:port]` that the exchange goes to, without user information.
    pub fn authority(&self) -> String {
        imports::authority(self.number)
    }

    /// Sends the exchange elsewhere. `Host` and `:authority` follow.
    ///
    /// # Errors
    /// It is as it was.
    pub fn set_authority(&mut self, value: &str) -> Result<(), HeaderError> {
        imports::set_authority(self.number, value)
    }

    /// Path and query in origin form, as received: nothing is decoded.
    pub fn path(&self) -> String {
        imports::path(self.number)
    }

    /// Changes path and query.
    ///
    /// # Errors
    /// They are as they were.
    pub fn set_path(&mut self, value: &str) -> Result<(), HeaderError> {
        imports::set_path(self.number, value)
    }

    /// The head's fields.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.number, Part::Request)
    }

    /// The head's fields, to be changed.
    pub fn headers_mut(&mut self) -> HeadersMut<'_> {
        HeadersMut::new(self.number, Part::Request)
    }

    /// Takes part in this body less than the subscription asked for: `None`, or `Observe` in place of `Transform` or
    /// `Buffer`. Only in [`Filter::request_head`](crate::Filter::request_head).
    ///
    /// # Errors
    /// `Frozen` in other hooks, `Forbidden` for more than was subscribed.
    pub fn set_body_mode(&mut self, mode: BodyMode) -> Result<(), HeaderError> {
        imports::set_body_mode(self.number, Direction::Request, mode)
    }

    /// Sends a request to a server that the publication names; then answer `Wait`.
    ///
    /// # Errors
    /// Nothing was sent.
    pub fn start_call(&self, upstream: &str, request: &CallRequest) -> Result<Call, CallError> {
        imports::start_call(self.number, upstream, request).map(Call)
    }

    /// Starts a timer of at most a minute; then answer `Wait`.
    ///
    /// # Errors
    /// None was started.
    pub fn start_timer(&self, time: Duration) -> Result<Call, CallError> {
        let milliseconds = u32::try_from(time.as_millis()).map_err(|_| CallError::Invalid)?;
        imports::start_timer(self.number, milliseconds).map(Call)
    }

    /// Text that stands for a secret of the agent's, to be put into a field of this request, or of a call for it: the agent
    /// puts the secret in its place when it sends the head. Towards a host that the secret is not for, the exchange or call
    /// fails. None: the agent has no such secret, or the publication does not grant it. Good for this exchange only.
    pub fn secret(&self, name: &str) -> Option<String> {
        imports::placeholder(self.number, name)
    }

    /// Says something of the exchange, for other filters and the record, where it is `FILTER.NAME`.
    ///
    /// # Errors
    /// It is not said.
    pub fn set_tag(&self, name: &str, value: impl Into<TagValue>) -> Result<(), TagError> {
        imports::set_tag(self.number, name, value.into())
    }

    /// What a filter says of the exchange, by `FILTER.NAME`.
    ///
    /// # Errors
    /// The publication does not let this filter read it.
    pub fn tag(&self, name: &str) -> Result<Option<TagValue>, TagError> {
        imports::tag(self.number, name)
    }
}

/// The response of an exchange; its request can still be read.
#[derive(Debug)]
pub struct Response {
    request: Request,
    end_of_stream: bool,
}

impl Response {
    pub(crate) fn new(number: u32, end_of_stream: bool) -> Self {
        Self { request: Request::new(number, true), end_of_stream }
    }

    /// The request that this answers.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// In [`Filter::response_head`](crate::Filter::response_head): a body follows. Elsewhere false.
    pub fn has_body(&self) -> bool {
        !self.end_of_stream
    }

    /// HTTP version that the response arrived with.
    pub fn version(&self) -> Version {
        imports::version(self.request.number, Direction::Response)
    }

    /// Status code.
    pub fn status(&self) -> u16 {
        // A hook that is given a response runs when there is one.
        imports::status(self.request.number).unwrap_or_default()
    }

    /// Changes the status code. Not to 204 or 304, which have no content: answer with [`Action::Respond`](crate::Action::Respond).
    ///
    /// # Errors
    /// It is as it was.
    pub fn set_status(&mut self, value: u16) -> Result<(), HeaderError> {
        imports::set_status(self.request.number, value)
    }

    /// The head's fields.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.request.number, Part::Response)
    }

    /// The head's fields, to be changed.
    pub fn headers_mut(&mut self) -> HeadersMut<'_> {
        HeadersMut::new(self.request.number, Part::Response)
    }

    /// As [`Request::set_body_mode`], in [`Filter::response_head`](crate::Filter::response_head).
    ///
    /// # Errors
    /// `Frozen` in other hooks, `Forbidden` for more than was subscribed.
    pub fn set_body_mode(&mut self, mode: BodyMode) -> Result<(), HeaderError> {
        imports::set_body_mode(self.request.number, Direction::Response, mode)
    }

    /// Sends a request to a server that the publication names; then answer `Wait`.
    ///
    /// # Errors
    /// Nothing was sent.
    pub fn start_call(&self, upstream: &str, request: &CallRequest) -> Result<Call, CallError> {
        imports::start_call(self.request.number, upstream, request).map(Call)
    }

    /// Starts a timer of at most a minute; then answer `Wait`.
    ///
    /// # Errors
    /// None was started.
    pub fn start_timer(&self, time: Duration) -> Result<Call, CallError> {
        let milliseconds = u32::try_from(time.as_millis()).map_err(|_| CallError::Invalid)?;
        imports::start_timer(self.request.number, milliseconds).map(Call)
    }

    /// Text that stands for a secret of the agent's, to be put into a field of a call (the request's head is sent already): the agent
    /// puts the secret in its place when it sends the head. Towards a host that the secret is not for, the exchange or call
    /// fails. None: the agent has no such secret, or the publication does not grant it. Good for this exchange only.
    pub fn secret(&self, name: &str) -> Option<String> {
        imports::placeholder(self.request.number, name)
    }

    /// Says something of the exchange, for other filters and the record, where it is `FILTER.NAME`.
    ///
    /// # Errors
    /// It is not said.
    pub fn set_tag(&self, name: &str, value: impl Into<TagValue>) -> Result<(), TagError> {
        imports::set_tag(self.request.number, name, value.into())
    }

    /// What a filter says of the exchange, by `FILTER.NAME`.
    ///
    /// # Errors
    /// The publication does not let this filter read it.
    pub fn tag(&self, name: &str) -> Result<Option<TagValue>, TagError> {
        imports::tag(self.request.number, name)
    }
}

/// An exchange that is over; its heads can be read one last time.
#[derive(Debug)]
pub struct Done {
    request: Request,
    reason: DoneReason,
}

impl Done {
    pub(crate) fn new(number: u32, reason: DoneReason) -> Self {
        Self { request: Request::new(number, true), reason }
    }

    /// How it ended.
    pub fn reason(&self) -> DoneReason {
        self.reason
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Status of the response, if there was one.
    pub fn status(&self) -> Option<u16> {
        imports::status(self.request.number)
    }

    /// Fields of the response, if there was one.
    pub fn response_headers(&self) -> Option<Headers<'_>> {
        self.status().map(|_| Headers::new(self.request.number, Part::Response))
    }
}
