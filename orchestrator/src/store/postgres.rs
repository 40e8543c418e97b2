//! PostgreSQL: reached by a URL, maybe by several orchestrators at a time. It may be gone for a while; what fails
//! meanwhile is told apart from what would fail again.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::time::timeout;
use uuid::Uuid;

use self::pool::PATIENCE;
pub(super) use self::{
    listener::Listener,
    pool::{PgPool, PgTransaction},
};
use super::{
    Recorded, Row, StoreError,
    bodies::Piece,
    others::tell_of_arrivals,
    schema, seen,
    sql::{self, storable},
};
use crate::PostgresUrl;

mod listener;
mod pool;

/// Readers at a time; more wait their turn.
const READERS: usize = 8;
/// One of them writes recorded exchanges, the others what agents and people change.
const WRITERS: usize = 4;
/// Longer than it lets a statement run: one that takes more is waited for in vain, for it vanished.
const IN_VAIN: Duration = Duration::from_secs(65);
/// The same of one that writes, which may take less: others wait for its connection.
const IN_VAIN_TO_WRITE: Duration = Duration::from_secs(45);
/// The oldest that has all that is used here.
const OLDEST: i32 = 130_000;
/// Of one statement, bytes; more rows take more statements.
const STATEMENT: usize = 16 << 20;

/// Of every session. A commit answered for is on the disk, whatever the server's own setting; a session whose orchestrator
/// vanished gives up its locks. Queries are short: compiling one that looks costly takes longer than it does.
const SESSION: &str = "SELECT \
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply' \
        THEN 'remote_apply' ELSE 'on' END, false), \
    set_config('idle_in_transaction_session_timeout', '30s', false), set_config('lock_timeout', '20s', false), \
    set_config('statement_timeout', '60s', false), set_config('plan_cache_mode', 'force_custom_plan', false), \
    set_config('jit', 'off', false), \
    set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), \
    set_config('tcp_keepalives_count', '3', false)";

/// Of sessions that write: what is new of a batch is found by a look at the index for each, never by reading the table.
/// Who waits for the writer knows soon when nothing comes of it.
const WRITES: &str = "SELECT set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false), \
    set_config('statement_timeout', '25s', false)";
/// Of sessions that read. What is asked for is found by an index, in its order, and what belongs to it by a look at another index for each:
/// of a table that is not analyzed yet PostgreSQL would gather and sort all that fits for the sake of one page.
const READS: &str = "SELECT set_config('default_transaction_read_only', 'on', false), set_config('enable_bitmapscan', 'off', false), \
    set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)";

/// Connects, sees whether it can be used, and brings it up to date: for reading, and for writing.
pub(super) async fn open(url: &PostgresUrl) -> Result<(PgPool, PgPool), StoreError> {
    let options = url.options().clone().application_name("weir-orchestrator").disable_statement_logging();
    let mut first = reach(url, &options).await?;
    // With the time limits of the server, not with ours: a change of a large table takes as long as it takes.
    schema::migrate_postgres(&mut first).await?;
    first.close().await?;
    let reads = PgPool::new(READERS, &options, vec![SESSION, READS], IN_VAIN);
    let writes = PgPool::new(WRITERS, &options, vec![SESSION, WRITES], IN_VAIN_TO_WRITE);
    Ok((reads, writes))
}

/// One connection, with the time limits of the server.
pub(super) async fn open_alone(url: &PostgresUrl) -> Result<(PgConnection, PgPool), StoreError> {
    let options = url.options().clone().application_name("weir-restore").disable_statement_logging();
    let first = reach(url, &options).await?;
    Ok((first, PgPool::new(1, &options, Vec::new(), Duration::MAX)))
}

/// A connection to what can be used.
async fn reach(url: &PostgresUrl, options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let place = url.place();
    let fault = |error: String| StoreError::Unusable { place: place.clone(), error };
    let first = timeout(PATIENCE, PgConnection::connect_with(options)).await;
    let first = first.map_err(|_| fault(format!("no answer within {} s", PATIENCE.as_secs())))?;
    let mut first = first.map_err(|error| fault(error.to_string()))?;
    usable(&mut first).await.map_err(|error| fault(error.to_string()))?.map_err(fault)?;
    Ok(first)
}

/// What this one is, and why it cannot be used.
async fn usable(connection: &mut PgConnection) -> Result<Result<(), String>, sqlx::Error> {
    let ask = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
               current_setting('server_encoding'), pg_is_in_recovery()";
    let row = sqlx::query(ask).fetch_one(connection).await?;
    let (version, named): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    let (encoding, standby): (String, bool) = (row.try_get(2)?, row.try_get(3)?);
    if version < OLDEST {
        return Ok(Err(format!("it is PostgreSQL {named}; {} is the oldest that will do", OLDEST / 10_000)));
    }
    if encoding != "UTF8" {
        return Ok(Err(format!("the database holds text as {encoding}: make one with ENCODING 'UTF8'")));
    }
    if standby {
        return Ok(Err("it is a standby, which takes no writes: name the primary".to_owned()));
    }
    Ok(Ok(()))
}

