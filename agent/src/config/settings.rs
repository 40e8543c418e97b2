//! Every key of the agent's configuration, once: the same structs are what the TOML file is read into and what the
//! command line and the environment are parsed into. Nothing is checked here beyond each value's own form.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use weir_desired::{Size, TargetPattern, Time};

use super::pushed::KeyPattern;
use crate::redact::{Pattern, Pointer};

/// Declares a section of optional keys, how a stronger source is laid over a weaker one, and which of them are set.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$field_meta])* pub $field: Option<$type>,)* }

        impl $name {
            /// These settings, and where they say nothing those of `weaker`.
            pub fn over(self, weaker: Self) -> Self {
                Self { $($field: self.$field.or(weaker.$field),)* }
            }

            /// Those keys that are wanted by their whole names; `section` is what stands before each.
            pub fn only(&self, section: &str, wanted: &impl Fn(&str) -> bool) -> Self {
                let is_wanted = |field: &str| wanted(&format!("{section}{field}"));
                Self { $($field: self.$field.clone().filter(|_| is_wanted(stringify!($field))),)* }
            }

            /// Tells the whole name of each key that is set.
            pub fn tell_keys(&self, section: &str, tell: &mut impl FnMut(String)) {
                $(if self.$field.is_some() { tell(format!("{section}{}", stringify!($field))); })*
            }
        }
    };
}

section! {
    /// Keys that stand before any section of the file.
    TopSettings {
        /// Address that clients connect to [default: 127.0.0.1:8080]
        #[arg(id = "listen", long = "listen", env = "WEIR_AGENT_LISTEN", value_name = "ADDR")]
        listen: String,
        /// Address of health, metrics and the list of filters [default: 127.0.0.1:8081]
        #[arg(id = "admin", long = "admin", env = "WEIR_AGENT_ADMIN", value_name = "ADDR")]
        admin: String,
        /// Worker threads [default: one per core]
        #[arg(id = "workers", long = "workers", env = "WEIR_AGENT_WORKERS", value_name = "N")]
        workers: usize,
        /// Where keys, the last good filters and the spool are kept [default: ~/.local/share/weir/agent]
        #[arg(id = "data_dir", long = "data-dir", env = "WEIR_AGENT_DATA_DIR", value_name = "DIR")]
        data_dir: PathBuf,
        /// Orchestrator to work for, https://HOST:PORT; of several on one database all, with commas between
        #[arg(id = "orchestrator", long = "orchestrator", env = "WEIR_AGENT_ORCHESTRATOR", value_name = "URL")]
        orchestrator: String,
        /// The line that `orchestrator join-token` prints; needed once
        #[arg(id = "join_token", long = "join-token", env = "WEIR_AGENT_JOIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
        join_token: String,
        /// Folder of filters to run, and to reload as its files change
        #[arg(id = "filters", long = "filters", env = "WEIR_AGENT_FILTERS", value_name = "DIR")]
        filters: PathBuf,
        /// File with the public key of a publisher whose filters are accepted
        #[arg(id = "trust_keys", long = "trust-key", env = "WEIR_AGENT_TRUST_KEYS", value_delimiter = ',', value_name = "FILE")]
        trust_keys: Vec<PathBuf>,
        /// File of the secrets that filters may be granted, which its owner alone may read
        #[arg(id = "secrets", long = "secrets", env = "WEIR_AGENT_SECRETS", value_name = "FILE")]
        secrets: PathBuf,
        /// For exchanges and tunnels in flight when the agent is told to stop [default: 30s]
        #[arg(id = "drain", long = "drain", env = "WEIR_AGENT_DRAIN", value_name = "TIME")]
        drain: Time,
    }
}

