//! Put in: into a database that holds nothing, whole or not at all. A file is made under another name and gets its own when
//! all is in it; on PostgreSQL all rows are one transaction. The tables are first as they were when the archive was written, and
//! are brought up to date with the rows in them, as those of a running orchestrator would be.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use sqlx::Connection as _;
use uuid::Uuid;

use super::{
    Kind, Table,
    bodies::{BODIES, USES},
    places::Places,
    quoted,
    shelve::Shelving,
    tables,
};
use crate::{
    BodyConfig, Database,
    backup::archive::{ArchiveError, Cell, Line, Reader},
    disk,
    store::{
        StoreError, postgres, schema,
        sql::{Pool, Sql, Transaction, Value},
        sqlite,
    },
};

/// Values of one statement.
const VALUES: usize = 800;
/// Bytes of one statement.
const BYTES: usize = 8 << 20;

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error("the backup: {0}")]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0} is there already: a backup is restored where there is no database; move that one away first")]
    Exists(String),
    #[error("the database has rows in its table `{0}`: a backup is restored into an empty one only")]
    NotEmpty(String),
    #[error(
        "the backup was written by orchestrator {0}, which is newer than this one: restore it with that version or a later one"
    )]
    Newer(String),
    #[error("the backup has {0}, which this orchestrator does not know")]
    Unknown(String),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
}

/// Rows of each table.
pub(crate) type Counts = Vec<(String, u64)>;

/// All of the archive, into a database that holds nothing, and its large bodies into the body store. Rows of each table, and how many
/// bodies are not what their name says.
pub(crate) async fn restore<R: Read>(
    database: &Database,
    bodies: &BodyConfig,
    archive: &mut Reader<R>,
) -> Result<(Counts, u64), RestoreError> {
    let (ours, theirs) = (super::schema(), archive.head().schema.clone());
    let (ours, theirs) = match database {
        Database::Sqlite(_) => (ours.sqlite, theirs.sqlite),
        Database::Postgres(_) => (ours.postgres, theirs.postgres),
    };
    if theirs.iter().any(|number| !ours.contains(number)) {
        return Err(RestoreError::Newer(archive.head().orchestrator.clone()));
    }
    let mut shelving = Shelving::new(bodies, archive.id())?;
    let counts = match database {
        Database::Sqlite(file) => into_file(file, &theirs, archive, &mut shelving).await?,
        Database::Postgres(url) => {
            let (mut migrating, pool) = postgres::open_alone(url).await?;
            schema::migrate_postgres_to(&theirs, &mut migrating).await?;
            let counts = load(Pool::Postgres(pool.clone()), archive, &mut shelving).await?;
            pool.close().await;
            schema::migrate_postgres(&mut migrating).await?;
            // All is committed, whatever becomes of this.
            let _ = migrating.close().await;
            counts
        }
    };
    Ok((counts, shelving.finish().await?))
}

async fn into_file<R: Read>(
    file: &Path,
    theirs: &[i64],
    archive: &mut Reader<R>,
    shelving: &mut Shelving,
) -> Result<Counts, RestoreError> {
    // A journal without its database would be taken for the new one's.
    for there in ["", "-wal", "-shm", "-journal"].map(|ending| beside(file, ending)) {
        if there.exists() {
            return Err(RestoreError::Exists(there.display().to_string()));
        }
    }
    let part = beside(file, ".restoring");
    let counts = fill(&part, theirs, archive, shelving).await.inspect_err(|_| {
        // What is left is no database's name.
        let _ = fs::remove_file(&part);
    })?;
    let fault = |error| RestoreError::File { path: file.to_owned(), error };
    File::open(&part).and_then(|part| part.sync_all()).map_err(fault)?;
    fs::rename(&part, file).map_err(fault)?;
    disk::settle(file).map_err(fault)?;
    Ok(counts)
}

async fn fill<R: Read>(
    part: &Path,
    theirs: &[i64],
    archive: &mut Reader<R>,
    shelving: &mut Shelving,
) -> Result<Counts, RestoreError> {
    let fault = |error| RestoreError::File { path: part.to_owned(), error };
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let pool = sqlite::open_alone(part).await?;
    schema::migrate_sqlite_to(theirs, &pool).await?;
    let counts = load(Pool::Sqlite(pool.clone()), archive, shelving).await?;
    schema::migrate_sqlite(&pool).await?;
    pool.close().await;
    Ok(counts)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Rows on their way into one table.
struct Loading<'a> {
    table: &'a Table,
    /// Of each column that comes, the place in the table.
    places: Vec<usize>,
    newest: Option<i64>,
    kind: Content,
    rows: Vec<Vec<Cell<'static>>>,
    bytes: usize,
    count: u64,
}

/// What rows are that are not put in just as they come.
enum Content {
    Bodies(Places),
    Uses { body: usize },
    Other,
}

