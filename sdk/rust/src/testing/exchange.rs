//! An exchange to put a filter to the test with.

use weir_golden::{Case, Connection, Message, RequestLine, Status, Upstream};

use crate::TagValue;

/// What a client sends and what the upstream would answer: 200 without a body, unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// How the client came.
    pub connection: Connection,
    /// What it sends.
    pub request: Message<RequestLine>,
    /// What comes back.
    pub upstream: Upstream,
    /// What calls to named upstreams come to.
    pub calls: Vec<(String, Upstream)>,
    /// Tags that other filters have set, and this one may read.
    pub tags: Vec<(String, TagValue)>,
    /// Secrets that the agent has and this filter may use. Where one stands in what the upstream gets, it reads
    /// `{secret NAME}`.
    pub secrets: Vec<String>,
}

impl Exchange {
    /// A GET of an absolute URL.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A request for an absolute URL.
    ///
    /// # Panics
    /// The URL is none.
    pub fn new(method: &str, url: &str) -> Self {
        let text = format!("### request\n{method} {url}\n### expect\npass\n");
        let request = Case::parse(&text).ok().and_then(|case| case.request).expect("a test writes an absolute URL");
        Self {
            connection: Connection::default(),
            request,
            upstream: Upstream::default(),
            calls: Vec::new(),
            tags: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// What a golden case sends; none where it only tests a configuration.
    pub(super) fn of_case(case: &Case) -> Option<Self> {
        let request = case.request.clone()?;
        Some(Self {
            connection: case.connection.clone(),
            request,
            upstream: case.upstream.clone(),
            calls: case.calls.clone(),
            tags: Vec::new(),
            secrets: case.secrets.clone(),
        })
    }

    /// Says how the client came.
    #[must_use]
    pub fn connection(mut self, change: impl FnOnce(&mut Connection)) -> Self {
        change(&mut self.connection);
        self
    }

    /// Adds a field to the request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request.fields.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Adds a chunk to the request's body.
    #[must_use]
    pub fn chunk(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.request.body.push(bytes.into());
        self
    }

    /// Sets the upstream's answer.
    #[must_use]
    pub fn respond(mut self, status: u16, fields: &[(&str, &str)], chunks: &[&[u8]]) -> Self {
        let fields = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();
        let body = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        self.upstream = Upstream::Response(Message { start: Status(status), fields, body, trailers: None });
        self
    }

    /// Says what a call to a named upstream comes to.
    #[must_use]
    pub fn call(mut self, upstream: &str, status: u16, body: &[u8]) -> Self {
        let answer = Message { start: Status(status), fields: Vec::new(), body: vec![body.to_vec()], trailers: None };
        self.calls.push((upstream.to_owned(), Upstream::Response(answer)));
        self
    }

    /// A tag that another filter has set, `FILTER.NAME`.
    #[must_use]
    pub fn tag(mut self, name: &str, value: impl Into<TagValue>) -> Self {
        self.tags.push((name.to_owned(), value.into()));
        self
    }

    /// A secret that the agent has and the filter may use.
    #[must_use]
    pub fn secret(mut self, name: &str) -> Self {
        self.secrets.push(name.to_owned());
        self
    }

    /// No response comes; `error` is a name of the contract's `upstream-error`, such as `refused`.
    #[must_use]
    pub fn fail(mut self, error: &str) -> Self {
        self.upstream = Upstream::Error(error.to_owned());
        self
    }
}