/// Is it the server that is away, or a peer in the way, so that the same may go well later?
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            // Classes of SQLSTATE (appendix A of its manual) that are about the values, the statement or the tables.
            let code = error.code().unwrap_or_default();
            !["21", "22", "23", "42"].iter().any(|class| code.starts_with(class))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

const INSERT: &str = "INSERT INTO exchanges (number, received_us, bytes, id, agent, started_us, duration_us, first_byte_us, \
    method, scheme, authority, host, path, version, status, request_bytes, response_bytes, content_type, outcome, error, \
    client, entry, \"user\", filters, replay_of, coding, detail) \
    SELECT $1 + row_number() OVER (ORDER BY n.place), n.received_us, n.bytes, n.id, n.agent, n.started_us, n.duration_us, \
    n.first_byte_us, n.method, n.scheme, n.authority, n.host, n.path, n.version, n.status, n.request_bytes, \
    n.response_bytes, n.content_type, n.outcome, n.error, n.client, n.entry, n.usr, n.filters, n.replay_of, n.coding, n.detail \
    FROM unnest($2::bigint[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], \
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[], \
    $17::bigint[], $18::text[], $19::bigint[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], \
    $25::uuid[], $26::bigint[], $27::bytea[]) WITH ORDINALITY AS n(received_us, bytes, id, agent, started_us, duration_us, \
    first_byte_us, method, scheme, authority, host, path, version, status, request_bytes, response_bytes, content_type, \
    outcome, error, client, entry, usr, filters, replay_of, coding, detail, place) \
    WHERE NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.id = n.id) RETURNING id, number";

const BODIES: &str = "INSERT INTO bodies (digest, size, stored, coding, object, bytes) \
    SELECT n.digest, n.size, n.stored, n.coding, n.object, n.bytes FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], \
    $4::bigint[], $5::text[], $6::bytea[]) AS n(digest, size, stored, coding, object, bytes) \
    ON CONFLICT (digest) DO NOTHING";
/// In place of what the body store lost.
const AGAIN: &str =
    "UPDATE bodies SET size = $2, coding = $3, object = $4, bytes = $5, lost = 0 WHERE digest = $1 AND lost = 1";
const LOST: &str = "SELECT digest FROM bodies WHERE lost = 1 AND digest = ANY($1::bytea[])";
const USES: &str = "INSERT INTO body_uses (exchange, body) SELECT n.exchange, b.number \
    FROM unnest($1::bigint[], $2::bytea[]) AS n(exchange, digest) JOIN bodies b ON b.digest = n.digest \
    ON CONFLICT DO NOTHING";
/// Put for nothing.
const SUPERFLUOUS: &str = "INSERT INTO bodies_gone SELECT n.object FROM unnest($1::text[]) AS n(object) \
    WHERE NOT EXISTS (SELECT 1 FROM bodies b WHERE b.object = n.object) ON CONFLICT DO NOTHING";

/// All rows in one transaction; how many of each batch were new. What it says of a commit it lost the answer to is wrong,
/// and put right by doing it again.
pub(super) async fn ingest(writes: &PgPool, batches: &[&Recorded]) -> Result<Vec<u64>, StoreError> {
    let mut transaction = writes.begin().await?;
    // Whoever has this row has the next numbers: other orchestrators wait, so what is in the table is seen below.
    let lock = "SELECT newest FROM held WHERE what = 'exchanges' FOR UPDATE";
    let mut newest: i64 = sqlx::query(lock).fetch_one(&mut *transaction).await?.try_get(0)?;
    let mut new = vec![0; batches.len()];
    let mut owners = HashMap::new();
    let all = batches.iter().enumerate().flat_map(|(batch, rows)| rows.exchanges.iter().map(move |row| (batch, row)));
    let mut first = |batch, row: &Row| match owners.entry(row.id) {
        Entry::Vacant(place) => *place.insert(batch) == batch,
        Entry::Occupied(_) => false,
    };
    let all: Vec<&Row> = all.filter_map(|(batch, row)| first(batch, row).then_some(row)).collect();
    let mut rest = &all[..];
    while !rest.is_empty() {
        let (some, others) = rest.split_at(fitting(rest));
        rest = others;
        let numbers = insert(&mut transaction, newest, some).await?;
        for id in numbers.keys() {
            newest += 1;
            if let Some(count) = owners.get(id.as_bytes()).and_then(|batch| new.get_mut(*batch)) {
                *count += 1;
            }
        }
        insert_bodies(&mut transaction, some, &numbers).await?;
    }
    let put = batches.iter().flat_map(|batch| &batch.exchanges).flat_map(|row| &row.pieces);
    let put: Vec<&str> = put.filter_map(|piece| piece.object.as_deref()).collect();
    if !put.is_empty() {
        sqlx::query(SUPERFLUOUS).bind(put).execute(&mut *transaction).await?;
    }
    if new.iter().any(|new| *new > 0) {
        tell_of_arrivals(&mut transaction).await?;
    }
    let mut transaction = sql::Transaction::Postgres(transaction);
    seen::insert(&mut transaction, batches.iter().flat_map(|batch| &batch.seen)).await?;
    transaction.commit().await?;
    Ok(new)
}

