//! HTTP messages as cases write them and runners report them. Values are strings, one character per byte (latin-1), as
//! in the guest contract.

use std::fmt;

/// Field lines in order, names in lower case.
pub type Fields = Vec<(String, String)>;

/// What a message begins with.
pub trait Start: fmt::Display + Clone + PartialEq {}

/// The start of a request, always with the whole URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// Method, as sent.
    pub method: String,
    /// "http" or "https".
    pub scheme: String,
    /// `host[:port]`.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://{}{}", self.method, self.scheme, self.authority, self.path)
    }
}

impl Start for RequestLine {}

/// The start of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Start for Status {}

/// A request or a response, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<S> {
    /// First line.
    pub start: S,
    /// Head fields.
    pub fields: Fields,
    /// Body, in the chunks in which it comes. Comparison joins them.
    pub body: Vec<Vec<u8>>,
    /// Trailer fields; none when the message has no trailer section.
    pub trailers: Option<Fields>,
}

impl<S: Start> Message<S> {
    /// Without fields, body and trailers.
    pub fn new(start: S) -> Self {
        Self { start, fields: Vec::new(), body: Vec::new(), trailers: None }
    }

    /// The body in one piece.
    pub fn joined(&self) -> Vec<u8> {
        self.body.concat()
    }

    /// First value of a field; `name` in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}
