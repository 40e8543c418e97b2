//! Recorded exchanges in the forms of others: HTTP Archive 1.2, written and read; a curl command; messages as HTTP/1.1 has
//! them. Pure: messages of [`weir_proto`] on one side, text and bytes on the other. Knows no store, no socket and no query.

pub mod coding;
mod curl;
mod fields;
mod outcome;
mod quote;
mod raw;
mod read;
mod secrets;
mod write;

pub use curl::command;
pub use fields::reason;
pub use outcome::word;
pub use raw::messages;
pub use read::{Found, ImportError, LeftOut, MAX_BODY_BYTES, MAX_ENTRY_BYTES, Source, read};
pub use secrets::{HIDDEN, REDACTED, REDACTED_IN_URLS, hidden, hide};
pub use write::{Recorder, begin, end, end_with, entry, entry_with, is_websocket};

/// Tags that say how an exchange was imported begin with this; no filter's name does.
pub const IMPORT_TAG: &str = "_import.";
