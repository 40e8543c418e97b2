//! How the server is to run: flags and `WEIR_…` variables over a TOML file over defaults. What leaves is checked whole:
//! nothing starts with a key misspelt or a combination that is not supported.

use std::{
    env, fs,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

mod face;
mod oidc;

pub use face::{Face, FaceArgs, RestTls, TlsMode};
pub use oidc::OidcArgs;

use crate::{
    access::ProxyHeader,
    body_store::{BodyConfig, BodyPlace, BodyStoreArgs},
    cli::units,
    database::{Database, DatabaseUrl},
};

/// The largest body takes 12 Mbit/s to arrive within it.
const PUSH_TIME: Duration = Duration::from_secs(60);
/// For 64 KiB of an answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// To a request, and to the end of a head of HTTP/1.1.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// To the end of a connection's first head.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Of waiting for a body.
const BODY_GRACE: Duration = Duration::from_secs(30);
/// Connections of REST.
const CONNECTIONS: usize = 4096;
/// An agent opens three or four streams when it connects, and one for each component that it lacks.
const AGENT_CALLS: NonZeroU32 = NonZeroU32::new(600).unwrap();

/// Flags of `orchestrator serve`. Each is also a key of the file and a variable.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// TOML file with the same keys as these flags
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where database, CA and admin token live
    #[arg(long, env = "WEIR_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of REST [default: 127.0.0.1:7080]
    #[arg(long, env = "WEIR_REST", value_name = "ADDR")]
    pub rest: Option<SocketAddr>,
    /// Address of gRPC for agents, TLS [default: 127.0.0.1:7443]
    #[arg(long, env = "WEIR_GRPC", value_name = "ADDR")]
    pub grpc: Option<SocketAddr>,
    /// Database: sqlite://FILE or postgres://USER@HOST/DATABASE [default: sqlite://DATA_DIR/weir.db]
    #[arg(long, env = "WEIR_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,
    /// Where large bodies are kept
    #[command(flatten)]
    pub bodies: BodyStoreArgs,
    /// Names and addresses by which agents reach this server, for its certificate
    #[arg(long, env = "WEIR_NAMES", value_name = "NAME", value_delimiter = ',')]
    pub names: Option<Vec<String>>,
    /// How people meet REST
    #[command(flatten)]
    pub face: FaceArgs,
    /// Drop whatever agents recorded when it is older than this many hours [default: 720]
    #[arg(long, env = "WEIR_RETENTION_HOURS", value_name = "HOURS")]
    pub retention_hours: Option<u64>,
    /// Keep at most this many exchanges, and as many each of messages, tunnels, connections and lines of filters [default: 10000000]
    #[arg(long, env = "WEIR_RETENTION_EXCHANGES", value_name = "N")]
    pub retention_exchanges: Option<u64>,
    /// Keep whatever agents recorded within this many bytes of disk [default: 21474836480]
    #[arg(long, env = "WEIR_RETENTION_BYTES", value_name = "BYTES")]
    pub retention_bytes: Option<u64>,
    /// Keep samples of system metrics for this many hours; then there are minutes and hours of them [default: 48]
    #[arg(long, env = "WEIR_RETENTION_METRICS_HOURS", value_name = "HOURS")]
    pub retention_metrics_hours: Option<u64>,
    /// Keep the minutes of system metrics for this many days [default: 30]
    #[arg(long, env = "WEIR_RETENTION_METRICS_MINUTES_DAYS", value_name = "DAYS")]
    pub retention_metrics_minutes_days: Option<u64>,
    /// Keep the hours of system metrics for this many days [default: 730]
    #[arg(long, env = "WEIR_RETENTION_METRICS_HOURS_DAYS", value_name = "DAYS")]
    pub retention_metrics_hours_days: Option<u64>,
    /// Largest component that can be pushed [default: 67108864]
    #[arg(long, env = "WEIR_MAX_COMPONENT_BYTES", value_name = "BYTES")]
    pub max_component_bytes: Option<u64>,
    /// How long an agent's certificate is good for; agents renew theirs after two thirds of it [default: 30d]
    #[arg(long, env = "WEIR_AGENT_CERTIFICATE", value_name = "TIME")]
    pub agent_certificate: Option<String>,
    /// How long an agent's intermediate of the root for interception is good for; renewed as certificates are [default: 30d]
    #[arg(long, env = "WEIR_INTERCEPTION_CERTIFICATE", value_name = "TIME")]
    pub interception_certificate: Option<String>,
    /// Make a new admin token; the one before is worth nothing from then on
    #[arg(long)]
    pub new_token: bool,
    /// Exchanges that wait in memory for the disk; beyond it agents are slowed [default: 67108864]
    #[arg(long, env = "WEIR_MAX_QUEUED_BYTES", value_name = "BYTES")]
    pub max_queued_bytes: Option<u64>,
}