section! {
    /// `[client]`
    ClientSettings {
        /// Client connections at a time [default: 16384]
        #[arg(id = "client.connections", long = "client-connections", env = "WEIR_AGENT_CLIENT_CONNECTIONS", value_name = "N")]
        connections: usize,
        /// Longest request head [default: 64KiB]
        #[arg(id = "client.head_bytes", long = "client-head-bytes", env = "WEIR_AGENT_CLIENT_HEAD_BYTES", value_name = "SIZE")]
        head_bytes: Size,
        /// Most fields in a request head [default: 128]
        #[arg(id = "client.headers", long = "client-headers", env = "WEIR_AGENT_CLIENT_HEADERS", value_name = "N")]
        headers: usize,
        /// For a whole request head, and between two requests of a connection [default: 1m]
        #[arg(id = "client.head_timeout", long = "client-head-timeout", env = "WEIR_AGENT_CLIENT_HEAD_TIMEOUT", value_name = "TIME")]
        head_timeout: Time,
        /// For a TLS handshake [default: 15s]
        #[arg(id = "client.handshake_timeout", long = "client-handshake-timeout", env = "WEIR_AGENT_CLIENT_HANDSHAKE_TIMEOUT", value_name = "TIME")]
        handshake_timeout: Time,
        /// A client that is silent this long inside a tunnel speaks a protocol where the server begins [default: 300ms]
        #[arg(id = "client.peek_timeout", long = "client-peek-timeout", env = "WEIR_AGENT_CLIENT_PEEK_TIMEOUT", value_name = "TIME")]
        peek_timeout: Time,
        /// A tunnel in which nothing moves is closed after this [default: 1h]
        #[arg(id = "client.tunnel_idle", long = "client-tunnel-idle", env = "WEIR_AGENT_CLIENT_TUNNEL_IDLE", value_name = "TIME")]
        tunnel_idle: Time,
        /// A request body of which nothing more comes is given up after this [default: 5m]
        #[arg(id = "client.body_idle", long = "client-body-idle", env = "WEIR_AGENT_CLIENT_BODY_IDLE", value_name = "TIME")]
        body_idle: Time,
        /// A client that takes nothing of what it is sent is given up after this [default: 5m]
        #[arg(id = "client.write_timeout", long = "client-write-timeout", env = "WEIR_AGENT_CLIENT_WRITE_TIMEOUT", value_name = "TIME")]
        write_timeout: Time,
        /// Requests at once on one HTTP/2 connection [default: 128]
        #[arg(id = "client.streams", long = "client-streams", env = "WEIR_AGENT_CLIENT_STREAMS", value_name = "N")]
        streams: u32,
    }
}

section! {
    /// `[upstream]`
    UpstreamSettings {
        /// PEM file with CA certificates to accept besides the system's
        #[arg(id = "upstream.ca", long = "upstream-ca", env = "WEIR_AGENT_UPSTREAM_CA", value_name = "PEM")]
        ca: PathBuf,
        /// For a connection, TLS included [default: 10s]
        #[arg(id = "upstream.connect_timeout", long = "upstream-connect-timeout", env = "WEIR_AGENT_UPSTREAM_CONNECT_TIMEOUT", value_name = "TIME")]
        connect_timeout: Time,
        /// From the end of a request to the head of its response [default: 2m]
        #[arg(id = "upstream.head_timeout", long = "upstream-head-timeout", env = "WEIR_AGENT_UPSTREAM_HEAD_TIMEOUT", value_name = "TIME")]
        head_timeout: Time,
        /// A response body of which nothing more comes is given up after this [default: 5m]
        #[arg(id = "upstream.body_idle", long = "upstream-body-idle", env = "WEIR_AGENT_UPSTREAM_BODY_IDLE", value_name = "TIME")]
        body_idle: Time,
        /// Idle connections kept per target and worker [default: 128]
        #[arg(id = "upstream.idle_connections", long = "upstream-idle-connections", env = "WEIR_AGENT_UPSTREAM_IDLE_CONNECTIONS", value_name = "N")]
        idle_connections: usize,
        /// How long they are kept [default: 1m]
        #[arg(id = "upstream.idle_timeout", long = "upstream-idle-timeout", env = "WEIR_AGENT_UPSTREAM_IDLE_TIMEOUT", value_name = "TIME")]
        idle_timeout: Time,
    }
}

