//! An answer that takes its time: however slow its reader is, and however many of them there are, memory holds a chunk for
//! each. What is larger lies in a file of the data folder that has no name, and there are only so many of these, and fewer for each
//! token or user.

use std::{
    io::{self, Seek as _, Write as _},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::problem::Problem;
use crate::{fair::Share, orchestrator::Orchestrator};

/// What may stay in memory.
const SMALL: usize = 64 << 10;
/// Read from the file at a time.
const CHUNK: usize = 32 << 10;
/// For a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that are to be sent.
pub(crate) enum Held {
    Small(Bytes),
    Large { file: std::fs::File, length: u64, turn: Share },
}

/// A turn of this name to send so many bytes, where they need one. It is asked for before room in memory is: whoever waits holds none.
pub(crate) async fn turn(orchestrator: &Orchestrator, name: &str, bytes: u64) -> Result<Option<Share>, Problem> {
    match bytes > SMALL as u64 {
        true => next(orchestrator, name).await.map(Some),
        false => Ok(None),
    }
}

async fn next(orchestrator: &Orchestrator, name: &str) -> Result<Share, Problem> {
    let busy = || Problem::busy("other large bodies are being sent: try again when one has ended");
    let turn = timeout(PATIENCE, orchestrator.reading.take(name, 1)).await;
    turn.map_err(|_| busy())?.map_err(|_| Problem::unavailable())
}

impl Held {
    /// For whoever has this name, and this turn unless so many bytes were not expected.
    pub(crate) async fn of(
        orchestrator: &Orchestrator,
        name: &str,
        turn: Option<Share>,
        data: Bytes,
    ) -> Result<Self, Problem> {
        if data.len() <= SMALL {
            return Ok(Self::Small(data));
        }
        let turn = match turn {
            Some(turn) => turn,
            None => next(orchestrator, name).await?,
        };
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
