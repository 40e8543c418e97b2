//! PostgreSQL for tests. [`Database`] is one of a server that all tests share; [`Server`] is one of a test's own, to be
//! killed.
//!
//! The shared server begins with the first test that wants it, in `target/postgres`, and ends by itself some time after
//! the last one: each process holds a lock for as long as it lives.

mod server;
mod shared;

use std::{
    sync::{Mutex, Once, PoisonError},
    thread::JoinHandle,
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

pub use server::Server;

/// A database of one's own on the shared server. Dropped with this.
pub struct Database {
    name: String,
    at: server::Place,
}

impl Database {
    /// An empty one.
    pub async fn create() -> anyhow::Result<Self> {
        let at = tokio::task::spawn_blocking(shared::server).await??;
        Self::create_at(at).await
    }

    async fn create_at(at: server::Place) -> anyhow::Result<Self> {
        let name = format!("w_{}", Uuid::new_v4().simple());
        let mut admin = PgConnection::connect_with(&at.options("postgres")).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await?;
        admin.close().await?;
        Ok(Self { name, at })
    }

    /// `postgres://…`, with the password.
    pub fn url(&self) -> String {
        self.at.url(&self.name)
    }

    /// For a connection of the test's own.
    pub fn options(&self) -> PgConnectOptions {
        self.at.options(&self.name)
    }
}

impl Drop for Database {
    /// Beside the test: PostgreSQL waits for connections that are being made to any database, and those of this test go
    /// on only when its runtime does, or ends.
    fn drop(&mut self) {
        let (options, name) = (self.at.options("postgres"), self.name.clone());
        let drop = async move {
            let mut admin = PgConnection::connect_with(&options).await?;
            sqlx::query(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).execute(&mut admin).await
        };
        let name = self.name.clone();
        let dropping = std::thread::spawn(move || {
            let dropped = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let dropped = dropped.map_err(sqlx::Error::from).and_then(|runtime| runtime.block_on(drop));
            // What is left is dropped when the server begins next.
            if let Err(error) = dropped {
                eprintln!("database {name} is left: {error}");
            }
        });
        DROPPING.lock().unwrap_or_else(PoisonError::into_inner).push(dropping);
        WAITS.call_once(|| {
            // SAFETY: the function is there as long as the process is, and unwinds into nobody.
            unsafe { libc::atexit(finish) };
        });
    }
}

static DROPPING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());
static WAITS: Once = Once::new();

/// The process ends when its databases are gone.
extern "C" fn finish() {
    let dropping = std::mem::take(&mut *DROPPING.lock().unwrap_or_else(PoisonError::into_inner));
    for thread in dropping {
        // it has told what went wrong
        let _ = thread.join();
    }
}
