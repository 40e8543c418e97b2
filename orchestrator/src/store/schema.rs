//! Brings a database to the tables of this binary, forward only.

use std::{borrow::Cow, ops::Deref};

use sqlx::{
    Acquire, PgConnection, SqlitePool,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
};

use super::StoreError;

/// Number, name and text of each migration, in order.
pub(super) type Migrations = [(i64, &'static str, &'static str)];

pub(super) const SQLITE: &Migrations = &[
    (1, "first", include_str!("../../migrations/sqlite/0001_first.sql")),
    (2, "kept", include_str!("../../migrations/sqlite/0002_kept.sql")),
    (3, "joined", include_str!("../../migrations/sqlite/0003_joined.sql")),
    (4, "certificates", include_str!("../../migrations/sqlite/0004_certificates.sql")),
    (5, "access", include_str!("../../migrations/sqlite/0005_access.sql")),
    (6, "bodies", include_str!("../../migrations/sqlite/0006_bodies.sql")),
    (7, "seen", include_str!("../../migrations/sqlite/0007_seen.sql")),
    (8, "configurations", include_str!("../../migrations/sqlite/0008_configurations.sql")),
    (9, "answers", include_str!("../../migrations/sqlite/0009_answers.sql")),
    (11, "commands", include_str!("../../migrations/sqlite/0011_commands.sql")),
    (12, "breakpoints", include_str!("../../migrations/sqlite/0012_breakpoints.sql")),
    (13, "retention", include_str!("../../migrations/sqlite/0013_retention.sql")),
    (14, "index", include_str!("../../migrations/sqlite/0014_index.sql")),
    (15, "kept", include_str!("../../migrations/sqlite/0015_kept.sql")),
    (16, "usage", include_str!("../../migrations/sqlite/0016_usage.sql")),
    (17, "join_tokens", include_str!("../../migrations/sqlite/0017_join_tokens.sql")),
    (18, "areas", include_str!("../../migrations/sqlite/0018_areas.sql")),
    (19, "lost", include_str!("../../migrations/sqlite/0019_lost.sql")),
    (20, "notes", include_str!("../../migrations/sqlite/0020_notes.sql")),
    (21, "join_ids", include_str!("../../migrations/sqlite/0021_join_ids.sql")),
];

pub(super) const POSTGRES: &Migrations = &[
    (1, "first", include_str!("../../migrations/postgres/0001_first.sql")),
    (2, "certificates", include_str!("../../migrations/postgres/0002_certificates.sql")),
    (3, "access", include_str!("../../migrations/postgres/0003_access.sql")),
    (4, "several", include_str!("../../migrations/postgres/0004_several.sql")),
    (5, "bodies", include_str!("../../migrations/postgres/0005_bodies.sql")),
    (6, "seen", include_str!("../../migrations/postgres/0006_seen.sql")),
    (7, "configurations", include_str!("../../migrations/postgres/0007_configurations.sql")),
    (8, "answers", include_str!("../../migrations/postgres/0008_answers.sql")),
    (10, "commands", include_str!("../../migrations/postgres/0010_commands.sql")),
    (11, "breakpoints", include_str!("../../migrations/postgres/0011_breakpoints.sql")),
    (12, "retention", include_str!("../../migrations/postgres/0012_retention.sql")),
    (13, "index", include_str!("../../migrations/postgres/0013_index.sql")),
    (14, "kept", include_str!("../../migrations/postgres/0014_kept.sql")),
    (15, "usage", include_str!("../../migrations/postgres/0015_usage.sql")),
    (16, "join_tokens", include_str!("../../migrations/postgres/0016_join_tokens.sql")),
    (17, "areas", include_str!("../../migrations/postgres/0017_areas.sql")),
    (18, "lost", include_str!("../../migrations/postgres/0018_lost.sql")),
    (19, "notes", include_str!("../../migrations/postgres/0019_notes.sql")),
    (20, "join_ids", include_str!("../../migrations/postgres/0020_join_ids.sql")),
];

pub(super) async fn migrate_sqlite(writes: &SqlitePool) -> Result<(), StoreError> {
    migrate(SQLITE, writes).await
}

/// One orchestrator after the other: it takes a lock.
pub(super) async fn migrate_postgres<'a, A>(database: A) -> Result<(), StoreError>
where
    A: Acquire<'a>,
    <A::Connection as Deref>::Target: Migrate,
{
    migrate(POSTGRES, database).await
}

/// To the tables of an earlier time: these migrations and no more.
pub(super) async fn migrate_sqlite_to(numbers: &[i64], writes: &SqlitePool) -> Result<(), StoreError> {
    migrator(SQLITE, |number| numbers.contains(&number)).run(writes).await.map_err(StoreError::Migrate)
}

/// The same. Tables that have more migrations are left as they are.
pub(super) async fn migrate_postgres_to(numbers: &[i64], database: &mut PgConnection) -> Result<(), StoreError> {
    let mut migrator = migrator(POSTGRES, |number| numbers.contains(&number));
    migrator.set_ignore_missing(true).run(database).await.map_err(StoreError::Migrate)
}

async fn migrate<'a, A>(migrations: &Migrations, database: A) -> Result<(), StoreError>
where
    A: Acquire<'a>,
    <A::Connection as Deref>::Target: Migrate,
{
    let ours = migrations.last().map_or(0, |last| last.0);
    match migrator(migrations, |_| true).run(database).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(theirs)) => Err(StoreError::Newer { theirs, ours }),
        Err(error) => Err(StoreError::Migrate(error)),
    }
}

/// Of some of the migrations.
pub(super) fn migrator(migrations: &Migrations, takes: impl Fn(i64) -> bool) -> Migrator {
    let migrations = migrations.iter().filter(|(number, ..)| takes(*number)).map(|&(number, name, text)| {
        let sql = sqlx::SqlSafeStr::into_sql_str(text);
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}
