//! Brings a database to the tables of this binary, forward only.

use std::borrow::Cow;

use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::StoreError;

/// Number, name and text of each migration, in order.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../../migrations/sqlite/0001_first.sql")),
    (2, "kept", include_str!("../../migrations/sqlite/0002_kept.sql")),
    (3, "joined", include_str!("../../migrations/sqlite/0003_joined.sql")),
];

pub(super) async fn migrate(writes: &SqlitePool) -> Result<(), StoreError> {
    let ours = MIGRATIONS.last().map_or(0, |last| last.0);
    match migrator(ours).run(writes).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(theirs)) => Err(StoreError::Newer { theirs, ours }),
        Err(error) => Err(StoreError::Migrate(error)),
    }
}

/// Up to this migration.
pub(super) fn migrator(newest: i64) -> Migrator {
    let migrations = MIGRATIONS.iter().filter(|(number, ..)| *number <= newest).map(|&(number, name, text)| {
        let sql = sqlx::SqlSafeStr::into_sql_str(text);
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}
