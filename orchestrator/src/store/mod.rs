//! What the orchestrator knows, on disk. Statements go in, rows come out; no protocol of either side is known here
//! beyond the messages that are kept whole.
//!
//! One connection writes, several read: SQLite in WAL mode never makes a reader wait for the writer. `synchronous` is
//! FULL, so what a committed transaction answered for survives the loss of power.

mod agents;
mod arrivals;
mod exchanges;
mod filters;
mod metrics;
mod record;
mod retention;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod tokens;
mod writer;

use std::{fs, io, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use agents::{Agent, Outcome};
pub(crate) use arrivals::Arrivals;
pub(crate) use exchanges::Summary;
pub(crate) use filters::{Accepted, FilterRow, Publishing, StatementRow};
pub(crate) use metrics::Sample;
pub(crate) use record::{Row, prepare};
pub(crate) use tokens::{Joining, Spend};
pub(crate) use writer::Written;

use crate::{Limits, disk, telemetry::Telemetry};

/// Readers at a time; more wait their turn.
const READERS: u32 = 4;

/// The database cannot answer, and why.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made or opened.
    #[error("database {file}: {error}")]
    File {
        /// Its path.
        file: String,
        /// Why not.
        error: io::Error,
    },
    /// A later version of Weir wrote it.
    #[error(
        "the database was written by a newer orchestrator (schema {theirs}, this one knows {ours}): run that version, or restore a backup"
    )]
    Newer {
        /// Newest migration in the file.
        theirs: i64,
        /// Newest migration of this binary.
        ours: i64,
    },
    /// A migration failed; the database is as before.
    #[error("the database cannot be brought up to date: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// The disk is full, gone, or the file damaged.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// A transaction of exchanges failed; agents keep them.
    #[error("exchanges were not stored: {0}")]
    NotStored(String),
    /// A row that this program cannot have written.
    #[error("the database holds {0} that cannot be read")]
    Damaged(&'static str),
    /// The server is shutting down.
    #[error("the orchestrator is shutting down")]
    Closed,
}

/// The database.
pub(crate) struct Store {
    reads: SqlitePool,
    writes: SqlitePool,
    writer: writer::Writer,
}

impl Store {
    /// Opens or creates the file, readable by its owner only, and brings it up to date.
    pub(crate) async fn open(file: &Path, limits: Limits, telemetry: Arc<Telemetry>) -> Result<Self, StoreError> {
        let fault = |error| StoreError::File { file: file.display().to_string(), error };
        // SQLite gives its journal files the mode of the database.
        fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(fault)?;
        // A restored one has the mode that the umask gives: what clients said is in there.
        for ending in ["", "-wal", "-shm"] {
            let mut path = file.as_os_str().to_owned();
            path.push(ending);
            if disk::make_private(Path::new(&path)).map_err(fault)? {
                tracing::warn!("{} could be read by others: it no longer can", path.display());
            }
        }
        let options = SqliteConnectOptions::new()
            .filename(file)
            .page_size(record::PAGE as u32)
            .auto_vacuum(SqliteAutoVacuum::None)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .pragma("wal_autocheckpoint", "2000")
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        let writes = pool(1).connect_with(options.clone().pragma("cache_size", "-32768")).await?;
        schema::migrate(&writes).await?;
        let reads = pool(READERS).connect_with(options.read_only(true).pragma("query_only", "ON")).await?;
        let writer = writer::Writer::start(writes.clone(), limits.queued_bytes, telemetry);
        Ok(Self { reads, writes, writer })
    }

    /// Takes rows when there is room for them; `done` hears when they are on disk.
    pub(crate) async fn accept(&self, rows: Vec<Row>, done: writer::Done) -> Result<(), StoreError> {
        self.writer.submit(rows, done).await
    }

    /// Whether the database answers and what comes in is written.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        self.writer.check()?;
        sqlx::query("SELECT 1 FROM agents LIMIT 1").fetch_optional(&self.reads).await?;
        Ok(())
    }

    /// Writes what is queued, then closes.
    pub(crate) async fn close(&self) {
        self.writer.finish().await;
        self.reads.close().await;
        self.writes.close().await;
    }

    /// A write of its own, in turn with the recorded traffic.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writes.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// An unsigned number as SQLite holds it; what does not fit was bounded before it came here.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number that [`signed`] put there.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
