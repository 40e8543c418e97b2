//! Writes events to one reader.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout};

/// A reader that takes nothing for so long has left, or is as good as gone: it comes back to where it was.
const PATIENCE: Duration = Duration::from_secs(60);
/// When nothing happens, something is said after this time, so that both sides see that the other is there.
pub(in super::super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Until a reader that lost the connection comes back, milliseconds.
const RETRY_MS: u32 = 1000;

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Gone {
    /// The reader left.
    Left,
    /// The reader took nothing for long.
    Slow,
    /// Its credential counts no longer.
    Lapsed,
    /// The server stops.
    Stopping,
    /// What is followed cannot be read.
    Failed,
    /// The agent that was named is none any more.
    NoAgent,
}

/// Events that go together.
#[derive(Default)]
pub(in super::super) struct Page(String);

/// Where one reader's events are written.
#[derive(Clone)]
pub(in super::super) struct Pen(mpsc::Sender<Bytes>);

impl Page {
    /// One event. Its id is the place to go on from.
    pub(in super::super) fn event(&mut self, kind: &str, place: &str, data: &impl Serialize) {
        // JSON has no line ends but in escapes, so it is one line. What was recorded has no value that JSON has not.
        let data = serde_json::to_string(data).unwrap_or_default();
        let _ = write!(self.0, "id: {place}\nevent: {kind}\ndata: {data}\n\n");
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// No event: the place to go on from, and a sign of life.
    pub(in super::super) fn place(&mut self, place: &str) {
        let _ = write!(self.0, ": here\nid: {place}\n\n");
    }
}

impl Pen {
    pub(super) fn new(out: mpsc::Sender<Bytes>) -> Self {
        Self(out)
    }

    /// The first words: how soon to come back, and the place where the stream begins.
    pub(in super::super) async fn begin(&self, place: &str) -> Result<(), Gone> {
        let mut page = Page(format!("retry: {RETRY_MS}\n"));
        page.place(place);
        self.write(page).await
    }

    /// Waits for the reader, not for ever.
    pub(in super::super) async fn write(&self, page: Page) -> Result<(), Gone> {
        match timeout(PATIENCE, self.0.send(page.0.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Gone::Left),
            Err(_) => Err(Gone::Slow),
        }
    }

    /// Until the reader is gone.
    pub(super) async fn left(&self) {
        self.0.closed().await;
    }

    /// The last word, where there is room for it.
    pub(super) fn end(&self, gone: Gone) {
        let (reason, advice) = match gone {
            Gone::Left => return,
            Gone::Slow => ("slow", "nothing was read for a minute; go on from the last id"),
            Gone::Lapsed => ("unauthorized", "the token or user counts no longer"),
            Gone::Stopping => ("stopping", "the orchestrator is shutting down; go on from the last id"),
            Gone::NoAgent => ("gone", "the agent was revoked: there is none of this id or name any more"),
            Gone::Failed => ("unavailable", "the database does not answer; go on from the last id"),
        };
        let data = serde_json::json!({ "reason": reason, "detail": advice });
        let _ = self.0.try_send(format!("event: end\ndata: {data}\n\n").into());
    }
}