/// Keys of the file: those of [`ServeArgs`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data_dir: Option<PathBuf>,
    rest: Option<SocketAddr>,
    grpc: Option<SocketAddr>,
    database_url: Option<DatabaseUrl>,
    body_store: Option<String>,
    body_store_from_bytes: Option<u64>,
    body_store_endpoint: Option<String>,
    body_store_region: Option<String>,
    body_store_credentials: Option<PathBuf>,
    names: Option<Vec<String>>,
    rest_tls: Option<TlsMode>,
    rest_tls_cert: Option<PathBuf>,
    rest_tls_key: Option<PathBuf>,
    allow_remote_plain_rest: Option<bool>,
    cors_origins: Option<Vec<String>>,
    rate_limit: Option<u32>,
    sign_in_limit: Option<u32>,
    connection_limit: Option<u32>,
    trusted_proxies: Option<Vec<String>>,
    proxy_header: Option<ProxyHeader>,
    oidc_issuer: Option<String>,
    oidc_audiences: Option<Vec<String>>,
    oidc_roles: Option<Vec<String>>,
    oidc_roles_claim: Option<String>,
    oidc_areas: Option<Vec<String>>,
    oidc_areas_claim: Option<String>,
    oidc_name_claim: Option<String>,
    oidc_ca: Option<PathBuf>,
    retention_hours: Option<u64>,
    retention_exchanges: Option<u64>,
    retention_bytes: Option<u64>,
    retention_metrics_hours: Option<u64>,
    retention_metrics_minutes_days: Option<u64>,
    retention_metrics_hours_days: Option<u64>,
    max_component_bytes: Option<u64>,
    max_queued_bytes: Option<u64>,
    agent_certificate: Option<String>,
    interception_certificate: Option<String>,
}

/// A configuration that can be served.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where database, CA and admin token live.
    pub data_dir: PathBuf,
    /// Address of REST; port 0 takes a free one.
    pub rest: SocketAddr,
    /// What people and programs meet there.
    pub face: Face,
    /// Address of gRPC; port 0 takes a free one.
    pub grpc: SocketAddr,
    /// The SQLite file, or where PostgreSQL is.
    pub database: Database,
    /// Where bodies are.
    pub bodies: BodyConfig,
    /// More names for the certificate.
    pub names: Vec<String>,
    /// Make a new admin token in place of the one before.
    pub new_token: bool,
    /// How long an agent's certificate is good for.
    pub agent_certificate: Duration,
    /// How long an agent's intermediate of the root for interception is good for.
    pub interception_certificate: Duration,
    /// What is kept.
    pub retention: Retention,
    /// How long system metrics are kept, in each tier.
    pub metrics: MetricsRetention,
    /// What is taken.
    pub limits: Limits,
}

/// How long and how much is kept; the first bound reached counts.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Age of whatever agents sent.
    pub age: Duration,
    /// Number of exchanges, and of messages, tunnels and the like each.
    pub exchanges: u64,
    /// Bytes on disk: a tenth of them for metrics, at most a quarter for messages, a twentieth for tunnels, connections and lines of filters each.
    pub bytes: u64,
}

/// How long system metrics are kept, in each tier.
#[derive(Debug, Clone, Copy)]
pub struct MetricsRetention {
    /// Samples as they came.
    pub samples: Duration,
    /// One row for each minute.
    pub minutes: Duration,
    /// One row for each hour.
    pub hours: Duration,
}

/// Bounds on what comes in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of one component.
    pub component_bytes: u64,
    /// Of recorded exchanges that wait for the disk.
    pub queued_bytes: u64,
    /// Of the time in which the body of a push has to arrive: it holds one of few turns.
    pub push_time: Duration,
    /// In which some of an answer has to be taken: it may hold one of few turns, too.
    pub answer_time: Duration,
    /// In which something has to be asked on a connection, or it ends.
    pub idle_time: Duration,
    /// In which the first head has to arrive on a connection, or it ends.
    pub head_time: Duration,
    /// Of a client's time, before a body has to come at a rate.
    pub body_grace: Duration,
    /// Of people and programs, at a time.
    pub connections: usize,
    /// New streams and calls of one agent a minute.
    pub agent_calls: NonZeroU32,
}

