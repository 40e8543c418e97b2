//! A statement with its values, and the rows it answers with: all that the rest of the store says to a database. Values are
//! numbered, `$1`, which every database here reads. Knows no table.

use std::{borrow::Cow, fmt::Write as _};

use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, Decode, Row as _, SqlSafeStr as _, SqlStr, Sqlite, SqlitePool, Type,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use super::StoreError;

/// What a place in a statement stands for.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Bool(bool),
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Id(Uuid),
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
}

/// Statements that are done as one, or not at all.
pub(super) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

/// Where a statement runs.
pub(super) enum On<'a> {
    Pool(&'a Pool),
    Transaction(&'a mut Transaction),
}

/// What a statement found.
pub(super) enum Row {
    Sqlite(SqliteRow),
}

/// What a column can be read as.
pub(super) trait Column<'r>: Decode<'r, Sqlite> + Type<Sqlite> {}

impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite>> Column<'r> for T {}

/// Runs a statement where it is to run.
macro_rules! run {
    ($sql:expr, $on:expr, $method:ident) => {
        match $on.into() {
            On::Pool(Pool::Sqlite(pool)) => $sql.sqlite().$method(pool).await?.into(),
            On::Transaction(Transaction::Sqlite(transaction)) => {
                $sql.sqlite().$method(&mut **transaction).await?.into()
            }
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
        }
    }

    fn sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(statement(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Bool(value) => query.bind(value),
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::Id(value) => query.bind(value),
        })
    }
}

/// What anybody said is in the values, never in the text.
fn statement(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => SqlStr::from_static(text),
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

impl Pool {
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

impl Row {
    pub(super) fn get<'r, T: Column<'r>>(&'r self, column: usize) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => Ok(row.try_get(column)?),
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
    Bool bool => |value| value;
    Int i64 => |value| Some(value);
    Int Option<i64> => |value| value;
    Text &str => |value| Some(value.to_owned());
    Text &String => |value| Some(value.clone());
    Text String => |value| Some(value);
    Text Option<&str> => |value| value.map(str::to_owned);
    Bytes &[u8] => |value| Some(value.to_vec());
    Bytes Vec<u8> => |value| Some(value);
    Bytes Option<Vec<u8>> => |value| value;
    Id Uuid => |value| value;
}