/// How many of the rows one statement takes: one at least.
fn fitting(rows: &[&Row]) -> usize {
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.bytes();
        bytes <= STATEMENT
    });
    fit.count().max(1)
}

/// Bodies of rows that were new, as far as they are not there already, and which row needs which.
async fn insert_bodies(
    connection: &mut PgConnection,
    rows: &[&Row],
    numbers: &HashMap<Uuid, i64>,
) -> Result<(), StoreError> {
    let new = rows.iter().filter_map(|row| Some((*numbers.get(&Uuid::from_bytes(row.id))?, &row.pieces)));
    let uses: Vec<(i64, &Piece)> =
        new.flat_map(|(number, pieces)| pieces.iter().map(move |piece| (number, piece))).collect();
    if uses.is_empty() {
        return Ok(());
    }
    fn all<'a, T>(uses: &[(i64, &'a Piece)], of: impl Fn(&'a Piece) -> T) -> Vec<T> {
        uses.iter().map(|(_, piece)| of(piece)).collect()
    }
    let query = sqlx::query(BODIES)
        .bind(all(&uses, |piece| &piece.digest.as_bytes()[..]))
        .bind(all(&uses, |piece| super::signed(piece.size as u64)))
        .bind(all(&uses, |piece| super::signed(piece.stored as u64)))
        .bind(all(&uses, |piece| piece.coding))
        .bind(all(&uses, |piece| piece.object.as_deref()))
        .bind(all(&uses, |piece| piece.object.is_none().then_some(&piece.bytes[..])));
    query.execute(&mut *connection).await?;
    put_again(connection, &uses).await?;
    let query = sqlx::query(USES)
        .bind(uses.iter().map(|(number, _)| *number).collect::<Vec<_>>())
        .bind(all(&uses, |piece| &piece.digest.as_bytes()[..]));
    query.execute(connection).await?;
    Ok(())
}

/// Those that the body store lost: none, nearly always.
async fn put_again(connection: &mut PgConnection, uses: &[(i64, &Piece)]) -> Result<(), StoreError> {
    let digests: Vec<_> = uses.iter().map(|(_, piece)| &piece.digest.as_bytes()[..]).collect();
    for lost in sqlx::query(LOST).bind(digests).fetch_all(&mut *connection).await? {
        let digest: &[u8] = lost.try_get(0)?;
        let all = uses.iter().map(|(_, piece)| piece).filter(|piece| piece.digest.as_bytes() == digest);
        // Of several that are the same, the one that lies in the body store.
        let Some(piece) = all.max_by_key(|piece| piece.object.is_some()) else { continue };
        let query = sqlx::query(AGAIN).bind(digest).bind(super::signed(piece.size as u64)).bind(piece.coding);
        let query = query.bind(piece.object.as_deref()).bind(piece.object.is_none().then_some(&piece.bytes[..]));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Those that were new, and their numbers.
async fn insert(connection: &mut PgConnection, newest: i64, rows: &[&Row]) -> Result<HashMap<Uuid, i64>, StoreError> {
    fn all<'a, T>(rows: &[&'a Row], of: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.iter().map(|row| of(row)).collect()
    }
    let query = sqlx::query(INSERT)
        .bind(newest)
        .bind(all(rows, |row| row.received_us))
        .bind(all(rows, |row| super::signed(row.stored_bytes() as u64)))
        .bind(all(rows, |row| Uuid::from_bytes(row.id)))
        .bind(all(rows, |row| row.agent))
        .bind(all(rows, |row| row.started_us))
        .bind(all(rows, |row| row.duration_us))
        .bind(all(rows, |row| row.first_byte_us))
        .bind(all(rows, |row| storable(&row.method)))
        .bind(all(rows, |row| storable(&row.scheme)))
        .bind(all(rows, |row| storable(&row.authority)))
        .bind(all(rows, |row| storable(&row.host)))
        .bind(all(rows, |row| storable(&row.path)))
        .bind(all(rows, |row| storable(&row.version)))
        .bind(all(rows, |row| row.status))
        .bind(all(rows, |row| row.request_bytes))
        .bind(all(rows, |row| row.response_bytes))
        .bind(all(rows, |row| storable(&row.content_type)))
        .bind(all(rows, |row| row.outcome))
        .bind(all(rows, |row| storable(&row.error)))
        .bind(all(rows, |row| storable(&row.client)))
        .bind(all(rows, |row| storable(&row.entry)))
        .bind(all(rows, |row| storable(&row.user)))
        .bind(all(rows, |row| storable(&row.filters)))
        .bind(all(rows, |row| row.replay_of))
        .bind(all(rows, |row| row.coding))
        .bind(all(rows, |row| &row.detail[..]));
    let new = query.fetch_all(connection).await?;
    new.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
