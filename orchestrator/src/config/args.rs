//! Flags and variables of `orchestrator serve`.

use std::{net::SocketAddr, path::PathBuf};

use super::FaceArgs;
use crate::{body_store::BodyStoreArgs, database::DatabaseUrl};

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

impl ServeArgs {
    /// Is the key set by flag or variable?
    pub(super) fn sets(&self, key: &str) -> bool {
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
