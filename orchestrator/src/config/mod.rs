//! How the server is to run: flags and `WEIR_…` variables over a TOML file over defaults. What leaves is checked whole:
//! nothing starts with a key misspelt or a combination that is not supported.

mod args;
mod bounds;
mod face;
mod fault;
mod file;
mod merge;
mod oidc;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

pub use args::ServeArgs;
pub use bounds::{Limits, MetricsRetention, Retention};
pub use face::{Face, FaceArgs, RestTls, TlsMode};
pub use fault::ConfigError;
use fault::value;
use file::{line_of, read};
pub use merge::default_data_dir;
pub use oidc::OidcArgs;

use crate::{body_store::BodyConfig, database::Database};

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
}

#[cfg(test)]
mod tests;