async fn load<R: Read>(pool: Pool, archive: &mut Reader<R>, shelving: &mut Shelving) -> Result<Counts, RestoreError> {
    let mut transaction = pool.begin().await?;
    let tables = tables(&mut transaction).await?;
    for table in &tables {
        let any = Sql::new(format!("SELECT 1 FROM {} LIMIT 1", quoted(&table.name)));
        if any.fetch_optional(&mut transaction).await?.is_some() {
            return Err(RestoreError::NotEmpty(table.name.clone()));
        }
    }
    let summed = summed(&mut transaction).await?;
    sum_later(&mut transaction, &summed).await?;
    let mut counts = Counts::new();
    let mut loading: Option<Loading<'_>> = None;
    loop {
        match archive.next()? {
            Line::Row(cells) => {
                let loading = loading.as_mut().ok_or(ArchiveError::NotOne)?;
                loading.add(cells);
                if loading.is_full() {
                    loading.insert(&mut transaction, shelving).await?;
                }
            }
            Line::Table(begun) => {
                if let Some(done) = loading.take() {
                    counts.push(done.finish(&mut transaction, shelving).await?);
                }
                loading = Some(Loading::new(&tables, begun)?);
            }
            Line::End => break,
        }
    }
    if let Some(done) = loading.take() {
        counts.push(done.finish(&mut transaction, shelving).await?);
    }
    sum(&mut transaction, &summed).await?;
    if tables.iter().any(|table| table.name == "body_uses") {
        forget_bodies(&mut transaction).await?;
    }
    whole(&mut transaction).await?;
    shelving.holds().await?;
    transaction.commit().await?;
    Ok(counts)
}

impl<'a> Loading<'a> {
    fn new(tables: &'a [Table], begun: crate::backup::archive::Table) -> Result<Self, RestoreError> {
        let unknown = |what: String| RestoreError::Unknown(what);
        let table = tables.iter().find(|table| table.name == begun.name);
        let table = table.ok_or_else(|| unknown(format!("a table `{}`", begun.name)))?;
        let place = |column: &String| {
            let place = table.columns.iter().position(|own| own.name == *column);
            place.ok_or_else(|| unknown(format!("a column `{column}` of `{}`", begun.name)))
        };
        let places = begun.columns.iter().map(place).collect::<Result<_, _>>()?;
        let kind = match table.name.as_str() {
            BODIES => Places::of(&begun.columns).map(Content::Bodies),
            USES => begun.columns.iter().position(|column| column == "body").map(|body| Content::Uses { body }),
            _ => None,
        };
        let kind = kind.unwrap_or(Content::Other);
        Ok(Self { table, places, newest: begun.newest, kind, rows: Vec::new(), bytes: 0, count: 0 })
    }

    fn add(&mut self, cells: Vec<Cell<'static>>) {
        let long = |cell: &Cell<'_>| match cell {
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
            _ => 8,
        };
        self.bytes += cells.iter().map(long).sum::<usize>();
        self.rows.push(cells);
        self.count += 1;
    }

    fn is_full(&self) -> bool {
        self.bytes > BYTES || (self.rows.len() + 1) * self.places.len().max(1) > VALUES
    }

    async fn insert(&mut self, transaction: &mut Transaction, shelving: &mut Shelving) -> Result<(), RestoreError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        match &self.kind {
            Content::Bodies(places) => shelving.take(transaction, places, &mut self.rows).await?,
            Content::Uses { body } => shelving.forget_lost(*body, &mut self.rows),
            Content::Other => {}
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        let columns: Vec<_> = self.places.iter().map(|place| quoted(&self.table.columns[*place].name)).collect();
        // PostgreSQL gives numbers of its own where it is not told that these are meant.
        let meant = if let Transaction::Postgres(..) = transaction { " OVERRIDING SYSTEM VALUE" } else { "" };
        let mut insert =
            Sql::new(format!("INSERT INTO {} ({}){meant} VALUES ", quoted(&self.table.name), columns.join(", ")));
        for (row, cells) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            insert.push(if row == 0 { "(" } else { ", (" });
            for (number, (cell, place)) in cells.into_iter().zip(&self.places).enumerate() {
                let column = &self.table.columns[*place];
                let value = value(column.kind, cell).ok_or_else(|| {
                    ArchiveError::Damaged(format!("`{}` of `{}` is of another kind", column.name, self.table.name))
                })?;
                insert.push(if number == 0 { "" } else { ", " }).push_bind(value);
            }
            insert.push(")");
        }
        self.bytes = 0;
        insert.execute(transaction).await?;
        Ok(())
    }

    /// The rest, and the numbers that come next.
    async fn finish(
        mut self,
        transaction: &mut Transaction,
        shelving: &mut Shelving,
    ) -> Result<(String, u64), RestoreError> {
        self.insert(transaction, shelving).await?;
        let statements: &[&str] = match transaction {
            Transaction::Sqlite(_) => &[
                "INSERT INTO sqlite_sequence (name, seq) SELECT $2, 0 WHERE $1 > 0 AND \
                 NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = $2)",
                "UPDATE sqlite_sequence SET seq = max(seq, $1) WHERE name = $2",
            ],
            Transaction::Postgres(..) => &[
                "SELECT setval(name::regclass, $1::bigint) FROM pg_get_serial_sequence($2, 'number') AS name \
                 WHERE name IS NOT NULL AND $1::bigint > 0",
                "UPDATE held SET newest = greatest(newest, $1) WHERE what = $2",
            ],
        };
        if let Some(newest) = self.newest {
            for text in statements {
                Sql::new(*text).bind(newest).bind(&self.table.name).execute(&mut *transaction).await?;
            }
        }
        Ok((self.table.name.clone(), self.count))
    }
}

