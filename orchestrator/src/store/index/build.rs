//! Makes the index, one block of rows at a time: they are read and noted without any lock, and what came of it is one short
//! transaction. Of several orchestrators on one database whoever comes first has made it.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::time::sleep;
use uuid::Uuid;

use super::{BLOCK, FORMAT, feature, first_part, parts::Notes};
use crate::store::{
    Store, StoreError,
    dialect::Dialect,
    exchanges::unpack,
    sql::{Lock, Sql, Transaction},
};

/// Rows that are noted in one go, and their bytes.
const ROWS: usize = 256;
const BYTES: usize = 4 << 20;
/// So many rows are noted before their block is full, when nothing more comes.
const REST: i64 = BLOCK / 8;
/// Parts of one statement.
const TOGETHER: usize = 64;
/// Blocks of one look at what is to be made anew.
const SOME: i64 = 256;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(5);

/// A row as it is read.
struct Read {
    place: usize,
    agent: i64,
    coding: i64,
    detail: Vec<u8>,
}

/// A block that was read.
struct Noted {
    notes: Notes,
    rows: i64,
    /// The least id and the greatest.
    ids: Option<(Uuid, Uuid)>,
}

/// What to make of a block.
#[derive(Clone, Copy)]
enum Which {
    /// It is noted up to here, and more of it than was.
    UpTo(i64),
    /// It is noted; so many of its rows have gone since.
    Again(i64),
}

impl Store {
    /// Notes the rest of a block, if it is full, or if there is some and nothing came since the last look; whether it did. `last`: the
    /// newest number at that look.
    pub(crate) async fn index_next(&self, last: &mut i64) -> Result<bool, StoreError> {
        let Some(noted) = self.noted().await? else { return Ok(false) };
        let mut newest = Sql::new("SELECT ");
        newest.push(self.dialect().newest_exchange());
        let beyond = newest.fetch_one(&self.reads).await?.get::<i64>(0)? + 1;
        let is_idle = std::mem::replace(last, beyond) == beyond;
        let block = noted / BLOCK;
        let full = (block + 1) * BLOCK;
        if beyond < full && !(is_idle && beyond - noted >= REST) {
            return Ok(false);
        }
        self.index_block(block, Which::UpTo(beyond.min(full))).await?;
        Ok(true)
    }

    /// Makes anew what many rows of have gone, or changed; how many blocks.
    pub(crate) async fn index_again(&self) -> Result<u64, StoreError> {
        if self.noted().await?.is_none() {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            let thin = "SELECT b.block, b.gone FROM search_blocks b WHERE b.gone * 2 > b.rows UNION \
                        SELECT b.block, b.gone FROM search_changed c JOIN search_blocks b ON b.block = c.number / $1 \
                        ORDER BY 1 LIMIT $2";
            let thin = Sql::new(thin).bind(BLOCK).bind(SOME).fetch_all(&self.reads).await?;
            for row in &thin {
                self.index_block(row.get(0)?, Which::Again(row.get(1)?)).await?;
                count += 1;
                sleep(PAUSE).await;
            }
            if thin.len() < SOME as usize {
                break;
            }
        }
        // Of rows that are gone, blocks and all, nothing is to be made.
        let gone = "DELETE FROM search_changed WHERE number < (SELECT noted FROM search_index) AND \
                    NOT EXISTS (SELECT 1 FROM search_blocks b WHERE b.block = search_changed.number / $1)";
        Sql::new(gone).bind(BLOCK).execute(&self.writes).await?;
        Ok(count)
    }

    /// The first number that is not noted; none where the index is a later version's.
    async fn noted(&self) -> Result<Option<i64>, StoreError> {
        let ask = "SELECT format, size, noted, (SELECT min(number) FROM exchanges) FROM search_index";
        let row = Sql::new(ask).fetch_optional(&self.reads).await?;
        let Some(row) = row else { return self.begin_index().await.map(Some) };
        let (format, size, noted): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match (format, size) {
            (FORMAT, BLOCK) => Ok(Some(noted.max(row.get::<Option<i64>>(3)?.unwrap_or(0)))),
            (format, _) if format > FORMAT => Ok(None),
            _ => self.begin_index().await.map(Some),
        }
    }

    /// An empty index.
    async fn begin_index(&self) -> Result<i64, StoreError> {
        let mut transaction = self.index_alone().await?;
        // Another orchestrator may have begun it meanwhile, and gone on.
        let begun = "SELECT noted FROM search_index WHERE format = $1 AND size = $2";
        if let Some(row) = Sql::new(begun).bind(FORMAT).bind(BLOCK).fetch_optional(&mut transaction).await? {
            return row.get(0);
        }
        for text in ["DELETE FROM search_index", "DELETE FROM search_blocks", "DELETE FROM search_parts"] {
            Sql::new(text).execute(&mut transaction).await?;
        }
        let first = "SELECT coalesce(min(number), 0) FROM exchanges";
        let first = Sql::new(first).fetch_one(&mut transaction).await?.get::<i64>(0)?;
        let begun = "INSERT INTO search_index (one, format, size, noted) VALUES (1, $1, $2, $3)";
        Sql::new(begun).bind(FORMAT).bind(BLOCK).bind(first).execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(first)
    }

