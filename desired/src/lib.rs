//! What a pushed configuration may say: the keys that agents change while they run, each with its form and its range. TOML
//! text enters; a [`Document`] leaves, or every fault in it with line and key. Publishers check with it before they sign,
//! the orchestrator before it stores and agents before they act, so that all three say the same. Knows no agent: what
//! else has to fit there, only the agent can tell.

mod document;
mod key;
mod pattern;
mod read;
mod units;

pub use document::{Change, Document};
pub use key::{Key, Kind, MAX_BYTES, live_keys, not_live};
pub use pattern::TargetPattern;
pub use read::{Fault, Faults};
pub use units::{Size, Time};
