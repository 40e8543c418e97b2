//! The filters that are active, and where they come from: an orchestrator (through `control`) or a folder.

mod active;

mod log;
mod matching;

mod warm;

pub use active::{Active, Clash, Snapshot, Source};

pub use log::FilterLog;
pub use warm::{Order, Orders, serve_orders};
