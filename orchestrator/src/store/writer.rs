//! Recorded exchanges, from all agents, into one transaction at a time: what came while the disk was busy shares the
//! next commit. The queue is bounded in bytes; a full one makes agents wait, and they spool.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Recorded, StoreError, bodies, postgres, sql::Pool, sqlite};
use crate::telemetry::Telemetry;

/// Rows of one transaction; more wait for the next, so that other writers get their turn.
const TRANSACTION_ROWS: usize = 2048;
/// Batches that may wait; the bytes bound it before.
const QUEUE: usize = 1024;
/// A transaction that takes so long is to be known: nothing is recorded meanwhile.
const STALLED: Duration = Duration::from_secs(5);
/// SQLSTATE of a statement that took longer than it may.
const QUERY_CANCELED: &str = "57014";
/// Between two tries at a database that is away: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How many exchanges were new; the others had been delivered before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) new: u64,
}

/// Hears of the commit.
pub(crate) type Done = oneshot::Sender<Result<Written, StoreError>>;

struct Batch {
    rows: Recorded,
    room: OwnedSemaphorePermit,
    done: Done,
}

type Begun = Arc<Mutex<Option<Instant>>>;

pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Batch>>>,
    room: Arc<Semaphore>,
    kibibytes: u32,
    /// Since when a transaction is on its way to the disk.
    begun: Begun,
    /// Nobody waits for a database that is away any more.
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Whoever looks for new rows looks again after each change of `arrived`.
    pub(super) fn start(
        writes: Pool,
        queued_bytes: u64,
        telemetry: Arc<Telemetry>,
        arrived: watch::Sender<u64>,
    ) -> Self {
        let kibibytes = u32::try_from(queued_bytes >> 10).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3);
        let (queue, batches) = mpsc::channel(QUEUE);
        let closing = CancellationToken::new();
        let begun = Begun::default();
        let told = (telemetry, arrived, Arc::clone(&begun));
        let task = tokio::spawn(run(writes, batches, told, closing.clone()));
        Self {
            queue: Mutex::new(Some(queue)),
            room: Arc::new(Semaphore::new(kibibytes as usize)),
            kibibytes,
            begun,
            closing,
            task: Mutex::new(Some(task)),
        }
    }

    /// Waits for room; `done` hears of the commit.
    pub(super) async fn submit(&self, rows: Recorded, done: Done) -> Result<(), StoreError> {
        if rows.rows() == 0 {
            let _ = done.send(Ok(Written { new: 0 }));
            return Ok(());
        }
        let weight = u32::try_from(rows.bytes() >> 10).unwrap_or(u32::MAX).clamp(1, self.kibibytes);
        let room = Arc::clone(&self.room).acquire_many_owned(weight).await.map_err(|_| StoreError::Closed)?;
        let queue = self.queue.lock().clone().ok_or(StoreError::Closed)?;
        queue.send(Batch { rows, room, done }).await.map_err(|_| StoreError::Closed)
    }

    /// Whether it takes more, and what it took gets on.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.begun.lock().is_some_and(|begun| begun.elapsed() > STALLED) {
            return Err(StoreError::Stalled);
        }
        match &*self.queue.lock() {
            Some(queue) if !queue.is_closed() => Ok(()),
            _ => Err(StoreError::Closed),
        }
    }

    /// Takes no more and waits until all that was taken is written, unless the database is away: then agents keep it.
    pub(super) async fn finish(&self) {
        self.queue.lock().take();
        self.closing.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer ended before its time");
        }
    }
}

async fn run(
    writes: Pool,
    mut batches: mpsc::Receiver<Batch>,
    (telemetry, arrived, begun): (Arc<Telemetry>, watch::Sender<u64>, Begun),
    closing: CancellationToken,
) {
    let mut most = TRANSACTION_ROWS;
    while let Some(first) = batches.recv().await {
        let mut group = vec![first];
        let mut rows = group[0].rows.rows();
        while rows < TRANSACTION_ROWS
            && let Ok(next) = batches.try_recv()
        {
            rows += next.rows.rows();
            group.push(next);
        }
        *begun.lock() = Some(Instant::now());
        let persisted = persist(&writes, &mut group, &mut most, &telemetry, &closing).await;
        *begun.lock() = None;
        match persisted {
            Ok(new) => {
                arrived.send_modify(|count| *count += 1);
                for (batch, new) in group.into_iter().zip(new) {
                    drop(batch.room);
                    // An agent that went away asks again and is told the same.
                    let _ = batch.done.send(Ok(Written { new }));
                }
            }
            Err(error) => {
                tracing::error!(%error, "exchanges were not stored; agents keep them");
                for batch in group {
                    let _ = batch.done.send(Err(StoreError::NotStored(error.to_string())));
                }
            }
        }
    }
}