/// The operator's configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// Named by `--config`.
        file: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The file is not TOML, has a key that does not exist, or a value of another type.
    #[error("{}:{line}: {message}", file.display())]
    File {
        /// Named by `--config`.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Names the key.
        message: String,
    },
    /// A value that cannot be served.
    #[error("{}{key}: {reason}", place(file, *line))]
    Value {
        /// Where it was set, if that was in a file.
        file: Option<PathBuf>,
        /// Counted from 1.
        line: usize,
        /// As in the file.
        key: &'static str,
        /// What to do about it.
        reason: String,
    },
}

impl ServeConfig {
    /// Puts flags, variables, file and defaults together and checks the whole.
    ///
    /// # Errors
    /// The file, line and key that are wrong.
    pub fn load(args: ServeArgs) -> Result<Self, ConfigError> {
        let path = args.config.clone();
        let (text, file) = path.as_deref().map_or_else(|| Ok(<_>::default()), read)?;
        // What a flag says is no fault of the file.
        let flags = args.clone();
        Self::merge(args, file).map_err(|error| match (error, path) {
            (ConfigError::Value { key, reason, .. }, Some(path)) if !flags.sets(key) => match line_of(&text, key) {
                Some(line) => ConfigError::Value { file: Some(path), line, key, reason },
                None => value(key, reason),
            },
            (error, _) => error,
        })
    }

    fn merge(args: ServeArgs, file: File) -> Result<Self, ConfigError> {
        let data_dir = args.data_dir.or(file.data_dir).unwrap_or_else(default_data_dir);
        let rest = args.rest.or(file.rest).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7080)));
        let face = args
            .face
            .over(FaceArgs {
                rest_tls: file.rest_tls,
                rest_tls_cert: file.rest_tls_cert,
                rest_tls_key: file.rest_tls_key,
                allow_remote_plain_rest: file.allow_remote_plain_rest,
                cors_origins: file.cors_origins,
                rate_limit: file.rate_limit,
                sign_in_limit: file.sign_in_limit,
                connection_limit: file.connection_limit,
                trusted_proxies: file.trusted_proxies,
                proxy_header: file.proxy_header,
                oidc: OidcArgs {
                    oidc_issuer: file.oidc_issuer,
                    oidc_audiences: file.oidc_audiences,
                    oidc_roles: file.oidc_roles,
                    oidc_roles_claim: file.oidc_roles_claim,
                    oidc_areas: file.oidc_areas,
                    oidc_areas_claim: file.oidc_areas_claim,
                    oidc_name_claim: file.oidc_name_claim,
                    oidc_ca: file.oidc_ca,
                },
            })
            .face(rest)?;
        let grpc = args.grpc.or(file.grpc).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7443)));
        if rest == grpc && rest.port() != 0 {
            return Err(value("grpc", format!("{grpc} is the address of rest too")));
        }
        let database = match args.database_url.or(file.database_url) {
            None => Database::Sqlite(data_dir.join("weir.db")),
            Some(url) => url.parse().map_err(|reason| value("database_url", reason))?,
        };
        let bodies = args.bodies.over(BodyStoreArgs {
            body_store: file.body_store,
            body_store_from_bytes: file.body_store_from_bytes,
            body_store_endpoint: file.body_store_endpoint,
            body_store_region: file.body_store_region,
            body_store_credentials: file.body_store_credentials,
        });
        // What one of several orchestrators has in a folder of its own, the others cannot read.
        let default = match database {
            Database::Sqlite(_) => BodyPlace::Folder(data_dir.join("bodies")),
            Database::Postgres(_) => BodyPlace::Database,
        };
        let from_bytes = bodies.body_store_from_bytes.unwrap_or(128 << 10);
        let bodies = bodies.place(default).map_err(|(key, reason)| value(key, reason))?;
        let names = args.names.or(file.names).unwrap_or_default();
        names.iter().try_for_each(|name| check_name(name))?;
        let at_least = |key, low: u64, given: u64| match given {
            given if given >= low => Ok(given),
            given => Err(value(key, format!("{given} is below the least that works, {low}"))),
        };
        let at_most = |key, high: u64, given: u64| match given {
            given if given <= high => Ok(given),
            given => Err(value(key, format!("{given} is more than any agent takes, {high}"))),
        };
        let hours = args.retention_hours.or(file.retention_hours).unwrap_or(30 * 24);
        let component = args.max_component_bytes.or(file.max_component_bytes).unwrap_or(64 << 20);
        let queued = args.max_queued_bytes.or(file.max_queued_bytes).unwrap_or(64 << 20);
        let exchanges = args.retention_exchanges.or(file.retention_exchanges).unwrap_or(10_000_000);
        let bytes = args.retention_bytes.or(file.retention_bytes).unwrap_or(20 << 30);
        let samples = args.retention_metrics_hours.or(file.retention_metrics_hours).unwrap_or(48);
        let minutes = args.retention_metrics_minutes_days.or(file.retention_metrics_minutes_days).unwrap_or(30);
        let hour_days = args.retention_metrics_hours_days.or(file.retention_metrics_hours_days).unwrap_or(730);
        let hour = 3600;
        Ok(Self {
            metrics: MetricsRetention {
                samples: Duration::from_secs(at_least("retention_metrics_hours", 1, samples)?.saturating_mul(hour)),
                minutes: Duration::from_secs(
                    at_least("retention_metrics_minutes_days", 1, minutes)?.saturating_mul(24 * hour),
                ),
                hours: Duration::from_secs(
                    at_least("retention_metrics_hours_days", 1, hour_days)?.saturating_mul(24 * hour),
                ),
            },
            rest,
            face,
            grpc,
            database,
            bodies: BodyConfig {
                place: bodies,
                from_bytes: usize::try_from(at_least("body_store_from_bytes", 4 << 10, from_bytes)?)
                    .unwrap_or(usize::MAX),
            },
            names,
            new_token: args.new_token,
            agent_certificate: certificate_lifetime(
                "agent_certificate",
                args.agent_certificate.or(file.agent_certificate),
            )?,
            interception_certificate: certificate_lifetime(
                "interception_certificate",
                args.interception_certificate.or(file.interception_certificate),
            )?,
            retention: Retention {
                age: Duration::from_secs(at_least("retention_hours", 1, hours)?.saturating_mul(3600)),
                exchanges: at_least("retention_exchanges", 1, exchanges)?,
                bytes: at_least("retention_bytes", 16 << 20, bytes)?,
            },
            limits: Limits {
                component_bytes: at_most(
                    "max_component_bytes",
                    weir_artifact::MAX_COMPONENT_BYTES,
                    at_least("max_component_bytes", 1 << 10, component)?,
                )?,
                queued_bytes: at_least("max_queued_bytes", 1 << 20, queued)?,
                push_time: PUSH_TIME,
                answer_time: ANSWER_TIME,
                idle_time: IDLE_TIME,
                head_time: HEAD_TIME,
                body_grace: BODY_GRACE,
                connections: CONNECTIONS,
                agent_calls: AGENT_CALLS,
            },
            data_dir,
        })
    }
}

