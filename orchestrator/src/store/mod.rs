//! What the orchestrator knows, on disk. Statements go in, rows come out; no protocol of either side is known here
//! beyond the messages that are kept whole.

mod access;
mod agents;
mod annotations;
mod answers;
mod arrivals;
mod bodies;
mod breakpoints;
mod configurations;
mod copy;
mod deed;
mod deletion;
mod dialect;
mod exchanges;
mod filters;
mod imports;
mod index;
mod join_tokens;
mod listing;
mod mail;
mod messages;
mod metrics;
mod others;
#[cfg(test)]
mod plans_tests;
mod postgres;
mod record;
mod retention;
#[cfg(test)]
mod retention_tests;
mod rules;
mod schema;
mod search;
mod seen;
mod sql;
mod sqlite;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tiers;
mod tokens;
mod usage;
mod vacuum;
mod writer;

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use uuid::Uuid;
use weir_artifact::Digest;

pub(crate) use access::{AccessToken, Audited, User};
pub(crate) use agents::{Agent, AgentRow, Outcome};
pub(crate) use annotations::{is_of_people, without as without_annotations};
pub(crate) use answers::Begun;
pub(crate) use arrivals::{Arrival, Arrivals};
pub(crate) use bodies::{Damage, Kept, Slot};
pub(crate) use configurations::Configured;
pub(crate) use copy::{restore, schema as newest_schema};
pub(crate) use deed::Deed;
pub(crate) use deletion::Changed;
pub(crate) use exchanges::{Outline, Summary};
pub(crate) use filters::{Accepted, FilterRow, Publishing, StatementRow};
pub(crate) use imports::IMPORT_AGENT;
pub(crate) use join_tokens::{JoinTokenRow, Revoked};
pub(crate) use listing::{CONNECTIONS, LINES, Listed, TUNNELS, Table, Wanted};
pub(crate) use mail::{Letter, Mail};
pub(crate) use messages::Told;
pub(crate) use metrics::Sample;
pub(crate) use others::{News, Others, Presence};
pub(crate) use record::{Row, accept, prepare};
pub(crate) use rules::{Action, Rule};
pub(crate) use search::Unread;
pub(crate) use seen::{Recorded, prepare_connection, prepare_line, prepare_message, prepare_tunnel};
pub(crate) use tiers::{History, Point, Range, TIERS, Tier};
pub(crate) use tokens::{Joining, Spend};
pub(crate) use usage::{By, Of, Usage, UsageWanted};
pub(crate) use writer::Written;

use crate::{BodyConfig, Database, Limits, telemetry::Telemetry};
use bodies::{Objects, Shelves};
use dialect::Dialect;
use sql::{Pool, Sql, Transaction};

