//! HTTP Archives of browsers and proxies become exchanges, entry by entry: of a file of any length one entry is in memory.
//! What dialects leave out or add is taken; what cannot be meant is refused, and where it stands is said.

mod body;
mod custom;
mod exchange;
mod file;
mod head;
mod lenient;
mod model;
mod place;
mod shorten;
mod socket;
mod target;
mod time;
mod weir;

use std::{collections::BTreeMap, io::Read};

use weir_proto::v1::{Exchange, Message};

pub use place::ImportError;
pub(crate) use target::split;

/// Of a body, what is kept: an exchange has up to four, and its message is bounded.
pub const MAX_BODY_BYTES: usize = 9 << 20;
/// Of the text of one entry, long strings cut to what can be kept of them.
pub const MAX_ENTRY_BYTES: usize = 32 << 20;

/// Who wrote the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `WebInspector 537.36`, as far as the file says.
    pub creator: String,
}

/// What there is no place for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Entries that are no HTTP, by the scheme of their address.
    pub entries: BTreeMap<String, u64>,
    /// What stands among messages of WebSockets and is none, or is beyond what is kept of one exchange.
    pub messages: u64,
    /// Strings, such as bodies, that were longer than is kept.
    pub cut: u64,
    /// Members beyond the format, with names that begin with `_`, that were passed over because they cannot be read.
    pub odd: u64,
    /// Of the first of those, where it stands and what is wrong.
    pub first_odd: Vec<String>,
}

/// One entry that became an exchange. Its id is made of its content and its place in the file, so that the same file gives
/// the same ids.
#[derive(Debug)]
pub struct Found {
    /// Its place, from 0.
    pub index: usize,
    /// Fit to be stored.
    pub exchange: Exchange,
    /// What was said over its WebSocket, in its order.
    pub messages: Vec<Message>,
}

/// Reads a file to its end and gives `take` what it holds, in its order; `take` says whether to go on. Who wrote the file is
/// told when it is known, mostly at its beginning, and in what is returned.
///
/// # Errors
/// The file cannot be read, is no archive, or an entry is none; and then nothing of it should be kept.
pub fn read(file: impl Read, mut take: impl FnMut(Found) -> bool) -> Result<(Source, LeftOut), ImportError> {
    file::read(file, &mut take)
}
