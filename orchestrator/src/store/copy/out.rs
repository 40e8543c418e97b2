//! Taken out. What changes is read at one moment, as it then was; what only grows is read afterwards, page by page, up to
//! where it was at that moment, so that a slow reader holds no snapshot that the database would have to keep.

use std::borrow::Cow;

use futures_util::TryStreamExt as _;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

use super::{
    Table,
    bodies::{BODIES, USES},
    quoted, tables,
};
use crate::{
    backup::archive::{Cell, Writer},
    store::{
        Store, StoreError,
        sql::{Pool, Row, Sql, Transaction},
    },
};

/// Their rows have numbers that only go up, and are never changed; no row of a table that is not among them needs them. In this order:
/// bodies, which of them are needed, what needs them.
const GROWING: [&str; 9] =
    [BODIES, USES, EXCHANGES, "messages", "tunnels", "connections", "filter_logs", "system_metrics", "audit"];
const EXCHANGES: &str = "exchanges";
/// Rows of one look at a table that grows.
const PAGE: i64 = 200;
/// A page may end before that, so that few bytes are in memory.
const ENOUGH: usize = 1 << 20;

/// Where the tables that grow were.
pub(crate) struct Snapshot {
    growing: Vec<(Table, i64)>,
    /// The highest number of an exchange.
    exchanges: i64,
    /// The last row of the first of them that was read; of one that has no numbers, a pair.
    at: (i64, i64),
    begun: bool,
}

impl Store {
    /// Writes what changes, as it is now. `full` takes away what was written.
    pub(crate) async fn snapshot(
        &self,
        archive: &mut Writer,
        mut full: impl FnMut(Vec<u8>) -> std::io::Result<()>,
    ) -> Result<Snapshot, StoreError> {
        let mut moment = self.moment().await?;
        let all = tables(&mut moment).await?;
        let mut growing = Vec::new();
        for table in all {
            let newest = if table.has_numbers() { newest(&mut moment, &table.name).await? } else { None };
            if GROWING.contains(&table.name.as_str()) {
                growing.push((table, newest.unwrap_or(0)));
                continue;
            }
            archive.table(&table.line(newest)).map_err(writing)?;
            let select = Sql::new(format!("SELECT {} FROM {}", table.list(), quoted(&table.name)));
            let mut rows = select.fetch_in(&mut moment);
            while let Some(row) = rows.try_next().await? {
                archive.row(&cells(&row, table.columns.len())?).map_err(writing)?;
                if archive.ready() > ENOUGH {
                    full(archive.take()).map_err(writing)?;
                }
            }
        }
        full(archive.take()).map_err(writing)?;
        growing.sort_by_key(|(table, _)| GROWING.iter().position(|name| *name == table.name));
        let exchanges = growing.iter().find(|(table, _)| table.name == EXCHANGES).map_or(0, |(_, newest)| *newest);
        Ok(Snapshot { growing, exchanges, at: (0, 0), begun: false })
    }

    /// Writes some more of what grows; false at the end of all.
    pub(crate) async fn copy_on(&self, snapshot: &mut Snapshot, archive: &mut Writer) -> Result<bool, StoreError> {
        let Some((table, newest)) = snapshot.growing.first() else { return Ok(false) };
        if !snapshot.begun {
            archive.table(&table.line(table.has_numbers().then_some(*newest))).map_err(writing)?;
            snapshot.begun = true;
        }
        let (list, columns) = (table.list(), table.names());
        let next = match table.name.as_str() {
            BODIES => {
                let next = self.copy_bodies(&columns, &list, (snapshot.at.0, *newest), archive).await?;
                next.map(|number| (number, 0))
            }
            USES => self.copy_uses((columns.len(), &list), snapshot.at, snapshot.exchanges, archive).await?,
            name => {
                let next = self.copy_page(name, (columns.len(), &list), (snapshot.at.0, *newest), archive).await?;
                next.map(|number| (number, 0))
            }
        };
        match next {
            Some(next) => snapshot.at = next,
            None => {
                snapshot.growing.remove(0);
                (snapshot.at, snapshot.begun) = ((0, 0), false);
            }
        }
        Ok(true)
    }