/// The cell as this column takes it.
fn value(kind: Kind, cell: Cell<'static>) -> Option<Value> {
    Some(match (kind, cell) {
        (Kind::Any | Kind::Int, Cell::Null) => Value::Int(None),
        (Kind::Any | Kind::Int, Cell::Int(number)) => Value::Int(Some(number)),
        (Kind::Any | Kind::Real, Cell::Real(number)) => Value::Real(Some(number)),
        (Kind::Any | Kind::Text, Cell::Text(text)) => Value::Text(Some(text.into_owned())),
        (Kind::Any | Kind::Bytes, Cell::Bytes(bytes)) => Value::Bytes(Some(bytes.into_owned())),
        (Kind::Bool, Cell::Null) => Value::Bool(None),
        (Kind::Bool, Cell::Int(number)) => Value::Bool(Some(number != 0)),
        (Kind::Real, Cell::Null) => Value::Real(None),
        (Kind::Real, Cell::Int(number)) => Value::Real(Some(number as f64)),
        (Kind::Text, Cell::Null) => Value::Text(None),
        (Kind::Bytes, Cell::Null) => Value::Bytes(None),
        (Kind::Id, Cell::Null) => Value::Id(None),
        (Kind::Id, Cell::Bytes(bytes)) => Value::Id(Some(Uuid::from_slice(&bytes).ok()?)),
        _ => return None,
    })
}

/// Tables whose rows PostgreSQL sums up in `held`, and the column that says how large a row is. With each statement of one long transaction that takes longer.
async fn summed(transaction: &mut Transaction) -> Result<Vec<(String, String)>, StoreError> {
    if let Transaction::Sqlite(_) = transaction {
        return Ok(Vec::new());
    }
    let text = "SELECT c.relname::text, a.attname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN held h ON h.what = c.relname \
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('bytes', 'stored') AND a.atttypid = 'bigint'::regtype \
                WHERE t.tgname = c.relname || '_come' AND c.relnamespace = current_schema()::regnamespace";
    let rows = Sql::new(text).fetch_all(transaction).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

async fn sum_later(transaction: &mut Transaction, summed: &[(String, String)]) -> Result<(), StoreError> {
    for (table, _) in summed {
        let text = format!("ALTER TABLE {} DISABLE TRIGGER {}", quoted(table), quoted(&format!("{table}_come")));
        Sql::new(text).execute(&mut *transaction).await?;
    }
    Ok(())
}

async fn sum(transaction: &mut Transaction, summed: &[(String, String)]) -> Result<(), StoreError> {
    for (table, size) in summed {
        let (name, size) = (quoted(table), quoted(size));
        let text = format!(
            "UPDATE held SET count = n.count, bytes = n.bytes, newest = greatest(held.newest, n.newest) FROM \
             (SELECT count(*) AS count, coalesce(sum({size}), 0)::bigint AS bytes, coalesce(max(number), 0) AS newest \
             FROM {name}) AS n WHERE what = $1"
        );
        Sql::new(text).bind(table).execute(&mut *transaction).await?;
        let text = format!("ALTER TABLE {name} ENABLE TRIGGER {}", quoted(&format!("{table}_come")));
        Sql::new(text).execute(&mut *transaction).await?;
    }
    Ok(())
}

/// Bodies of exchanges that went while the archive was written.
async fn forget_bodies(transaction: &mut Transaction) -> Result<(), StoreError> {
    for text in [
        "DELETE FROM body_uses WHERE NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.number = body_uses.exchange)",
        "DELETE FROM bodies WHERE NOT EXISTS (SELECT 1 FROM body_uses u WHERE u.body = bodies.number)",
        // They are another database's too, for all that is known.
        "DELETE FROM bodies_gone",
    ] {
        Sql::new(text).execute(&mut *transaction).await?;
    }
    Ok(())
}

/// What rows refer to is there. PostgreSQL sees to that itself.
async fn whole(transaction: &mut Transaction) -> Result<(), RestoreError> {
    if let Transaction::Sqlite(_) = transaction
        && Sql::new("SELECT 1 FROM pragma_foreign_key_check LIMIT 1").fetch_optional(transaction).await?.is_some()
    {
        return Err(ArchiveError::Damaged("rows refer to others that are not there".to_owned()).into());
    }
    Ok(())
}
