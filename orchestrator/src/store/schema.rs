//! Brings a database to the tables of this binary, forward only.

use std::borrow::Cow;

use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::StoreError;

/// Number, name and text of each migration, in order.
const MIGRATIONS: &[(i64, &str, &str)] = &[(1, "first", include_str!("../../migrations/0001_first.sql"))];

pub(super) async fn migrate(writes: &SqlitePool) -> Result<(), StoreError> {
    let migrations = MIGRATIONS.iter().map(|&(number, name, text)| {
        let sql = sqlx::SqlSafeStr::into_sql_str(text);
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    let ours = MIGRATIONS.last().map_or(0, |last| last.0);
    match Migrator::with_migrations(migrations.collect()).run(writes).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(theirs)) => Err(StoreError::Newer { theirs, ours }),
        Err(error) => Err(StoreError::Migrate(error)),
    }
}