    /// Writes rows behind `after` up to `newest`; where to go on, or none at the end.
    async fn copy_page(
        &self,
        table: &str,
        (columns, list): (usize, &str),
        (after, newest): (i64, i64),
        archive: &mut Writer,
    ) -> Result<Option<i64>, StoreError> {
        let page = format!(
            "SELECT {list}, number FROM {} WHERE number > $1 AND number <= $2 ORDER BY number LIMIT {PAGE}",
            quoted(table)
        );
        let mut rows = Sql::new(page).bind(after).bind(newest).fetch(&self.reads);
        let mut last = None;
        while let Some(row) = rows.try_next().await? {
            archive.row(&cells(&row, columns)?).map_err(writing)?;
            last = Some(row.get(columns)?);
            if archive.ready() > ENOUGH {
                break;
            }
        }
        Ok(last)
    }

    /// A transaction that sees all as it is now, whatever is changed meanwhile.
    async fn moment(&self) -> Result<Transaction, StoreError> {
        match &self.reads {
            Pool::Sqlite(pool) => Ok(Transaction::Sqlite(pool.begin().await?)),
            Pool::Postgres(pool) => {
                let begun = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                let mut moment = Transaction::Postgres(begun);
                Sql::new("SET LOCAL statement_timeout = 0").execute(&mut moment).await?;
                Ok(moment)
            }
        }
    }
}

/// The highest number that a row of this table ever had.
async fn newest(moment: &mut Transaction, table: &str) -> Result<Option<i64>, StoreError> {
    let text = match moment {
        Transaction::Sqlite(_) => format!(
            "SELECT max(coalesce((SELECT max(number) FROM {}), 0), \
             coalesce((SELECT seq FROM sqlite_sequence WHERE name = $1), 0))",
            quoted(table)
        ),
        Transaction::Postgres(..) => format!(
            "SELECT greatest(0, (SELECT max(number) FROM {0}), (SELECT newest FROM held WHERE what = $1), \
             pg_sequence_last_value(pg_get_serial_sequence('{0}', 'number')::regclass))",
            quoted(table)
        ),
    };
    Sql::new(text).bind(table).fetch_one(moment).await?.get(0)
}

pub(super) fn writing(error: std::io::Error) -> StoreError {
    StoreError::Backup(error.to_string())
}

pub(super) fn cells(row: &Row, count: usize) -> Result<Vec<Cell<'_>>, StoreError> {
    (0..count).map(|column| cell(row, column)).collect()
}

fn cell(row: &Row, column: usize) -> Result<Cell<'_>, StoreError> {
    let (is_null, kind) = match row {
        Row::Sqlite(row) => {
            let value = row.try_get_raw(column)?;
            (value.is_null(), value.type_info().name().to_owned())
        }
        Row::Postgres(row) => {
            let value = row.try_get_raw(column)?;
            (value.is_null(), value.type_info().name().to_owned())
        }
    };
    if is_null {
        return Ok(Cell::Null);
    }
    Ok(match kind.as_str() {
        "INTEGER" | "INT8" => Cell::Int(row.get(column)?),
        "BOOL" | "BOOLEAN" => Cell::Int(row.get::<bool>(column)?.into()),
        "REAL" | "FLOAT8" => Cell::Real(row.get(column)?),
        "TEXT" => Cell::Text(Cow::Borrowed(row.get(column)?)),
        "BLOB" | "BYTEA" => Cell::Bytes(Cow::Borrowed(row.get(column)?)),
        "UUID" => Cell::Bytes(Cow::Owned(row.get::<Uuid>(column)?.into_bytes().to_vec())),
        _ => return Err(StoreError::Damaged("a value of a kind")),
    })
}
