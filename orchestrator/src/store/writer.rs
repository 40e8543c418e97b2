//! Recorded exchanges, from all agents, into one transaction at a time: what came while the disk was busy shares the
//! next commit. The queue is bounded in bytes; a full one makes agents wait, and they spool.

use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::{Sqlite, SqlitePool, Transaction, query::Query, sqlite::SqliteArguments};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::{Row, StoreError};
use crate::telemetry::Telemetry;

/// Rows of one transaction; more wait for the next, so that other writers get their turn.
const TRANSACTION_ROWS: usize = 2048;
/// Batches that may wait; the bytes bound it before.
const QUEUE: usize = 1024;

/// How many rows were new; the others had been delivered before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) new: u64,
}

/// Hears of the commit.
pub(crate) type Done = oneshot::Sender<Result<Written, StoreError>>;

struct Batch {
    rows: Vec<Row>,
    room: OwnedSemaphorePermit,
    done: Done,
}

pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Batch>>>,
    room: Arc<Semaphore>,
    kibibytes: u32,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(writes: SqlitePool, queued_bytes: u64, telemetry: Arc<Telemetry>) -> Self {
        let kibibytes = u32::try_from(queued_bytes >> 10).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3);
        let (queue, batches) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(writes, batches, telemetry));
        Self {
            queue: Mutex::new(Some(queue)),
            room: Arc::new(Semaphore::new(kibibytes as usize)),
            kibibytes,
            task: Mutex::new(Some(task)),
        }
    }

    /// Waits for room; `done` hears of the commit.
    pub(super) async fn submit(&self, rows: Vec<Row>, done: Done) -> Result<(), StoreError> {
        if rows.is_empty() {
            let _ = done.send(Ok(Written { new: 0 }));
            return Ok(());
        }
        let bytes: usize = rows.iter().map(Row::bytes).sum();
        let weight = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, self.kibibytes);
        let room = Arc::clone(&self.room).acquire_many_owned(weight).await.map_err(|_| StoreError::Closed)?;
        let queue = self.queue.lock().clone().ok_or(StoreError::Closed)?;
        queue.send(Batch { rows, room, done }).await.map_err(|_| StoreError::Closed)
    }

    /// Whether it takes more.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.queue.lock() {
            Some(queue) if !queue.is_closed() => Ok(()),
            _ => Err(StoreError::Closed),
        }
    }

    /// Takes no more and waits until all that was taken is written.
    pub(super) async fn finish(&self) {
        self.queue.lock().take();
        let task = self.task.lock().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer ended before its time");
        }
    }
}

async fn run(writes: SqlitePool, mut batches: mpsc::Receiver<Batch>, telemetry: Arc<Telemetry>) {
    while let Some(first) = batches.recv().await {
        let mut group = vec![first];
        let mut rows = group[0].rows.len();
        while rows < TRANSACTION_ROWS
            && let Ok(next) = batches.try_recv()
        {
            rows += next.rows.len();
            group.push(next);
        }
        let began = Instant::now();
        let result = commit(&writes, &mut group).await;
        telemetry.committed(began.elapsed(), &result);
        match result {
            Ok(new) => {
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

/// New rows of each batch.
async fn commit(writes: &SqlitePool, group: &mut [Batch]) -> Result<Vec<u64>, StoreError> {
    let mut transaction = writes.begin_with("BEGIN IMMEDIATE").await?;
    let mut new = Vec::with_capacity(group.len());
    for batch in group {
        new.push(insert(&mut transaction, std::mem::take(&mut batch.rows)).await?);
    }
    transaction.commit().await?;
    Ok(new)
}

const COLUMNS: &str = "INSERT INTO exchanges (received_us, bytes, id, agent, started_us, duration_us, first_byte_us, method, scheme, \
    authority, host, path, version, status, request_bytes, response_bytes, content_type, outcome, error, client, \
    entry, user, filters, coding, detail) VALUES ";
const VALUES: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
/// Rows per statement: each statement is a round trip to SQLite's thread.
const MANY: usize = 32;

async fn insert(transaction: &mut Transaction<'static, Sqlite>, rows: Vec<Row>) -> Result<u64, StoreError> {
    let mut new = 0;
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let count = if rows.len() >= MANY { MANY } else { 1 };
        let mut query = sqlx::query(statement(count));
        for row in rows.by_ref().take(count) {
            query = bind(query, row);
        }
        new += query.execute(&mut **transaction).await?.rows_affected();
    }
    Ok(new)
}

/// Two texts, so that both stay prepared.
fn statement(count: usize) -> sqlx::SqlStr {
    use std::sync::LazyLock;
    static ONE: LazyLock<Arc<str>> = LazyLock::new(|| text(1));
    static SEVERAL: LazyLock<Arc<str>> = LazyLock::new(|| text(MANY));
    fn text(rows: usize) -> Arc<str> {
        format!("{COLUMNS}{} ON CONFLICT (id) DO NOTHING", vec![VALUES; rows].join(",")).into()
    }
    let text = if count == 1 { &ONE } else { &SEVERAL };
    sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(Arc::clone(text)))
}

fn bind(query: Query<'_, Sqlite, SqliteArguments>, row: Row) -> Query<'_, Sqlite, SqliteArguments> {
    query
        .bind(row.received_us)
        .bind(super::signed(row.stored_bytes() as u64))
        .bind(row.id.to_vec())
        .bind(row.agent)
        .bind(row.started_us)
        .bind(row.duration_us)
        .bind(row.first_byte_us)
        .bind(row.method)
        .bind(row.scheme)
        .bind(row.authority)
        .bind(row.host)
        .bind(row.path)
        .bind(row.version)
        .bind(row.status)
        .bind(row.request_bytes)
        .bind(row.response_bytes)
        .bind(row.content_type)
        .bind(row.outcome)
        .bind(row.error)
        .bind(row.client)
        .bind(row.entry)
        .bind(row.user)
        .bind(row.filters)
        .bind(row.coding)
        .bind(row.detail)
}
