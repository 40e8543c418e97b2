//! The orchestrator: hands out signed filters, records the fleet's traffic, answers questions about both.
//! It never runs guest code; a component is looked at by parsing only.

mod access;
mod backup;
mod body_store;
mod certificates;
pub mod cli;
mod clock;
mod commands;
mod compare;
mod components;
mod config;
mod database;
mod disk;
mod events;
mod fair;
mod fleet;
mod graphql;
mod grpc;
mod import;
mod in_transit;
mod interception;
mod open_files;
mod orchestrator;
mod others;
mod pki;
mod replay;
mod rest;
mod room;
mod root;
mod seats;
mod serve;
mod store;
mod tail;
mod telemetry;
mod tokens;

pub use access::{Area, Network, NetworkError, OidcConfig, Proxies, ProxyHeader, RateLimits, Role};
pub use body_store::{BodyConfig, BodyPlace, BodyStoreArgs, Bucket};
pub use certificates::CertificateError;
pub use config::{
    ConfigError, Face, FaceArgs, Limits, MetricsRetention, OidcArgs, RestTls, Retention, ServeArgs, ServeConfig,
    TlsMode, default_data_dir,
};
pub use database::{Database, DatabaseUrl, PostgresUrl};
pub use pki::PkiError;
pub use serve::{ServeError, Server, serve};
pub use store::StoreError;
