//! Where a server keeps things, and what happens to them behind its back.

use std::{net::SocketAddr, path::Path, sync::Arc};

use sqlx::Connection as _;
use weir_orchestrator::ServeArgs;
use weir_testkit::postgres::Database;

/// Where a server keeps things: its directory and, on PostgreSQL, a database.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    database: Option<Arc<Database>>,
}

impl Home {
    /// On the database that this test binary is for.
    pub(crate) async fn new() -> Self {
        let database = if crate::on_postgres() { Some(Arc::new(Database::create().await.unwrap())) } else { None };
        Self { dir: tempfile::tempdir().unwrap(), database }
    }

    /// On the database that this test binary is not for.
    pub(crate) async fn other() -> Self {
        let database = if crate::on_postgres() { None } else { Some(Arc::new(Database::create().await.unwrap())) };
        Self { dir: tempfile::tempdir().unwrap(), database }
    }

    /// Another directory, with copies of these files, and the same database.
    #[allow(dead_code, reason = "not every database is shared")]
    pub(crate) fn beside(&self, files: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::copy(self.path().join(file), dir.path().join(file)).unwrap();
        }
        Self { dir, database: self.database.clone() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn args(&self) -> ServeArgs {
        args(self.path(), self.database.as_deref().map(Database::url))
    }

    /// As `orchestrator serve` takes it.
    pub(crate) fn database_url(&self) -> String {
        self.database
            .as_deref()
            .map_or_else(|| format!("sqlite://{}", self.path().join("weir.db").display()), Database::url)
    }

    /// Runs statements behind the server's back.
    pub(crate) async fn sql(&self, text: &'static str) {
        let run = sqlx::raw_sql(text);
        match &self.database {
            Some(database) => {
                let mut connection = sqlx::PgConnection::connect_with(&database.options()).await.unwrap();
                run.execute(&mut connection).await.unwrap();
            }
            None => {
                let mut connection = sqlx::SqliteConnection::connect(&self.database_url()).await.unwrap();
                run.execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// On disk.
    #[allow(dead_code, reason = "for the measurement")]
    pub(crate) async fn bytes(&self) -> u64 {
        let Some(database) = &self.database else {
            return std::fs::metadata(self.path().join("weir.db")).unwrap().len();
        };
        let mut connection = sqlx::PgConnection::connect_with(&database.options()).await.unwrap();
        let size = sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut connection).await;
        let size: i64 = size.unwrap();
        u64::try_from(size).unwrap()
    }

    /// All is gone but what lies in the directory.
    pub(crate) async fn lose_database(&self) {
        if self.database.is_some() {
            return self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
        }
        for file in ["weir.db", "weir.db-wal", "weir.db-shm"] {
            let _ = std::fs::remove_file(self.path().join(file));
        }
        // worth nothing without it, and another database is told that it is not its own
        let _ = std::fs::remove_dir_all(self.path().join("bodies"));
    }
}

pub(crate) fn args(dir: &Path, database: Option<String>) -> ServeArgs {
    let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let database_url = database.map(|url| url.parse().unwrap());
    ServeArgs { data_dir: Some(dir.to_owned()), rest: any, grpc: any, database_url, ..ServeArgs::default() }
}
