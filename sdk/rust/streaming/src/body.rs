//! A body: one that came, to be read or handed on, or one that the filter writes.

use std::fmt;

use crate::{Gone, Writer, agent};

/// Field lines: names and latin-1 values.
pub type Fields = Vec<(String, String)>;

/// A body that will not be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl std::error::Error for BrokenOff {}

impl From<Gone> for BrokenOff {
    fn from(_: Gone) -> Self {
        Self
    }
}

/// A body.
pub struct Body(pub(crate) agent::Body);

impl Body {
    /// The next bytes, at least one and at most 64 KiB; none at the end. Of a body of one's own there are none to read.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        self.0.chunk().await
    }

    /// What comes after the last chunk; what was not read of those is dropped.
    ///
    /// # Errors
    /// It broke off, and what was read is not the whole.
    pub async fn trailers(self) -> Result<Option<Fields>, BrokenOff> {
        self.0.trailers().await
    }

    /// Puts these trailers in place of those that come.
    #[must_use]
    pub fn with_trailers(self, trailers: Option<Fields>) -> Self {
        Self(self.0.followed_by(async move || Ok(trailers)))
    }

    /// A body that `write` writes, as fast as it is read, after the hook has returned. Its trailers are those of the body
    /// that the hook was given, if that was read to its end.
    pub fn written(write: impl AsyncFnOnce(&mut Writer) -> Result<(), Gone> + 'static) -> Self {
        Self(agent::Body::written(async move |out| {
            // whoever read it is gone, and wants no trailers either
            let _ = write(out).await;
        }))
    }

    /// A body that `write` writes, with trailers of its own in the end; an error breaks it off.
    pub fn written_with_trailers(
        write: impl AsyncFnOnce(&mut Writer) -> Result<Option<Fields>, BrokenOff> + 'static,
    ) -> Self {
        Self(agent::Body::written_with_trailers(write))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
