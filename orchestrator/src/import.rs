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
    store::{Recorded, StoreError, Written, accept, prepare, prepare_message},
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
    /// Messages of their WebSockets.
    pub(crate) messages: u64,
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
    let (batches, mut ready) = mpsc::channel::<Recorded>(1);
    let reading = tokio::task::spawn_blocking(move || {
        let mut batch = Batch { rows: Recorded::default(), bytes: 0, to: batches };
        let mut packer = zstd::bulk::Compressor::new(LEVEL).ok();
        let result = read(&mut file, |found| {
            // It was looked at before.
            let unfit = |_| ImportError::Stopped;
            let row = prepare(agent, now, &found.exchange, packer.as_mut()).map_err(unfit)?;
            batch.bytes += row.bytes();
            batch.rows.exchanges.push(row);
            for message in found.messages {
                let row = prepare_message(agent, now, message).map_err(|_| ImportError::Stopped)?;
                batch.bytes += row.bytes();
                batch.rows.seen.push(row);
                batch.flush_if_full()?;
            }
            batch.flush_if_full()
        });
        batch.flush()?;
        result
    });
    let (mut new, mut stored, mut messages) = (0, 0, 0);
    while let Some(rows) = ready.recv().await {
        let count = rows.exchanges.len() as u64;
        let of_messages = rows.seen.len() as u64;
        let (done, written) = oneshot::channel();
        let accepted = orchestrator.store.accept(rows, done).await;
        let written = match accepted {
            Ok(()) => written.await.unwrap_or(Err(StoreError::Closed)),
            Err(error) => Err(error),
        };
        let Written { new: of_these } = written.map_err(|error| ImportFailure::Store { stored, error })?;
        new += of_these;
        stored += count;
        messages += of_messages;
        orchestrator.telemetry.recorded(of_these, count - of_these);
        orchestrator.telemetry.recorded_others(of_messages);
    }
    let (source, left_out) = reading.await.map_err(|_| ImportFailure::Stopped)??;
    Ok(Imported { source, left_out, new, known: stored - new, messages })
}

struct Batch {
    rows: Recorded,
    bytes: usize,
    to: mpsc::Sender<Recorded>,
}

impl Batch {
    fn flush_if_full(&mut self) -> Result<(), ImportError> {
        let rows = self.rows.exchanges.len() + self.rows.seen.len();
        if rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        let is_empty = rows.exchanges.is_empty() && rows.seen.is_empty();
        if is_empty { Ok(()) } else { self.to.blocking_send(rows).map_err(|_| ImportError::Stopped) }
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
