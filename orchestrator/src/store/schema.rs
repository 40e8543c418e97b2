//! Brings a database to the tables of this binary, forward only.

use std::{borrow::Cow, ops::Deref};

use sqlx::{
    Acquire, PgConnection, SqlitePool,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
};

use super::StoreError;

/// Number, name and text of each migration, in order.
type Migrations = [(i64, &'static str, &'static str)];

pub(super) const SQLITE: &Migrations = &[
    (1, "first", include_str!("../../migrations/sqlite/0001_first.sql")),
    (2, "kept", include_str!("../../migrations/sqlite/0002_kept.sql")),
    (3, "joined", include_str!("../../migrations/sqlite/0003_joined.sql")),
    (4, "certificates", include_str!("../../migrations/sqlite/0004_certificates.sql")),
    (5, "access", include_str!("../../migrations/sqlite/0005_access.sql")),
    (11, "commands", include_str!("../../migrations/sqlite/0011_commands.sql")),
];

pub(super) const POSTGRES: &Migrations = &[
    (1, "first", include_str!("../../migrations/postgres/0001_first.sql")),
    (2, "certificates", include_str!("../../migrations/postgres/0002_certificates.sql")),
    (3, "access", include_str!("../../migrations/postgres/0003_access.sql")),
    (4, "several", include_str!("../../migrations/postgres/0004_several.sql")),
    (10, "commands", include_str!("../../migrations/postgres/0010_commands.sql")),
];

pub(super) async fn migrate_sqlite(writes: &SqlitePool) -> Result<(), StoreError> {
    migrate(SQLITE, writes).await
}

/// One orchestrator after the other: it takes a lock.
pub(super) async fn migrate_postgres(connection: &mut PgConnection) -> Result<(), StoreError> {
    migrate(POSTGRES, connection).await
}

async fn migrate<'a, A>(migrations: &Migrations, database: A) -> Result<(), StoreError>
where
    A: Acquire<'a>,
    <A::Connection as Deref>::Target: Migrate,
{
    let ours = migrations.last().map_or(0, |last| last.0);
    match migrator(migrations, ours).run(database).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(theirs)) => Err(StoreError::Newer { theirs, ours }),
        Err(error) => Err(StoreError::Migrate(error)),
    }
}

/// Up to this migration.
pub(super) fn migrator(migrations: &Migrations, newest: i64) -> Migrator {
    let migrations = migrations.iter().filter(|(number, ..)| *number <= newest).map(|&(number, name, text)| {
        let sql = sqlx::SqlSafeStr::into_sql_str(text);
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}
