//! Where in a file something is wrong, and what.

use std::fmt::Write as _;

use serde_path_to_error::{Path, Segment};

/// Longest text of a reason: it may quote the file.
const REASON: usize = 300;

/// A file that cannot be imported.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// This entry is not what it should be. It is the fault of the file.
    #[error("{}: {reason}", path(.pointer))]
    Entry {
        /// Its place, from 0.
        index: usize,
        /// JSON Pointer (RFC 6901) from the root of the file.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// The file as a whole is no archive.
    #[error("{0}")]
    File(String),
    /// Whoever takes the exchanges wants no more.
    #[error("it was stopped")]
    Stopped,
}

/// What is wrong within an entry.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) pointer: String,
    pub(super) reason: String,
}

impl Fault {
    /// `pointer` begins with a slash, or is empty for the entry itself.
    pub(super) fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }

    /// Of what serde found wrong.
    pub(super) fn of_path(path: &Path, reason: &str) -> Self {
        let mut pointer = String::new();
        for segment in path.iter() {
            let _ = match segment {
                Segment::Seq { index } => write!(pointer, "/{index}"),
                Segment::Map { key } => write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1")),
                Segment::Enum { variant } => write!(pointer, "/{variant}"),
                Segment::Unknown => Ok(()),
            };
        }
        Self { pointer, reason: reason.to_owned() }
    }

    pub(super) fn at(self, index: usize) -> ImportError {
        let pointer = format!("/log/entries/{index}{}", self.pointer);
        ImportError::Entry { index, pointer, reason: cut(&self.reason) }
    }
}

/// Of whoever wrote the file: nothing of it may command a terminal or fill a log.
pub(super) fn cut(text: &str) -> String {
    let shown = text.chars().flat_map(|c| {
        let escape = c.is_control();
        let (plain, escaped) = if escape { (None, Some(c.escape_default())) } else { (Some(c), None) };
        plain.into_iter().chain(escaped.into_iter().flatten())
    });
    shown.take(REASON).collect()
}

/// `log.entries[3].request.url`
fn path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&cut(&part));
        }
    }
    path
}
