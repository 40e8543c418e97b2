//! Tunnels: where a client's connection may go, before anything is dialled.

use crate::{Entry, Filter};

/// What a client asks to be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// How the client reached the agent.
    pub entry: Entry,
    /// IP address and port of the client, such as `192.0.2.7:51034` or `[2001:db8::7]:51034`.
    pub client_address: String,
    /// Who the client proved to be.
    pub user: Option<String>,
    /// host:port. What an earlier filter redirected to, if one did.
    pub target: String,
}

/// What the client's TLS handshake tells in clear (RFC 8446 section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The server name (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// Names of protocols, in the client's order (RFC 7301).
    pub alpn: Vec<String>,
}

/// What is to become of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This filter has nothing against it.
    Next,
    /// Refused, with a reason that the client may see.
    Deny(String),
    /// To this host:port. In [`Connect::client_hello`] it is too late for that: it fails by policy.
    Redirect(String),
    /// TLS ends at the agent, and other hooks see what is inside.
    Intercept,
    /// Bytes pass as they are.
    PassThrough,
}

/// A filter that decides about tunnels; exported by `weir_sdk::export!(MyFilter, with Connect)`.
///
/// The filters of the chain are asked in its order: [`Decision::Deny`] is the end of it, and of [`Decision::Intercept`] and
/// [`Decision::PassThrough`] the last one said counts. There is no exchange: logs, metrics, clocks and the store work here,
/// calls, timers, tags and secrets do not.
#[allow(unused_variables, reason = "the parameters of hooks that do nothing are named for the reader")]
pub trait Connect: Filter {
    /// The client asks for a tunnel (CONNECT, SOCKS5). Nothing has been dialled.
    fn connect(&self, to: &Tunnel) -> Decision {
        Decision::Next
    }

    /// TLS begins inside the tunnel.
    fn client_hello(&self, to: &Tunnel, hello: &ClientHello) -> Decision {
        Decision::Next
    }
}