section! {
    /// `[intercept]`
    InterceptSettings {
        /// Whether TLS inside tunnels is ended at the agent [default: true]
        #[arg(id = "intercept.enabled", long = "intercept-enabled", env = "WEIR_AGENT_INTERCEPT_ENABLED", value_name = "BOOL")]
        enabled: bool,
        /// Who vouches for certificates that clients are shown: an authority of this agent's own, or the root of the orchestrator's fleet [default: own]
        #[arg(id = "intercept.ca", long = "intercept-ca", env = "WEIR_AGENT_INTERCEPT_CA", value_name = "WHOSE")]
        ca: CaChoice,
        /// Targets whose TLS is never ended here, such as *.bank.example or 10.0.0.0/8:443
        #[arg(id = "intercept.pass_through", long = "intercept-pass-through", env = "WEIR_AGENT_INTERCEPT_PASS_THROUGH", value_delimiter = ',', value_name = "TARGET")]
        pass_through: Vec<TargetPattern>,
    }
}

section! {
    /// `[targets]`
    TargetsSettings {
        /// Targets to allow though they are link-local or metadata addresses
        #[arg(id = "targets.allow", long = "targets-allow", env = "WEIR_AGENT_TARGETS_ALLOW", value_delimiter = ',', value_name = "TARGET")]
        allow: Vec<TargetPattern>,
    }
}

section! {
    /// `[capture]`
    CaptureSettings {
        /// Bytes of each body that are recorded [default: 64KiB]
        #[arg(id = "capture.body_bytes", long = "capture-body-bytes", env = "WEIR_AGENT_CAPTURE_BODY_BYTES", value_name = "SIZE")]
        body_bytes: Size,
        /// Whether messages of WebSockets, server-sent events and gRPC are recorded [default: true]
        #[arg(id = "capture.messages", long = "capture-messages", env = "WEIR_AGENT_CAPTURE_MESSAGES", value_name = "BOOL")]
        messages: bool,
        /// Bytes of each message that are recorded [default: 16KiB]
        #[arg(id = "capture.message_bytes", long = "capture-message-bytes", env = "WEIR_AGENT_CAPTURE_MESSAGE_BYTES", value_name = "SIZE")]
        message_bytes: Size,
        /// Whether client connections and tunnels are recorded when they have ended [default: true]
        #[arg(id = "capture.connections", long = "capture-connections", env = "WEIR_AGENT_CAPTURE_CONNECTIONS", value_name = "BOOL")]
        connections: bool,
        /// Whether lines that filters write are recorded [default: true]
        #[arg(id = "capture.filter_lines", long = "capture-filter-lines", env = "WEIR_AGENT_CAPTURE_FILTER_LINES", value_name = "BOOL")]
        filter_lines: bool,
        /// Take the SHA-256 of all of a body that is longer than that [default: false]
        #[arg(id = "capture.whole_digest", long = "capture-whole-digest", env = "WEIR_AGENT_CAPTURE_WHOLE_DIGEST", value_name = "BOOL")]
        whole_digest: bool,
        /// Memory for exchanges on their way to the orchestrator, per worker, and again for all that is unacknowledged [default: 16MiB]
        #[arg(id = "capture.queue_bytes", long = "capture-queue-bytes", env = "WEIR_AGENT_CAPTURE_QUEUE_BYTES", value_name = "SIZE")]
        queue_bytes: Size,
        /// Disk for exchanges while the orchestrator is away [default: 256MiB]
        #[arg(id = "capture.spool_bytes", long = "capture-spool-bytes", env = "WEIR_AGENT_CAPTURE_SPOOL_BYTES", value_name = "SIZE")]
        spool_bytes: Size,
    }
}

