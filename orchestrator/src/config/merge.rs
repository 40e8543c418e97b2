//! Flags over the file over defaults. What leaves is checked whole.

use std::{
    env,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    ConfigError, Limits, MetricsRetention, Retention, ServeArgs, ServeConfig, bounds::at_least, fault::value,
    file::File,
};
use crate::{
    body_store::{BodyConfig, BodyPlace},
    cli::units,
    database::Database,
};

impl ServeConfig {
    pub(super) fn merge(args: ServeArgs, mut file: File) -> Result<Self, ConfigError> {
        // One after the other they are looked at below: the first fault is told.
        let metrics = MetricsRetention::of(&args, &file);
        let (retention, limits) = (Retention::of(&args, &file), Limits::of(&args, &file));
        let data_dir = args.data_dir.or(file.data_dir.take()).unwrap_or_else(default_data_dir);
        let rest = args.rest.or(file.rest).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7080)));
        let face = args.face.over(file.face()).face(rest)?;
        let grpc = args.grpc.or(file.grpc).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7443)));
        if rest == grpc && rest.port() != 0 {
            return Err(value("grpc", format!("{grpc} is the address of rest too")));
        }
        let database = match args.database_url.or(file.database_url.take()) {
            None => Database::Sqlite(data_dir.join("weir.db")),
            Some(url) => url.parse().map_err(|reason| value("database_url", reason))?,
        };
        let bodies = args.bodies.over(file.bodies());
        // What one of several orchestrators has in a folder of its own, the others cannot read.
        let default = match database {
            Database::Sqlite(_) => BodyPlace::Folder(data_dir.join("bodies")),
            Database::Postgres(_) => BodyPlace::Database,
        };
        let from_bytes = bodies.body_store_from_bytes.unwrap_or(128 << 10);
        let bodies = bodies.place(default).map_err(|(key, reason)| value(key, reason))?;
        let names = args.names.or(file.names).unwrap_or_default();
        names.iter().try_for_each(|name| check_name(name))?;
        Ok(Self {
            metrics: metrics?,
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
            retention: retention?,
            limits: limits?,
            data_dir,
        })
    }
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
