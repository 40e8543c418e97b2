//! A piece of a body on its way through a filter.

use std::ops::Deref;

/// A piece of a body, the filter's own copy. Reads like a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes. Empty at most when `end_of_stream` is true.
    pub bytes: Vec<u8>,
    /// No more comes after this, except trailers.
    pub end_of_stream: bool,
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}