section! {
    /// `[metrics]`
    MetricsSettings {
        /// Between two samples of the machine [default: 5s]
        #[arg(id = "metrics.interval", long = "metrics-interval", env = "WEIR_AGENT_METRICS_INTERVAL", value_name = "TIME")]
        interval: Time,
        /// Network interfaces to report [default: all]
        #[arg(id = "metrics.interfaces", long = "metrics-interfaces", env = "WEIR_AGENT_METRICS_INTERFACES", value_delimiter = ',', value_name = "NAME")]
        interfaces: Vec<String>,
        /// Whether disks are looked at [default: true]
        #[arg(id = "metrics.disk_details", long = "metrics-disk-details", env = "WEIR_AGENT_METRICS_DISK_DETAILS", value_name = "BOOL")]
        disk_details: bool,
        /// Samples that are kept while the orchestrator is away [default: 720]
        #[arg(id = "metrics.buffer", long = "metrics-buffer", env = "WEIR_AGENT_METRICS_BUFFER", value_name = "N")]
        buffer: usize,
        /// Mount points to report [default: all]
        #[arg(id = "metrics.disks", long = "metrics-disks", env = "WEIR_AGENT_METRICS_DISKS", value_delimiter = ',', value_name = "PATH")]
        disks: Vec<PathBuf>,
    }
}

section! {
    /// `[redact]`
    RedactSettings {
        /// Fields of heads and trailers whose values are not recorded
        #[arg(id = "redact.headers", long = "redact-headers", env = "WEIR_AGENT_REDACT_HEADERS", value_delimiter = ',', value_name = "NAME")]
        headers: Vec<String>,
        /// Query parameters whose values are not recorded
        #[arg(id = "redact.query", long = "redact-query", env = "WEIR_AGENT_REDACT_QUERY", value_delimiter = ',', value_name = "NAME")]
        query: Vec<String>,
        /// Places in JSON bodies whose values are not recorded, such as /password or /**/token
        #[arg(id = "redact.json", long = "redact-json", env = "WEIR_AGENT_REDACT_JSON", value_delimiter = ',', value_name = "POINTER")]
        json: Vec<Pointer>,
        /// Fields of forms whose values are not recorded
        #[arg(id = "redact.form", long = "redact-form", env = "WEIR_AGENT_REDACT_FORM", value_delimiter = ',', value_name = "NAME")]
        form: Vec<String>,
        /// What in values, paths and bodies is not recorded, a regular expression; may be given several times
        #[arg(id = "redact.patterns", long = "redact-patterns", env = "WEIR_AGENT_REDACT_PATTERNS", value_name = "REGEX")]
        patterns: Vec<Pattern>,
    }
}

section! {
    /// `[control]`
    ControlSettings {
        /// What an orchestrator may ask of the agent [default: connections]
        #[arg(id = "control.allow", long = "control-allow", visible_alias = "allow", env = "WEIR_AGENT_CONTROL_ALLOW", value_delimiter = ',', value_name = "WHAT")]
        allow: Vec<Allowed>,
    }
}

section! {
    /// `[push]`
    PushSettings {
        /// Keys that a configuration from the orchestrator may set, such as capture.*; none of them: an empty list [default: all that can be pushed]
        #[arg(id = "push.accept", long = "push-accept", env = "WEIR_AGENT_PUSH_ACCEPT", value_delimiter = ',', value_name = "KEY")]
        accept: Vec<KeyPattern>,
        /// Keys that it may set although they are set here [default: none]
        #[arg(id = "push.replace", long = "push-replace", env = "WEIR_AGENT_PUSH_REPLACE", value_delimiter = ',', value_name = "KEY")]
        replace: Vec<KeyPattern>,
    }
}

