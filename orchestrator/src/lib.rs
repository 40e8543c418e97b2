//! The orchestrator: hands out signed filters, records the fleet's traffic, answers questions about both.
//! It never runs guest code; a component is looked at by parsing only.

pub mod cli;
mod config;
mod serve;

pub use config::{ConfigError, Limits, Retention, ServeArgs, ServeConfig, default_data_dir};
pub use serve::{ServeError, Server, serve};
