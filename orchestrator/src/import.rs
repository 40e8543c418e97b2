//! An HTTP Archive that lies in a file becomes recorded exchanges. It is read twice: first to see that all of it can be
//! imported, then to store it. So a file with a fault leaves nothing behind.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use weir_har::{Found, ImportError, LeftOut, Source};

use crate::{
    clock::now_us,
    orchestrator::Orchestrator,
    store::{Row, StoreError, Written, accept, prepare},
};

/// Rows of a batch, and their bytes, about.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// As for what agents send.
const LEVEL: i32 = 1;

/// What came of a file.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) source: Source,
    pub(crate) left_out: LeftOut,
    /// Exchanges that are there now and were not before.
    pub(crate) new: u64,
    /// Those that the same file had brought before.
    pub(crate) known: u64,
}

/// Why nothing came of it, or not all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportFailure {
    /// The file's fault; nothing was stored.
    #[error(transparent)]
    File(#[from] ImportError),
    /// The disk's, after so many exchanges. The same file again stores the others.
    #[error("{error}, after {stored} exchanges")]
    Store { stored: u64, error: StoreError },
    /// The server ends.
    #[error("the import was stopped")]
    Stopped,
}

/// Whether it can be imported. `stop` ends it between two entries.
pub(crate) fn check(file: &mut File, stop: &CancellationToken) -> Result<(), ImportFailure> {
    read(file, |found| {
        let refused = accept(&found.exchange).err();
        if let Some(reason) = refused {
            return Err(ImportError::Entry {
                index: found.index,
                pointer: format!("/log/entries/{}", found.index),
                reason: reason.to_string(),
            });
        }
        if stop.is_cancelled() { Err(ImportError::Stopped) } else { Ok(()) }
    })
    .map(drop)
}

/// Stores what [`check`] looked at, to its end.
pub(crate) async fn store(orchestrator: &Orchestrator, mut file: File) -> Result<Imported, ImportFailure> {
    let failed = |error| ImportFailure::Store { stored: 0, error };
    let now = now_us();
    let agent = orchestrator.store.import_agent(now).await.map_err(failed)?;
    let (batches, mut ready) = mpsc::channel::<Vec<Row>>(1);
    let reading = tokio::task::spawn_blocking(move || {
        let mut batch = Batch { rows: Vec::new(), bytes: 0, to: batches };
        let mut packer = zstd::bulk::Compressor::new(LEVEL).ok();
        let result = read(&mut file, |found| match prepare(agent, now, &found.exchange, packer.as_mut()) {
            Ok(row) => batch.push(row),
            // It was looked at before.
            Err(_) => Err(ImportError::Stopped),
        });
        batch.flush()?;
        result
    });
    let (mut new, mut stored) = (0, 0);
    while let Some(rows) = ready.recv().await {
        let count = rows.len() as u64;
        let (done, written) = oneshot::channel();
        let accepted = orchestrator.store.accept(rows, done).await;
        let written = match accepted {
            Ok(()) => written.await.unwrap_or(Err(StoreError::Closed)),
            Err(error) => Err(error),
        };
        let Written { new: of_these } = written.map_err(|error| ImportFailure::Store { stored, error })?;
        new += of_these;
        stored += count;
        orchestrator.telemetry.recorded(of_these, count - of_these);
    }
    let (source, left_out) = reading.await.map_err(|_| ImportFailure::Stopped)??;
    Ok(Imported { source, left_out, new, known: stored - new })
}

struct Batch {
    rows: Vec<Row>,
    bytes: usize,
    to: mpsc::Sender<Vec<Row>>,
}

impl Batch {
    fn push(&mut self, row: Row) -> Result<(), ImportError> {
        self.bytes += row.bytes();
        self.rows.push(row);
        if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() { Ok(()) } else { self.to.blocking_send(rows).map_err(|_| ImportError::Stopped) }
    }
}

/// From the beginning of the file.
fn read(
    file: &mut File,
    mut take: impl FnMut(Found) -> Result<(), ImportError>,
) -> Result<(Source, LeftOut), ImportFailure> {
    let fault = |error: io::Error| ImportError::File(format!("it cannot be read: {error}"));
    file.rewind().map_err(fault)?;
    let mut refused = None;
    let result = weir_har::read(file.by_ref(), |found| match take(found) {
        Ok(()) => true,
        Err(error) => {
            refused = Some(error);
            false
        }
    });
    match (refused, result) {
        (Some(ImportError::Stopped), _) | (None, Err(ImportError::Stopped)) => Err(ImportFailure::Stopped),
        (Some(error), _) | (None, Err(error)) => Err(error.into()),
        (None, Ok(read)) => Ok(read),
    }
}
