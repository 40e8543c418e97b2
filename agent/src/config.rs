//! What the operator asked for. Enters: TOML, flags and variables; leaves: a [`Config`] that has been validated whole.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub data_dir: PathBuf,
    pub workers: usize,
    pub client: ClientLimits,
    pub upstream: UpstreamConfig,
    pub intercept: InterceptConfig,
    pub targets: TargetsConfig,
    /// How long exchanges and tunnels in flight may go on after the agent was told to stop.
    pub drain: Duration,
}

/// Bounds on what one client, and all of them, may hold.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// connections of all workers together
    pub connections: usize,
    /// of a request head, bytes
    pub head_bytes: usize,
    pub headers: usize,
    /// for a whole request head, and between two requests of a connection
    pub head_timeout: Duration,
    /// without a byte in either direction of a tunnel
    pub tunnel_idle: Duration,
    /// how long a client inside a tunnel may stay silent before it is taken for a server-first protocol
    pub peek_timeout: Duration,
    pub handshake_timeout: Duration,
    /// at once on one HTTP/2 connection
    pub streams: u32,
}

#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// certificates trusted besides the system's, PEM
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// from the end of the request to the head of the response
    pub head_timeout: Duration,
    /// kept per target and worker
    pub idle_connections: usize,
    pub idle_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct InterceptConfig {
    pub enabled: bool,
    /// targets whose TLS is never ended here: `host`, `*.host`, each with `:port` or without
    pub pass_through: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct TargetsConfig {
    /// networks (CIDR) to allow although they are link-local, metadata or such; the agent's own addresses never are
    pub allow: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 8081)),
            data_dir: PathBuf::from("."),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            client: ClientLimits::default(),
            upstream: UpstreamConfig::default(),
            intercept: InterceptConfig { enabled: true, pass_through: Vec::new() },
            targets: TargetsConfig::default(),
            drain: Duration::from_secs(30),
        }
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            connections: 16_384,
            head_bytes: 64 << 10,
            headers: 128,
            head_timeout: Duration::from_secs(60),
            tunnel_idle: Duration::from_secs(3600),
            peek_timeout: Duration::from_millis(300),
            handshake_timeout: Duration::from_secs(15),
            streams: 128,
        }
    }
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        UpstreamConfig {
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(120),
            idle_connections: 128,
            idle_timeout: Duration::from_secs(60),
        }
    }
}
