//! An answer that takes its time: however slow its reader is, and however many of them there are, memory holds a chunk for
//! each. What is larger lies in a file of the data folder that has no name, and there are only so many of these.

use std::{
    io::{self, Seek as _, Write as _},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tokio_util::io::ReaderStream;

use super::problem::Problem;
use crate::orchestrator::Orchestrator;

/// What may stay in memory.
const SMALL: usize = 64 << 10;
/// Read from the file at a time.
const CHUNK: usize = 32 << 10;
/// For a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that are to be sent.
pub(crate) enum Held {
    Small(Bytes),
    Large { file: std::fs::File, length: u64, turn: OwnedSemaphorePermit },
}

impl Held {
    pub(crate) async fn of(orchestrator: &Orchestrator, data: Bytes) -> Result<Self, Problem> {
        if data.len() <= SMALL {
            return Ok(Self::Small(data));
        }
        let busy = || Problem::busy("other large bodies are being sent: try again when one has ended");
        let turn = timeout(PATIENCE, Arc::clone(&orchestrator.reading).acquire_owned()).await;
        let turn = turn.map_err(|_| busy())?.map_err(|_| Problem::unavailable())?;
        let (scratch, length) = (orchestrator.scratch.clone(), data.len() as u64);
        let write = move || -> io::Result<std::fs::File> {
            let mut file = tempfile::tempfile_in(scratch)?;
            file.write_all(&data)?;
            file.rewind()?;
            Ok(file)
        };
        let file = tokio::task::spawn_blocking(write).await.map_err(|_| Problem::unavailable())?;
        let file = file.map_err(|error| {
            tracing::error!(%error, "an answer cannot be written to disk");
            Problem::unavailable()
        })?;
        Ok(Self::Large { file, length, turn })
    }

    pub(super) fn body(self) -> Body {
        match self {
            Self::Small(data) => data.into(),
            Self::Large { file, turn, .. } => {
                let chunks = ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK);
                // The turn goes with the last chunk, or with the reader.
                let chunks = chunks.inspect_ok(move |_| {
                    let _ = &turn;
                });
                Body::from_stream(chunks)
            }
        }
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Small(data) => data.len() as u64,
            Self::Large { length, .. } => *length,
        }
    }

    /// The answer, which says how long it is.
    pub(crate) fn answer(self, status: StatusCode, mut headers: HeaderMap) -> Response {
        headers.insert(header::CONTENT_LENGTH, self.length().into());
        (status, headers, self.body()).into_response()
    }
}