    /// Nobody else writes the index until its end.
    async fn index_alone(&self) -> Result<Transaction, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Indexing).await?;
        Ok(transaction)
    }

    async fn index_block(&self, block: i64, which: Which) -> Result<(), StoreError> {
        let (first, beyond) = (block * BLOCK, (block + 1) * BLOCK);
        // Of several orchestrators one reads and notes at a time, or an older reading could take the place of a newer one. In
        // SQLite there is one, and whoever records does not wait for what it reads.
        let turn = match self.writes.dialect() {
            Dialect::Postgres => Some(self.index_alone().await?),
            Dialect::Sqlite => None,
        };
        // Before the rows: what changes while they are read is seen as changed.
        let changed = "SELECT place FROM search_changed WHERE number >= $1 AND number < $2";
        let changed = Sql::new(changed).bind(first).bind(beyond).fetch_all(&self.reads).await?;
        let noted = self.note_block(first, beyond).await?;
        let (rows, ids) = (noted.rows, noted.ids);
        let parts = tokio::task::spawn_blocking(|| noted.notes.parts()).await.map_err(|_| StoreError::Closed)?;
        let mut transaction = match turn {
            Some(turn) => turn,
            None => self.index_alone().await?,
        };
        let Some(gone) = still(&mut transaction, block, which).await? else { return Ok(()) };
        let before = Sql::new("DELETE FROM search_parts WHERE place >= $1 AND place < $2");
        before.bind(first_part(block)).bind(first_part(block + 1)).execute(&mut transaction).await?;
        Sql::new("DELETE FROM search_blocks WHERE block = $1").bind(block).execute(&mut transaction).await?;
        if let Some((least, greatest)) = ids {
            let insert = "INSERT INTO search_blocks (block, rows, gone, least, greatest) VALUES ($1, $2, $3, $4, $5)";
            let insert = Sql::new(insert).bind(block).bind(rows).bind(gone).bind(least).bind(greatest);
            insert.execute(&mut transaction).await?;
            insert_parts(&mut transaction, block, parts).await?;
        }
        for row in &changed {
            let known = Sql::new("DELETE FROM search_changed WHERE place = $1").bind(row.get::<i64>(0)?);
            known.execute(&mut transaction).await?;
        }
        if let Which::UpTo(noted) = which {
            Sql::new("UPDATE search_index SET noted = $1").bind(noted).execute(&mut transaction).await?;
        }
        transaction.commit().await
    }

    async fn note_block(&self, first: i64, beyond: i64) -> Result<Noted, StoreError> {
        let text = "SELECT number, id, agent, coding, detail FROM exchanges WHERE number >= $1 AND number < $2 ORDER BY number";
        let mut rows = Sql::new(text).bind(first).bind(beyond).fetch(&self.reads);
        let mut noted = Noted { notes: Notes::default(), rows: 0, ids: None };
        let (mut some, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let (number, id, detail): (i64, Uuid, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(4)?);
            let (least, greatest) = noted.ids.unwrap_or((id, id));
            noted.ids = Some((least.min(id), greatest.max(id)));
            noted.rows += 1;
            bytes += detail.len();
            let place = usize::try_from(number - first).unwrap_or_default();
            some.push(Read { place, agent: row.get(2)?, coding: row.get(3)?, detail });
            if some.len() >= ROWS || bytes >= BYTES {
                noted.notes.append(note(std::mem::take(&mut some)).await?);
                bytes = 0;
            }
        }
        noted.notes.append(note(some).await?);
        Ok(noted)
    }
}

/// On a thread where that may take its time. What cannot be read is looked at whatever the query, which then says so.
async fn note(rows: Vec<Read>) -> Result<Notes, StoreError> {
    let note = move || {
        let mut notes = Notes::default();
        for Read { place, agent, coding, detail } in rows {
            let unpacked = unpack(coding, &detail);
            notes.append(Notes::of(place, |add| match &unpacked {
                Ok((exchange, kept)) => feature::note(agent, exchange, kept, add),
                Err(_) => add(feature::Feature::crowded()),
            }));
        }
        notes
    };
    tokio::task::spawn_blocking(note).await.map_err(|_| StoreError::Closed)
}

/// Whether this is still to be made: how many of its rows went meanwhile.
async fn still(transaction: &mut Transaction, block: i64, which: Which) -> Result<Option<i64>, StoreError> {
    let ask = "SELECT i.noted, b.gone FROM search_index i LEFT JOIN search_blocks b ON b.block = $1 \
               WHERE i.format = $2 AND i.size = $3";
    let row = Sql::new(ask).bind(block).bind(FORMAT).bind(BLOCK).fetch_optional(transaction).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(match (which, row.get::<Option<i64>>(1)?) {
        (Which::UpTo(noted), _) => (row.get::<i64>(0)? < noted).then_some(0),
        (Which::Again(before), Some(gone)) => Some((gone - before).max(0)),
        (Which::Again(_), None) => None,
    })
}

async fn insert_parts(transaction: &mut Transaction, block: i64, parts: Vec<Vec<u8>>) -> Result<(), StoreError> {
    let mut places = first_part(block)..;
    let mut parts = parts.into_iter().zip(&mut places).peekable();
    while parts.peek().is_some() {
        let mut insert = Sql::new("INSERT INTO search_parts (place, noted) VALUES ");
        for (count, (part, place)) in parts.by_ref().take(TOGETHER).enumerate() {
            insert.push(if count == 0 { "(" } else { ", (" }).push_bind(place).push(", ").push_bind(part).push(")");
        }
        insert.execute(&mut *transaction).await?;
    }
    Ok(())
}