/// For the database to say that it is there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// For connections to be closed in order: those to a server that vanished never are.
const CLOSING: Duration = Duration::from_secs(10);
/// Searches that unpack whole messages, at a time.
const UNPACKING: usize = 2;

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
    /// It cannot be reached, or not be used.
    #[error("PostgreSQL at {place}: {error}")]
    Unusable {
        /// Host, port and database.
        place: String,
        /// Why not.
        error: String,
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
    /// It is away, the disk is full, or the file damaged.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// A transaction of exchanges failed; agents keep them.
    #[error("exchanges were not stored: {0}")]
    NotStored(String),
    /// The body store cannot be used.
    #[error("body store {place}: {error}")]
    BodyStore {
        /// Its folder, or its bucket.
        place: String,
        /// Why not.
        error: String,
    },
    /// A body is not what was stored.
    #[error("the stored body {digest} is damaged: {reason}")]
    Body {
        /// Of its captured bytes.
        digest: Digest,
        /// What is wrong.
        reason: String,
    },
    /// A body of this exchange is not what was stored.
    #[error("the stored body {digest} of exchange {exchange} is damaged: {reason}")]
    BodyOf {
        /// Of its captured bytes.
        digest: Digest,
        /// One that needs it.
        exchange: Uuid,
        /// What is wrong.
        reason: String,
    },
    /// The body store does not answer.
    #[error("{0}")]
    BodyAway(String),
    /// A row that this program cannot have written.
    #[error("the database holds {0} that cannot be read")]
    Damaged(&'static str),
    /// It cannot be written to where it is put together.
    #[error("a backup cannot be written: {0}")]
    Backup(String),
    /// It took too long to say that it is there.
    #[error("the database does not answer within {} s", SIGN_OF_LIFE.as_secs())]
    Silent,
    /// A transaction does not come to its end.
    #[error("nothing was written for some seconds, though something waits for it")]
    Stalled,
    /// The server is shutting down.
    #[error("the orchestrator is shutting down")]
    Closed,
}

impl StoreError {
    /// Of this exchange, as far as that matters.
    fn of(self, exchange: Uuid) -> Self {
        match self {
            Self::Body { digest, reason } => Self::BodyOf { digest, exchange, reason },
            other => other,
        }
    }
}

/// The database, and the body store.
pub(crate) struct Store {
    reads: Pool,
    writes: Pool,
    shelves: Shelves,
    writer: writer::Writer,
    /// For searches that unpack whole messages: the readers are for others too.
    unpacking: Arc<Semaphore>,
    /// Changes when exchanges came.
    arrived: watch::Sender<u64>,
}

impl Store {
    /// Opens it, or creates the file, and brings it up to date.
    pub(crate) async fn open(
        database: &Database,
        bodies: &BodyConfig,
        limits: Limits,
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, StoreError> {
        let (reads, writes) = match database {
            Database::Sqlite(file) => {
                let (reads, writes) = sqlite::open(file).await?;
                (Pool::Sqlite(reads), Pool::Sqlite(writes))
            }
            Database::Postgres(url) => {
                let (reads, writes) = postgres::open(url).await?;
                (Pool::Postgres(reads), Pool::Postgres(writes))
            }
        };
        let arrived = watch::Sender::new(0);
        let writer = writer::Writer::start(writes.clone(), limits.queued_bytes, telemetry, arrived.clone());
        let objects = Objects::open(&bodies.place)?.map(Arc::new);
        let shelves = Shelves { reads: reads.clone(), writes: writes.clone(), objects, from_bytes: bodies.from_bytes };
        let unpacking = Arc::new(Semaphore::new(UNPACKING));
        let store = Self { reads, writes, shelves, writer, unpacking, arrived };
        store.claim_bodies().await?;
        Ok(store)
    }

    /// Changes whenever exchanges came, here or at another orchestrator.
    pub(crate) fn arrivals_news(&self) -> watch::Receiver<u64> {
        self.arrived.subscribe()
    }

    /// Others took exchanges.
    pub(crate) fn arrived_elsewhere(&self) {
        self.arrived.send_modify(|count| *count += 1);
    }

    /// Takes rows when there is room for them; `done` hears when they are on disk.
    pub(crate) async fn accept(&self, rows: impl Into<Recorded>, done: writer::Done) -> Result<(), StoreError> {
        let mut recorded = rows.into();
        self.put_large(&mut recorded.exchanges).await?;
        self.writer.submit(recorded, done).await
    }

    /// Whether the database answers and what comes in is written.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        self.writer.check()?;
        let asked = Sql::new("SELECT 1 FROM agents LIMIT 1").fetch_optional(&self.reads);
        timeout(SIGN_OF_LIFE, asked).await.map_err(|_| StoreError::Silent)??;
        Ok(())
    }

    /// Writes what is queued, then closes.
    pub(crate) async fn close(&self) {
        self.writer.finish().await;
        let closed = async {
            self.reads.close().await;
            self.writes.close().await;
        };
        if timeout(CLOSING, closed).await.is_err() {
            tracing::warn!("the database does not let go of its connections: they are left");
        }
    }

    /// A write of its own, in turn with the recorded traffic.
    async fn begin(&self) -> Result<Transaction, StoreError> {
        self.writes.begin().await
    }

    fn dialect(&self) -> Dialect {
        self.writes.dialect()
    }
}

/// An unsigned number as databases hold it; what does not fit was bounded before it came here.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number that [`signed`] put there.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
