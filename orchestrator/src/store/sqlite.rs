//! SQLite: one file, one connection that writes, several that read. In WAL mode no reader waits for the writer.
//! `synchronous` is FULL, so what a committed transaction answered for survives the loss of power.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Sqlite, SqlitePool, Transaction,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

use super::{Recorded, Row, StoreError, bodies::Piece, record, schema, seen, sql};
use crate::disk;

/// Readers at a time; more wait their turn.
const READERS: u32 = 4;

/// Opens or creates the file, readable by its owner only, and brings it up to date: for reading, and for writing.
pub(super) async fn open(file: &Path) -> Result<(SqlitePool, SqlitePool), StoreError> {
    claim(file).map_err(|error| StoreError::File { file: file.display().to_string(), error })?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .page_size(record::PAGE as u32)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging();
    // Who only reads cannot say it: it is written into the file.
    let writing = options.clone().auto_vacuum(SqliteAutoVacuum::Incremental).pragma("cache_size", "-32768");
    let writes = pool(1).connect_with(writing).await?;
    schema::migrate_sqlite(&writes).await?;
    let reads = pool(READERS).connect_with(options.read_only(true).pragma("query_only", "ON")).await?;
    Ok((reads, writes))
}

/// A new file that nobody else knows yet. What breaks off is thrown away, so no journal is kept.
pub(super) async fn open_alone(file: &Path) -> Result<SqlitePool, StoreError> {
    claim(file).map_err(|error| StoreError::File { file: file.display().to_string(), error })?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .page_size(record::PAGE as u32)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false)
        .disable_statement_logging();
    Ok(pool(1).connect_with(options).await?)
}

/// Makes the file, or takes it from all others.
fn claim(file: &Path) -> io::Result<()> {
    // SQLite gives its journal files the mode of the database.
    fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    // A restored one has the mode that the umask gives: what clients said is in there.
    for ending in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(ending);
        if disk::make_private(Path::new(&path))? {
            tracing::warn!("{} could be read by others: it no longer can", path.display());
        }
    }
    Ok(())
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

const COLUMNS: &str = "INSERT INTO exchanges (received_us, bytes, id, agent, started_us, duration_us, first_byte_us, method, scheme, \
    authority, host, path, version, status, request_bytes, response_bytes, content_type, outcome, error, client, \
    entry, user, filters, replay_of, coding, detail) VALUES ";
const VALUES: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
/// Rows per statement: each statement is a round trip to SQLite's thread.
const MANY: usize = 32;

/// All rows in one transaction; how many of each batch were new. They are gone from the batches whatever comes of it.
pub(super) async fn ingest<'a>(
    writes: &SqlitePool,
    batches: impl Iterator<Item = &'a mut Recorded>,
) -> Result<Vec<u64>, StoreError> {
    let mut transaction = writes.begin_with("BEGIN IMMEDIATE").await?;
    let (mut new, mut more) = (Vec::new(), Vec::new());
    for rows in batches {
        let Recorded { exchanges, seen } = std::mem::take(rows);
        new.push(insert(&mut transaction, exchanges).await?);
        more.extend(seen);
    }
    let mut transaction = sql::Transaction::Sqlite(transaction);
    seen::insert(&mut transaction, more.iter()).await?;
    transaction.commit().await?;
    Ok(new)
}

async fn insert(transaction: &mut Transaction<'static, Sqlite>, rows: Vec<Row>) -> Result<u64, StoreError> {
    let mut new = 0;
    let mut alike = Vec::with_capacity(MANY);
    for mut row in rows {
        let pieces = std::mem::take(&mut row.pieces);
        if !pieces.is_empty() {
            // In their order.
            new += several(transaction, &mut alike).await?;
            new += with_bodies(transaction, row, pieces).await?;
            continue;
        }
        alike.push(row);
        if alike.len() == MANY {
            new += several(transaction, &mut alike).await?;
        }
    }
    Ok(new + several(transaction, &mut alike).await?)
}

/// Rows without bodies beside them; how many were new.
async fn several(transaction: &mut Transaction<'static, Sqlite>, rows: &mut Vec<Row>) -> Result<u64, StoreError> {
    let mut new = 0;
    let count = if rows.len() == MANY { MANY } else { 1 };
    let mut rows = rows.drain(..);
    while rows.len() > 0 {
        let mut query = sqlx::query(statement(count));
        for row in rows.by_ref().take(count) {
            query = bind(query, row);
        }
        new += query.execute(&mut **transaction).await?.rows_affected();
    }
    Ok(new)
}

/// A row, its bodies as far as they are not there already, or were lost, and that it needs them. What was put for nothing is to go.
async fn with_bodies(
    transaction: &mut Transaction<'static, Sqlite>,
    row: Row,
    pieces: Vec<Piece>,
) -> Result<u64, StoreError> {
    let result = bind(sqlx::query(statement(1)), row).execute(&mut **transaction).await?;
    let is_new = result.rows_affected() > 0;
    for Piece { digest, size, coding, bytes, object, stored } in pieces {
        if is_new {
            let insert = "INSERT INTO bodies (digest, size, stored, coding, object, bytes) VALUES (?, ?, ?, ?, ?, ?) \
                          ON CONFLICT (digest) DO UPDATE SET size = excluded.size, coding = excluded.coding, \
                          object = excluded.object, bytes = excluded.bytes, lost = 0 WHERE bodies.lost = 1";
            let query = sqlx::query(insert)
                .bind(&digest.as_bytes()[..])
                .bind(super::signed(size as u64))
                .bind(super::signed(stored as u64))
                .bind(coding)
                .bind(object.as_deref())
                .bind(object.is_none().then_some(&bytes[..]));
            query.execute(&mut **transaction).await?;
            let uses = sqlx::query(USES).bind(result.last_insert_rowid()).bind(&digest.as_bytes()[..]);
            uses.execute(&mut **transaction).await?;
        }
        if let Some(object) = object {
            sqlx::query(SUPERFLUOUS).bind(object).execute(&mut **transaction).await?;
        }
    }
    Ok(u64::from(is_new))
}

const USES: &str = "INSERT INTO body_uses (exchange, body) SELECT $1, number FROM bodies WHERE digest = $2 \
    ON CONFLICT DO NOTHING";
const SUPERFLUOUS: &str = "INSERT INTO bodies_gone SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM bodies WHERE object = $1)";

/// Two texts, so that both stay prepared.
fn statement(count: usize) -> sqlx::SqlStr {
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
        .bind(row.replay_of)
        .bind(row.coding)
        .bind(row.detail)
}
