//! Where a body is written.

use std::fmt;

use crate::agent;

/// Nobody reads the body any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the body any more")
    }
}

impl std::error::Error for Gone {}

/// Where a body is written. What is written waits until somebody takes it.
pub struct Writer(pub(crate) agent::Writer);

impl Writer {
    /// Comes back when all of it was taken.
    ///
    /// # Errors
    /// Nobody takes it.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result<(), Gone> {
        let bytes = bytes.into();
        if bytes.is_empty() { Ok(()) } else { self.0.write(bytes).await }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