fn value(key: &'static str, reason: String) -> ConfigError {
    ConfigError::Value { file: None, line: 0, key, reason }
}

fn place(file: &Option<PathBuf>, line: usize) -> String {
    file.as_ref().map_or_else(String::new, |file| format!("{}:{line}: ", file.display()))
}

/// Where the file sets the key; it has no tables, so a line says it.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let sets = |line: &str| line.split_once('=').is_some_and(|(left, _)| left.trim().trim_matches('"') == key);
    text.lines().position(sets).map(|line| line + 1)
}

impl ServeArgs {
    /// Is the key set by flag or variable?
    fn sets(&self, key: &str) -> bool {
        match key {
            "rest" => self.rest.is_some(),
            "grpc" => self.grpc.is_some(),
            "database_url" => self.database_url.is_some(),
            "names" => self.names.is_some(),
            "body_store" => self.bodies.body_store.is_some(),
            "body_store_from_bytes" => self.bodies.body_store_from_bytes.is_some(),
            "body_store_endpoint" => self.bodies.body_store_endpoint.is_some(),
            "body_store_region" => self.bodies.body_store_region.is_some(),
            "body_store_credentials" => self.bodies.body_store_credentials.is_some(),
            "retention_hours" => self.retention_hours.is_some(),
            "retention_exchanges" => self.retention_exchanges.is_some(),
            "retention_bytes" => self.retention_bytes.is_some(),
            "retention_metrics_hours" => self.retention_metrics_hours.is_some(),
            "retention_metrics_minutes_days" => self.retention_metrics_minutes_days.is_some(),
            "retention_metrics_hours_days" => self.retention_metrics_hours_days.is_some(),
            "max_component_bytes" => self.max_component_bytes.is_some(),
            "max_queued_bytes" => self.max_queued_bytes.is_some(),
            "agent_certificate" => self.agent_certificate.is_some(),
            "interception_certificate" => self.interception_certificate.is_some(),
            key => self.face.sets(key),
        }
    }
}

