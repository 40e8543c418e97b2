//! What the operator asked for. TOML, flags and variables enter; a [`Config`] that has been validated whole leaves, or
//! every fault with the place it comes from. Nothing else in the agent reads flags, variables or the file.

mod file;
mod pushed;
mod settings;
mod source;
mod tuning;
mod validate;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::redact::RedactConfig;
pub use pushed::{KeyPattern, Local, Merged};
pub use settings::{Allowed, CaChoice, LogFormat, Settings};
pub use source::{ConfigFaults, Fault, Place, check_file, load};
pub use tuning::{InForce, Tuned, Tuning, WorkerTuning};
use weir_artifact::{JoinToken, TrustedKey};
pub use weir_desired::TargetPattern;

/// What the agent runs with.
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
    pub capture: CaptureConfig,
    pub metrics: MetricsConfig,
    pub redact: RedactConfig,
    pub control: ControlConfig,
    pub log: LogConfig,
    /// `None`: the agent works alone.
    pub orchestrator: Option<OrchestratorConfig>,
    /// Folder of filters that is trusted as files.
    pub filters: Option<PathBuf>,
    /// Publishers whose filters are accepted, besides those of the join token.
    pub trust_keys: Vec<TrustedKey>,
    /// Secrets that filters may be granted; they could be read when the agent started.
    pub secrets: Option<PathBuf>,
    /// How long exchanges and tunnels in flight may go on after the agent was told to stop.
    pub drain: Duration,
    /// What of this a pushed configuration may change.
    pub local: Local,
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
    /// between two pieces of a request body
    pub body_idle: Duration,
    /// without a byte that the client takes of what it is sent
    pub write_timeout: Duration,
    /// how long a client inside a tunnel may stay silent before it is taken for a server-first protocol
    pub peek_timeout: Duration,
    pub handshake_timeout: Duration,
    /// at once on one HTTP/2 connection
    pub streams: u32,
}

#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// certificates trusted besides the system's, PEM; it was readable and held at least one when the agent started
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// from the end of the request to the head of the response
    pub head_timeout: Duration,
    /// between two pieces of a response body
    pub body_idle: Duration,
    /// of a response head, bytes
    pub head_bytes: usize,
    /// fields of a response head
    pub headers: usize,
    /// kept per target and worker
    pub idle_connections: usize,
    pub idle_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct InterceptConfig {
    pub enabled: bool,
    pub ca: CaChoice,
    /// targets whose TLS is never ended here
    pub pass_through: Vec<TargetPattern>,
}

#[derive(Clone, Debug, Default)]
pub struct TargetsConfig {
    /// targets to allow although they are link-local, metadata or such; the agent's own addresses never are
    pub allow: Vec<TargetPattern>,
}

/// How much of an exchange is recorded, and how much may wait for the orchestrator.
#[derive(Clone, Debug)]
pub struct CaptureConfig {
    /// of each body, bytes
    pub body_bytes: usize,
    /// of WebSockets, streams of events and gRPC
    pub messages: bool,
    /// of each message, bytes
    pub message_bytes: usize,
    /// of clients, and tunnels that nobody looks into
    pub connections: bool,
    /// that filters write
    pub filter_lines: bool,
    /// of bodies that are longer than that, take the digest of the whole
    pub whole_digest: bool,
    /// of each worker's queue, and once more of all that is sent and unacknowledged, bytes
    pub queue_bytes: usize,
    /// on disk, bytes
    pub spool_bytes: u64,
}

/// What of the machine is measured.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    pub interval: Duration,
    /// empty for all
    pub interfaces: Vec<String>,
    /// are disks looked at?
    pub disk_details: bool,
    /// samples that are kept while the orchestrator is away
    pub buffer: usize,
    /// mount points; empty for all
    pub disks: Vec<PathBuf>,
}

/// What an orchestrator may ask, so that a stolen one can do no more.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    pub allow: Vec<Allowed>,
}

#[derive(Clone, Debug)]
pub struct LogConfig {
    pub format: LogFormat,
    /// directives of `tracing_subscriber::EnvFilter`
    pub level: String,
}

#[derive(Clone, Debug)]
pub struct OrchestratorConfig {
    /// `https://HOST:PORT` of one, or of each that works on the same database; one at least.
    pub urls: Vec<String>,
    /// Ignored once the agent has joined.
    pub join_token: Option<JoinToken>,
}

/// Every key left as it is when nobody says otherwise.
impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 8081)),
            data_dir: validate::default_data_dir(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            client: ClientLimits::default(),
            upstream: UpstreamConfig::default(),
            intercept: InterceptConfig { enabled: true, ca: CaChoice::Own, pass_through: Vec::new() },
            targets: TargetsConfig::default(),
            capture: CaptureConfig::default(),
            metrics: MetricsConfig::default(),
            control: ControlConfig { allow: vec![Allowed::Connections] },
            redact: RedactConfig::default(),
            log: LogConfig { format: LogFormat::Text, level: "info".to_owned() },
            orchestrator: None,
            filters: None,
            secrets: None,
            trust_keys: Vec::new(),
            drain: Duration::from_secs(30),
            local: Local::of(&Settings::default()),
        }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        MetricsConfig {
            interval: Duration::from_secs(5),
            interfaces: Vec::new(),
            disks: Vec::new(),
            disk_details: true,
            buffer: 720,
        }
    }
}

impl Default for CaptureConfig {
    fn default() -> Self {
        CaptureConfig {
            body_bytes: 64 << 10,
            whole_digest: false,
            messages: true,
            message_bytes: 16 << 10,
            connections: true,
            filter_lines: true,
            queue_bytes: 16 << 20,
            spool_bytes: 256 << 20,
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
            body_idle: Duration::from_secs(300),
            write_timeout: Duration::from_secs(300),
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
            body_idle: Duration::from_secs(300),
            head_bytes: 256 << 10,
            headers: 256,
            idle_connections: 128,
            idle_timeout: Duration::from_secs(60),
        }
    }
}
