//! PostgreSQL for tests. [`Database`] is one of a server that all tests share; [`Server`] is one of a test's own, to be
//! killed.
//!
//! The shared server begins with the first test that wants it, in `target/postgres`, and ends by itself some time after
//! the last one: each process holds a lock for as long as it lives.

mod server;
mod shared;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

pub use server::Server;

/// A database of one's own on the shared server. It goes some time after this.
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
    fn drop(&mut self) {
        // Nothing is waited for here: PostgreSQL drops a database when every session has taken note of it, and those of
        // the test that ends are in a runtime that stands still meanwhile. What is not noted goes when the server begins.
        shared::discard(&self.name);
    }
}
