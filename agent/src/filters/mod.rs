//! The filters that are active, and where they come from: an orchestrator (through `control`) or a folder.

mod active;
mod folder;
mod log;
mod matching;
mod policies;
pub(crate) mod sidecar;
mod swap;
mod warm;

pub use active::{Active, Clash, Snapshot, Source};
pub use folder::{FileError, Folder};
pub use log::FilterLog;
pub(crate) use matching::Matcher;
pub use swap::{SwapError, remove, swap};
pub use warm::{Order, Orders, serve_orders};
