//! A statement with its values, and the rows it answers with: all that the rest of the store says to a database. Values are
//! numbered, `$1`, which every database here reads. Knows no table.

use std::{borrow::Cow, fmt::Write as _};

use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, Decode, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite, SqlitePool, Type,
    postgres::{PgArguments, PgRow},
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use super::{
    StoreError,
    dialect::Dialect,
    postgres::{PgPool, PgTransaction},
};

/// What a place in a statement stands for.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Bool(Option<bool>),
    Int(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Id(Option<Uuid>),
}

/// A statement and what stands at its places.
pub(super) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// Connections to a database.
#[derive(Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Statements that are done as one, or not at all.
pub(super) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(PgTransaction),
}

/// What only one orchestrator does at a time. The numbers are those of PostgreSQL's locks and stay as they are.
#[derive(Clone, Copy)]
pub(super) enum Lock {
    Statements = 0x7765_6901,
    Tokens = 0x7765_6902,
    Retention = 0x7765_6903,
    Folding = 0x7765_6906,
    Indexing = 0x7765_6908,
}

/// Where a statement runs.
pub(super) enum On<'a> {
    Pool(&'a Pool),
    Transaction(&'a mut Transaction),
}

/// What a statement found.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as.
pub(super) trait Column<'r>: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}

impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>> Column<'r> for T {}

/// Runs a statement where it is to run.
macro_rules! run {
    ($sql:expr, $on:expr, $method:ident) => {
        match $on.into() {
            On::Pool(Pool::Sqlite(pool)) => $sql.sqlite().$method(pool).await?.into(),
            On::Pool(Pool::Postgres(pool)) => pool.$method($sql.postgres()).await?.into(),
            On::Transaction(Transaction::Sqlite(transaction)) => {
                $sql.sqlite().$method(&mut **transaction).await?.into()
            }
            On::Transaction(Transaction::Postgres(transaction)) => transaction.$method($sql.postgres()).await?.into(),
        }
    };
}

impl Sql {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// The value of the next number, which the text has already.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The same with something before and behind it.
    pub(super) fn around(self, before: &str, behind: &str) -> Self {
        Self { text: format!("{before}{}{behind}", self.text).into(), values: self.values }
    }

    pub(super) fn push(&mut self, text: impl std::fmt::Display) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(self.text.to_mut(), "{text}");
        self
    }

    /// Writes the next number too.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let number = self.values.len();
        self.push('$').push(number)
    }

    /// How many rows it changed.
    pub(super) async fn execute<'a>(self, on: impl Into<On<'a>>) -> Result<u64, StoreError> {
        let Changed(count) = run!(self, on, execute);
        Ok(count)
    }

    pub(super) async fn fetch_all<'a>(self, on: impl Into<On<'a>>) -> Result<Vec<Row>, StoreError> {
        let Rows(rows) = run!(self, on, fetch_all);
        Ok(rows)
    }

    pub(super) async fn fetch_one<'a>(self, on: impl Into<On<'a>>) -> Result<Row, StoreError> {
        Ok(run!(self, on, fetch_one))
    }

    pub(super) async fn fetch_optional<'a>(self, on: impl Into<On<'a>>) -> Result<Option<Row>, StoreError> {
        let Perhaps(row) = run!(self, on, fetch_optional);
        Ok(row)
    }

    /// Rows one by one.
    pub(super) fn fetch(self, pool: &Pool) -> BoxStream<'_, Result<Row, StoreError>> {
        match pool {
            Pool::Sqlite(pool) => self.sqlite().fetch(pool).map_ok(Row::Sqlite).map_err(StoreError::from).boxed(),
            Pool::Postgres(pool) => pool.fetch(self.postgres()).map_ok(Row::Postgres).map_err(StoreError::from).boxed(),
        }
    }

    /// Rows one by one, within a transaction.
    pub(super) fn fetch_in(self, transaction: &mut Transaction) -> BoxStream<'_, Result<Row, StoreError>> {
        match transaction {
            Transaction::Sqlite(on) => {
                self.sqlite().fetch(&mut **on).map_ok(Row::Sqlite).map_err(StoreError::from).boxed()
            }
            Transaction::Postgres(on) => {
                on.fetch(self.postgres()).map_ok(Row::Postgres).map_err(StoreError::from).boxed()
            }
        }
    }

    fn sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(statement(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Bool(value) => query.bind(value),
            Value::Int(value) => query.bind(value),
            Value::Real(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::Id(value) => query.bind(value),
        })
    }

    fn postgres(self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(statement(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Bool(value) => query.bind(value),
            Value::Int(value) => query.bind(value),
            Value::Real(value) => query.bind(value),
            Value::Text(value) => query.bind(value.as_deref().map(storable)),
            Value::Bytes(value) => query.bind(value),
            Value::Id(value) => query.bind(value),
        })
    }
}