/// Longer than the server itself lets a statement of a writer run.
const PATIENCE: Duration = Duration::from_secs(45);

/// Commits, and while the database is away does not give up: agents are slowed meanwhile by the queue that fills, and
/// what was committed though we did not hear of it is found to be there. `most` is how many batches one transaction takes: half
/// of those that were too much, and an eighth more each time that goes well.
async fn persist(
    writes: &Pool,
    group: &mut [Batch],
    most: &mut usize,
    telemetry: &Telemetry,
    closing: &CancellationToken,
) -> Result<Vec<u64>, StoreError> {
    let mut pause = PAUSES.0;
    let mut failed = 0;
    let mut new = Vec::with_capacity(group.len());
    while new.len() < group.len() {
        let rest = &mut group[new.len()..];
        let count = rest.len().min(*most);
        let began = Instant::now();
        let result = commit(writes, &mut rest[..count]).await;
        telemetry.committed(began.elapsed(), &result);
        match result {
            Ok(of_these) => {
                if failed > 0 {
                    tracing::info!(failed, "the database takes exchanges again");
                }
                new.extend(of_these);
                *most = (*most + (*most / 8).max(1)).min(TRANSACTION_ROWS);
                (pause, failed) = (PAUSES.0, 0);
                continue;
            }
            Err(StoreError::Sql(error)) if writes.may_come_back(&error) && !closing.is_cancelled() => {
                if failed == 0 {
                    tracing::error!(%error, "the database takes no exchanges; they are kept and tried again");
                }
                failed += 1;
                if is_too_much(&error, began.elapsed()) {
                    tell_too_much(&rest[..count], began.elapsed());
                    *most = (count / 2).max(1);
                }
            }
            Err(other) => return Err(other),
        }
        // An end to the pause, not an error.
        let _ = timeout(pause, closing.cancelled()).await;
        pause = (pause * 2).min(PAUSES.1);
    }
    Ok(new)
}

/// Did it end for the time that it took, so that less of it may go well?
fn is_too_much(error: &sqlx::Error, took: Duration) -> bool {
    let canceled = error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == QUERY_CANCELED);
    canceled || took >= PATIENCE
}

fn tell_too_much(part: &[Batch], took: Duration) {
    let rows: usize = part.iter().map(|batch| batch.rows.rows()).sum();
    let bytes: usize = part.iter().map(|batch| batch.rows.bytes()).sum();
    let (batches, seconds) = (part.len(), took.as_secs());
    tracing::warn!(
        batches,
        rows,
        bytes,
        seconds,
        "the database did not get through a transaction in its time: half of the batches are tried, or the same where it is one"
    );
}

/// New exchanges of each batch.
async fn commit(writes: &Pool, group: &mut [Batch]) -> Result<Vec<u64>, StoreError> {
    if group.iter().any(|batch| bodies::is_stale(&batch.rows.exchanges)) {
        return Err(StoreError::NotStored("its bodies wait for the database for too long".to_owned()));
    }
    match writes {
        Pool::Sqlite(pool) => sqlite::ingest(pool, group.iter_mut().map(|batch| &mut batch.rows)).await,
        Pool::Postgres(pool) => {
            let batches: Vec<&Recorded> = group.iter().map(|batch| &batch.rows).collect();
            // A server that vanished without a word would be waited for for ever: there is nothing left to send that the
            // network could miss an answer to.
            let ingest = timeout(PATIENCE, postgres::ingest(pool, &batches)).await;
            ingest.unwrap_or(Err(StoreError::Sql(sqlx::Error::PoolTimedOut)))
        }
    }
}