section! {
    /// `[log]`
    LogSettings {
        /// Form of the lines on standard error [default: text]
        #[arg(id = "log.format", long = "log-format", env = "WEIR_AGENT_LOG_FORMAT")]
        format: LogFormat,
        /// error, warn, info, debug, trace, or directives such as info,weir_agent=debug [default: info]
        #[arg(id = "log.level", long = "log-level", env = "WEIR_AGENT_LOG_LEVEL", value_name = "LEVEL")]
        level: String,
    }
}

/// Something that an orchestrator may ask of an agent, where the agent's operator allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    /// Nothing at all, by itself.
    None,
    /// To tell who is connected, and to close connections.
    Connections,
    /// To send requests, recorded or made up.
    Replay,
    /// To hold exchanges up, so that people change or stop them.
    Breakpoints,
}

impl Allowed {
    /// As operators write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Connections => "connections",
            Self::Replay => "replay",
            Self::Breakpoints => "breakpoints",
        }
    }
}

/// Whose authority clients trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaChoice {
    /// This agent's alone; its key never leaves the machine.
    #[default]
    Own,
    /// The fleet's: whoever has its key can pass for any site to every client that trusts it.
    Fleet,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// All keys, each set or not.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    #[command(flatten)]
    pub top: TopSettings,
    #[command(flatten, next_help_heading = "Clients")]
    pub client: ClientSettings,
    #[command(flatten, next_help_heading = "Upstreams")]
    pub upstream: UpstreamSettings,
    #[command(flatten, next_help_heading = "Interception")]
    pub intercept: InterceptSettings,
    #[command(flatten, next_help_heading = "Targets")]
    pub targets: TargetsSettings,
    #[command(flatten, next_help_heading = "Recording")]
    pub capture: CaptureSettings,
    #[command(flatten, next_help_heading = "System metrics")]
    pub metrics: MetricsSettings,
    #[command(flatten, next_help_heading = "What is not recorded")]
    pub redact: RedactSettings,
    #[command(flatten, next_help_heading = "Commands of an orchestrator")]
    pub control: ControlSettings,
    #[command(flatten, next_help_heading = "Configuration from the orchestrator")]
    pub push: PushSettings,
    #[command(flatten, next_help_heading = "Log")]
    pub log: LogSettings,
}

impl Settings {
    /// These settings, and where they say nothing those of `weaker`.
    pub fn over(self, weaker: Self) -> Self {
        Self {
            top: self.top.over(weaker.top),
            client: self.client.over(weaker.client),
            upstream: self.upstream.over(weaker.upstream),
            intercept: self.intercept.over(weaker.intercept),
            targets: self.targets.over(weaker.targets),
            capture: self.capture.over(weaker.capture),
            metrics: self.metrics.over(weaker.metrics),
            redact: self.redact.over(weaker.redact),
            control: self.control.over(weaker.control),
            push: self.push.over(weaker.push),
            log: self.log.over(weaker.log),
        }
    }

    /// Those of the sections that can be pushed, as far as they are wanted by their names.
    pub(super) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self {
            top: self.top.only("", &wanted),
            client: self.client.only("client.", &wanted),
            upstream: self.upstream.only("upstream.", &wanted),
            intercept: self.intercept.only("intercept.", &wanted),
            capture: self.capture.only("capture.", &wanted),
            metrics: self.metrics.only("metrics.", &wanted),
            redact: self.redact.only("redact.", &wanted),
            log: self.log.only("log.", &wanted),
            ..Self::default()
        }
    }

    /// The keys of these sections that are set.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut tell = |key| keys.push(key);
        self.top.tell_keys("", &mut tell);
        self.client.tell_keys("client.", &mut tell);
        self.upstream.tell_keys("upstream.", &mut tell);
        self.intercept.tell_keys("intercept.", &mut tell);
        self.capture.tell_keys("capture.", &mut tell);
        self.metrics.tell_keys("metrics.", &mut tell);
        self.redact.tell_keys("redact.", &mut tell);
        self.log.tell_keys("log.", &mut tell);
        keys
    }
}
