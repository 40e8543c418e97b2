//! How the client reached the agent.

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

/// Facts of the connection. They come from different sources and may disagree: a client can CONNECT to one host, name
/// a second in its TLS handshake and a third in `Host`. A filter that decides access checks each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// How the client reached the agent.
    pub entry: Entry,
    /// IP address and port of the client, such as `192.0.2.7:51034` or `[2001:db8::7]:51034`.
    pub client_address: String,
    /// Who the client proved to be.
    pub user: Option<String>,
    /// host:port that the client asked to be connected to (CONNECT, SOCKS5), before any request was read.
    pub tunnel_target: Option<String>,
    /// Server name of the client's TLS handshake (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The client's TLS ends at the agent.
    pub intercepted: bool,
}