/// PostgreSQL's texts hold every character but this one.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// What anybody said is in the values, never in the text.
fn statement(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => SqlStr::from_static(text),
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

impl Transaction {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(..) => Dialect::Postgres,
        }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    /// Waits until nobody else does this; nobody will until the end of the transaction. What others did is seen from here
    /// on. With SQLite there are no others: who writes writes alone.
    pub(super) async fn alone(&mut self, lock: Lock) -> Result<(), StoreError> {
        if let Self::Postgres(..) = self {
            Sql::new("SELECT pg_advisory_xact_lock($1)").bind(lock as i64).fetch_one(self).await?;
        }
        Ok(())
    }
}

impl Pool {
    /// For what writes; with SQLite, alone from here on.
    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite(pool) => Ok(Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pool) => Ok(Transaction::Postgres(pool.begin().await?)),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Whether what failed may go well later without anybody's doing: the rows of a file are gone with the transaction.
    pub(super) fn may_come_back(&self, error: &sqlx::Error) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(_) => super::postgres::is_passing(error),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

impl Row {
    pub(super) fn get<'r, T: Column<'r>>(&'r self, column: usize) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => Ok(row.try_get(column)?),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// A number that was bounded when it was stored.
    pub(super) fn number(&self, column: usize) -> Result<u64, StoreError> {
        Ok(super::unsigned(self.get(column)?))
    }
}

struct Changed(u64);
struct Rows(Vec<Row>);
struct Perhaps(Option<Row>);

macro_rules! answers {
    ($result:ty, $row:ty, $kind:ident) => {
        impl From<$result> for Changed {
            fn from(result: $result) -> Self {
                Self(result.rows_affected())
            }
        }

        impl From<$row> for Row {
            fn from(row: $row) -> Self {
                Self::$kind(row)
            }
        }

        impl From<Vec<$row>> for Rows {
            fn from(rows: Vec<$row>) -> Self {
                Self(rows.into_iter().map(Row::$kind).collect())
            }
        }

        impl From<Option<$row>> for Perhaps {
            fn from(row: Option<$row>) -> Self {
                Self(row.map(Row::$kind))
            }
        }
    };
}

answers!(sqlx::sqlite::SqliteQueryResult, SqliteRow, Sqlite);
answers!(sqlx::postgres::PgQueryResult, PgRow, Postgres);

impl<'a> From<&'a Pool> for On<'a> {
    fn from(pool: &'a Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'a> From<&'a mut Transaction> for On<'a> {
    fn from(transaction: &'a mut Transaction) -> Self {
        Self::Transaction(transaction)
    }
}

macro_rules! values {
    ($($kind:ident $from:ty => |$value:ident| $into:expr;)+) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$kind($into)
            }
        })+
    };
}

values! {
    Bool bool => |value| Some(value);
    Int i64 => |value| Some(value);
    Int Option<i64> => |value| value;
    Text &str => |value| Some(value.to_owned());
    Text &String => |value| Some(value.clone());
    Text String => |value| Some(value);
    Text Option<&str> => |value| value.map(str::to_owned);
    Bytes &[u8] => |value| Some(value.to_vec());
    Bytes Vec<u8> => |value| Some(value);
    Bytes Option<Vec<u8>> => |value| value;
    Id Uuid => |value| Some(value);
}
