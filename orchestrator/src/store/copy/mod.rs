//! All that a database holds, taken out and put into another: tables and columns are asked of the database itself, so
//! that what a migration adds is copied too. Rows look the same whichever database they came from.

mod bodies;
mod into;
mod out;
mod places;
mod shelve;

use super::{
    StoreError,
    schema::{self, Migrations},
    sql::{Row, Sql, Transaction},
};
use crate::backup::archive::{self, Schema};

pub(crate) use into::restore;
pub(super) use shelve::RESTORING;

/// What is made anew from the rest, or is true of one database alone. Tables that a crash empties (UNLOGGED) are left out too.
const LEFT_OUT: [&str; 12] = [
    "_sqlx_migrations",
    "held",
    "presence",
    "authority",
    "mail",
    "breakpoints",
    "body_store",
    "bodies_gone",
    "search_index",
    "search_blocks",
    "search_parts",
    "search_changed",
];

/// A table, as it is.
struct Table {
    name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    kind: Kind,
}

/// Of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// SQLite's columns hold anything.
    Any,
    Bool,
    Int,
    Real,
    Text,
    Bytes,
    Id,
}

impl Table {
    fn has_numbers(&self) -> bool {
        self.columns.iter().any(|column| column.name == "number")
    }

    /// Its line in an archive.
    fn line(&self, newest: Option<i64>) -> archive::Table {
        let columns = self.columns.iter().map(|column| column.name.clone()).collect();
        archive::Table { name: self.name.clone(), columns, newest }
    }

    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| &*column.name).collect()
    }

    /// What to select.
    fn list(&self) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        columns.join(", ")
    }
}

/// A name as it stands in statements.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Of this binary.
pub(crate) fn schema() -> Schema {
    let numbers = |migrations: &Migrations| migrations.iter().map(|(number, ..)| *number).collect();
    Schema { sqlite: numbers(schema::SQLITE), postgres: numbers(schema::POSTGRES) }
}

/// Every table that is copied, after those that its rows refer to.
async fn tables(transaction: &mut Transaction) -> Result<Vec<Table>, StoreError> {
    let (list, references) = match transaction {
        Transaction::Sqlite(_) => (
            "SELECT t.name, c.name, c.type FROM pragma_table_list t JOIN pragma_table_info(t.name) c \
             WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid",
            "SELECT t.name, f.\"table\" FROM pragma_table_list t JOIN pragma_foreign_key_list(t.name) f \
             WHERE t.schema = 'main' AND t.type = 'table'",
        ),
        Transaction::Postgres(..) => (
            "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL) FROM pg_class c \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, a.attnum",
            "SELECT c.relname::text, p.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
             JOIN pg_class p ON p.oid = k.confrelid \
             WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace",
        ),
    };
    let is_sqlite = matches!(transaction, Transaction::Sqlite(_));
    let mut tables: Vec<Table> = Vec::new();
    for row in Sql::new(list).fetch_all(&mut *transaction).await? {
        let (table, column, kind): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if LEFT_OUT.contains(&table.as_str()) {
            continue;
        }
        let kind = if is_sqlite { Kind::Any } else { kind_of(&kind)? };
        if tables.last().is_none_or(|last| last.name != table) {
            tables.push(Table { name: table, columns: Vec::new() });
        }
        if let Some(last) = tables.last_mut() {
            last.columns.push(Column { name: column, kind });
        }
    }
    let pair = |row: &Row| Ok::<(String, String), StoreError>((row.get(0)?, row.get(1)?));
    let references = Sql::new(references).fetch_all(transaction).await?;
    Ok(in_order(tables, &references.iter().map(pair).collect::<Result<Vec<_>, _>>()?))
}

fn kind_of(name: &str) -> Result<Kind, StoreError> {
    Ok(match name {
        "boolean" => Kind::Bool,
        "bigint" => Kind::Int,
        "double precision" => Kind::Real,
        "text" => Kind::Text,
        "bytea" => Kind::Bytes,
        "uuid" => Kind::Id,
        _ => return Err(StoreError::Damaged("a column of a kind")),
    })
}

/// Whoever refers to another comes after it. Of those that refer to each other, none does.
fn in_order(mut left: Vec<Table>, references: &[(String, String)]) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let waits = |table: &Table| {
            let mut parents = references.iter().filter(|(child, parent)| *child == table.name && child != parent);
            parents.any(|(_, parent)| left.iter().any(|other| other.name == *parent))
        };
        let next = left.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BodyConfig, BodyPlace,
        backup::archive::{Cell, Head, Reader, Writer},
        store::{Dialect, testing::Place},
    };

    const NO_STORE: BodyConfig = BodyConfig { place: BodyPlace::Database, from_bytes: 1 };

    /// As an earlier version wrote it: two columns fewer.
    fn archive(schema: Schema) -> Vec<u8> {
        let mut archive = Writer::new(&Head::new(String::new(), schema, &[])).unwrap();
        let columns = ["number", "id", "name", "grp", "joined_us", "last_seen_us", "version"].map(str::to_owned).into();
        archive.table(&archive::Table { name: "agents".to_owned(), columns, newest: Some(9) }).unwrap();
        let (id, text) = (vec![7; 16], |text: &'static str| Cell::Text(text.into()));
        let row = [Cell::Int(4), Cell::Bytes(id.into()), text("edge"), text("g"), Cell::Int(1), Cell::Int(2), text("")];
        archive.row(&row).unwrap();
        archive.finish().unwrap()
    }

    #[tokio::test]
    async fn both_databases_have_the_same_tables_to_copy() {
        let mut all = Vec::new();
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let place = Place::new(dialect).await;
            let store = place.open().await;
            let mut transaction = store.begin().await.unwrap();
            let mut found: Vec<String> = Vec::new();
            for table in tables(&mut transaction).await.unwrap() {
                let columns = table.columns.iter().map(|column| format!("{}.{}", table.name, column.name));
                found.extend(columns);
            }
            drop(transaction);
            store.close().await;
            found.sort();
            all.push(found);
        }
        assert_eq!(all[0], all[1], "a backup of one could not be restored into the other: see LEFT_OUT");
    }

    async fn check(dialect: Dialect) {
        let place = Place::new(dialect).await;
        let newer = archive(Schema { sqlite: vec![1, 77], postgres: vec![1, 77] });
        let refused = restore(place.database(), &NO_STORE, &mut Reader::open(&newer[..]).unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("newer than this one"), "{refused}");
        let earlier = archive(Schema { sqlite: vec![1, 2], postgres: vec![1] });
        let held = restore(place.database(), &NO_STORE, &mut Reader::open(&earlier[..]).unwrap()).await.unwrap();
        assert_eq!(held, (vec![("agents".to_owned(), 1)], 0));
        let store = place.open().await;
        let agents = store.agents().await.unwrap();
        assert_eq!((agents[0].agent.number, &*agents[0].name, agents[0].revoked_us), (4, "edge", None));
        assert_eq!(store.import_agent(1).await.unwrap(), 10, "9 was given before");
        store.close().await;
    }

    #[tokio::test]
    async fn what_an_earlier_version_wrote_is_brought_up_to_date_in_a_file() {
        check(Dialect::Sqlite).await;
    }

    #[tokio::test]
    async fn what_an_earlier_version_wrote_is_brought_up_to_date_on_a_server() {
        check(Dialect::Postgres).await;
    }
}
