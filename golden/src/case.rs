//! A case as data, and what a runner reports of it.

use crate::{Course, Heard, Message, ParseError, RequestLine, Said, Status, Tunnel};

/// The id that runners give the exchange, so that bodies which show it can be compared.
pub const EXCHANGE_ID: &str = "01890000-0000-7000-8000-000000000001";

/// One exchange or tunnel, a filter's configuration, and what is expected of the filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The comment at the top of the file.
    pub title: String,
    /// The filter's configuration, JSON text as written; none where the case states none.
    pub config: Option<String>,
    /// How the client came.
    pub connection: Connection,
    /// What the client sends. None where only the configuration or a tunnel is tested.
    pub request: Option<Message<RequestLine>>,
    /// The tunnel that the client asks for, in place of a request.
    pub tunnel: Option<Tunnel>,
    /// What comes back.
    pub upstream: Upstream,
    /// What is said on the WebSocket that the upstream's 101 opens.
    pub messages: Vec<Said>,
    /// What comes of each call to a named upstream.
    pub calls: Vec<(String, Upstream)>,
    /// Secrets that the agent has and the filter may use. Where one stands in a forwarded request, it reads `{secret NAME}`.
    pub secrets: Vec<String>,
    /// What is expected.
    pub expect: Expect,
}

/// Facts of the connection, as in the guest contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `forward`, `connect`, `socks5`, `transparent` or `reverse`.
    pub entry: String,
    /// IP address and port.
    pub client_address: String,
    /// Who the client proved to be.
    pub user: Option<String>,
    /// Target of CONNECT or SOCKS.
    pub tunnel_target: Option<String>,
    /// Server name of the TLS handshake.
    pub server_name: Option<String>,
    /// TLS ends at the agent.
    pub intercepted: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            entry: "forward".to_owned(),
            client_address: "192.0.2.7:51034".to_owned(),
            user: None,
            tunnel_target: None,
            server_name: None,
            intercepted: false,
        }
    }
}

/// What the upstream does with a request that reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// It answers.
    Response(Message<Status>),
    /// It does not: the name of an `upstream-error` of the guest contract.
    Error(String),
}

impl Default for Upstream {
    fn default() -> Self {
        Self::Response(Message::new(Status(200)))
    }
}

/// How the exchange went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request was forwarded, and the upstream's response (or the agent's error for the want of one) went back.
    Pass,
    /// The filter answered.
    Respond,
    /// The filter closed without an answer.
    Abort,
    /// The filter broke its contract, or asked for more than its bounds.
    Fail,
    /// The filter refuses its configuration.
    Invalid,
    /// The tunnel may be.
    Open,
    /// The filter refuses the tunnel.
    Deny,
}

impl Verdict {
    pub(crate) const NAMES: [(&'static str, Self); 7] = [
        ("pass", Self::Pass),
        ("respond", Self::Respond),
        ("abort", Self::Abort),
        ("fail", Self::Fail),
        ("invalid", Self::Invalid),
        ("open", Self::Open),
        ("deny", Self::Deny),
    ];

    /// As a case writes it.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, verdict)| *verdict == self).map_or("", |(name, _)| name)
    }
}

/// What a case expects. A message that is not written is expected to be the one that came, if it travels at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// How the exchange goes.
    pub verdict: Verdict,
    /// The request that the upstream gets.
    pub forwarded: Option<Message<RequestLine>>,
    /// The response that the client gets.
    pub received: Option<Message<Status>>,
    /// What arrives of the messages.
    pub heard: Option<Heard>,
    /// What becomes of the tunnel.
    pub tunnel: Course,
    /// Faults in the configuration: RFC 6901 pointer, and a part of the message.
    pub problems: Vec<(String, String)>,
}

/// What a runner saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How the exchange went.
    pub verdict: Verdict,
    /// Why it failed, for the reader.
    pub reason: Option<String>,
    /// The request as it reached the upstream, if it did.
    pub forwarded: Option<Message<RequestLine>>,
    /// The response as it reached the client. None after an abort, a failure, or an upstream error nobody answered for.
    pub received: Option<Message<Status>>,
    /// What arrived of the messages; none: there was no WebSocket.
    pub heard: Option<Heard>,
    /// What became of the tunnel.
    pub tunnel: Course,
    /// Faults in the configuration: RFC 6901 pointer and message.
    pub problems: Vec<(String, String)>,
}

impl Outcome {
    /// The filter would not take its configuration.
    pub fn invalid(problems: Vec<(String, String)>) -> Self {
        let (reason, forwarded, received, heard) = (None, None, None, None);
        Self { verdict: Verdict::Invalid, reason, forwarded, received, heard, tunnel: Course::default(), problems }
    }
}

/// How a request reads in which a secret of this name stands.
pub fn shown_secret(name: &str) -> String {
    format!("{{secret {name}}}")
}

impl Case {
    /// Reads the text of a case.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        crate::parse::case(text)
    }

    /// The filter's configuration, JSON; `{}` where the case states none.
    pub fn config(&self) -> &str {
        self.config.as_deref().unwrap_or("{}")
    }
}