fn read(file: &Path) -> Result<(String, File), ConfigError> {
    let text = fs::read_to_string(file).map_err(|error| ConfigError::Read { file: file.to_owned(), error })?;
    let parsed = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let key = error.span().and_then(|span| text.get(span)).filter(|key| key.len() < 64 && !key.contains('\n'));
        let message = match key {
            Some(key) if !error.message().contains(key) => format!("{} (`{key}`)", error.message()),
            _ => error.message().to_owned(),
        };
        let key = text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
        let message = match key {
            Some(key) if !message.contains(key) => format!("{key}: {message}"),
            _ => message,
        };
        ConfigError::File { file: file.to_owned(), line, message }
    })?;
    Ok((text, parsed))
}

/// Longer than the CA, a certificate is worth nothing.
fn certificate_lifetime(key: &'static str, given: Option<String>) -> Result<Duration, ConfigError> {
    const BOUNDS: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(5)..=Duration::from_secs(10 * 365 * 24 * 3600);
    let Some(text) = given else { return Ok(Duration::from_secs(30 * 24 * 3600)) };
    match units::duration(&text) {
        Ok(time) if BOUNDS.contains(&time) => Ok(time),
        Ok(_) => Err(value(key, format!("`{text}` is not within 5s and 3650d"))),
        Err(reason) => Err(value(key, reason)),
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let label = |label: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(fits)
    };
    if name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label)) {
        return Ok(());
    }
    Err(value("names", format!("`{name}` is neither a host name nor an IP address")))
}

/// `~/.local/share/weir/orchestrator`, by the XDG base directory rules.
pub fn default_data_dir() -> PathBuf {
    let share = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let share = share.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    share.unwrap_or_else(|| PathBuf::from(".")).join("weir/orchestrator")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let file = std::env::temp_dir().join(format!("weir-config-{}.toml", uuid::Uuid::new_v4()));
        fs::write(&file, text).unwrap();
        let loaded = ServeConfig::load(ServeArgs { config: Some(file.clone()), ..ServeArgs::default() });
        fs::remove_file(&file).unwrap();
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn the_error_names_file_line_and_key() {
        check("rest = \"127.0.0.1:1\"\nresst = 1\n", ".toml:2: unknown field `resst`");
        check("\n\nretention_hours = \"x\"\n", ".toml:3: retention_hours: invalid type");
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        check("rest = \"0.0.0.0:7080\"", "rest: 0.0.0.0:7080 is reachable from other machines");
        check("database_url = \"mysql://weir:secret@db/weir\"", "database_url: neither sqlite://FILE nor postgres://");
        check("names = [\"a b\"]", "names: `a b` is neither");
        check("body_store = \"ftp://x\"", ".toml:1: body_store: neither file:///FOLDER nor s3://BUCKET/PREFIX");
        check("body_store_region = \"x\"", "body_store_region: only a body store s3://BUCKET has one");
        check("body_store_from_bytes = 1", "body_store_from_bytes: 1 is below");
        for endpoint in ["http://192.0.2.7:9000", "https://key:secret@bucket.example"] {
            let text = format!("body_store = \"s3://b\"\n\nbody_store_endpoint = \"{endpoint}\"");
            check(&text, ".toml:3: body_store_endpoint: ");
        }
        let text = "body_store = \"s3://b\"\nbody_store_credentials = \"/nowhere/keys.toml\"";
        check(text, ".toml:2: body_store_credentials: /nowhere/keys.toml: No such file");
        check("\n\nretention_hours = 0", ".toml:3: retention_hours: 0 is below");
        check("max_component_bytes = 67108865", ".toml:1: max_component_bytes: 67108865 is more than any agent takes");
        check("rest = \"127.0.0.1:9\"\ngrpc = \"127.0.0.1:9\"", "grpc: 127.0.0.1:9 is the address of rest too");
    }

    #[test]
    fn a_flag_is_no_fault_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("weir.toml");
        fs::write(&config, "retention_hours = 5\n").unwrap();
        let args = ServeArgs { config: Some(config), retention_hours: Some(0), ..ServeArgs::default() };
        assert!(ServeConfig::load(args).unwrap_err().to_string().starts_with("retention_hours: 0"));
    }

    #[test]
    fn flags_win_over_the_file() {
        let args = ServeArgs { rest: Some(([127, 0, 0, 1], 0).into()), ..ServeArgs::default() };
        assert_eq!(ServeConfig::load(args).unwrap().rest.port(), 0);
    }
}
