//! Credentials of programs and people, as hashes, and the audit trail.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Deed, Store, StoreError, signed,
    sql::{Row, Sql},
};
use crate::{
    access::{Areas, Role},
    tokens::TokenHash,
};

/// What an entry takes of the disk beside its texts, about.
const ENTRY: usize = 128;
/// Between two notes of when a token was used.
const USED_US: u64 = 60_000_000;
/// For that note: others may write, and a disk may stand still.
const NOTED: Duration = Duration::from_secs(1);

/// A program's credential.
#[derive(Debug, Clone)]
pub(crate) struct AccessToken {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) areas: Areas,
    pub(crate) created_us: u64,
    pub(crate) created_by: String,
    pub(crate) expires_us: u64,
    pub(crate) used_us: Option<u64>,
}

/// A person.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// PHC string
    pub(crate) password: String,
    pub(crate) created_us: u64,
    pub(crate) created_by: String,
}

/// An entry of the audit trail.
#[derive(Debug, Clone)]
pub(crate) struct Audited {
    /// The order of entries; given by the store.
    pub(crate) number: i64,
    pub(crate) at_us: u64,
    pub(crate) actor: String,
    /// Of people and programs.
    pub(crate) role: Option<Role>,
    pub(crate) areas: Areas,
    pub(crate) action: String,
    pub(crate) object: String,
    /// HTTP
    pub(crate) status: u16,
    pub(crate) source: String,
}

impl Audited {
    /// Of no person and no program.
    pub(crate) fn nobody(now_us: u64) -> Self {
        let [actor, action, object, source] = [const { String::new() }; 4];
        let areas = Areas::UNBOUNDED;
        Self { number: 0, at_us: now_us, actor, role: None, areas, action, object, status: 0, source }
    }

    /// Adds it.
    pub(super) fn sql(self) -> Sql {
        let sql = "INSERT INTO audit (at_us, actor, role, areas, action, object, status, source, bytes) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let areas = self.areas.text();
        let bytes = ENTRY + self.actor.len() + areas.len() + self.action.len() + self.object.len() + self.source.len();
        let sql = Sql::new(sql).bind(signed(self.at_us)).bind(self.actor);
        let sql = sql.bind(self.role.map_or("", Role::as_str)).bind(areas);
        let sql = sql.bind(self.action).bind(self.object);
        sql.bind(i64::from(self.status)).bind(self.source).bind(signed(bytes as u64))
    }
}

const TOKEN: &str = "SELECT id, name, role, created_us, created_by, expires_us, used_us, areas FROM access_tokens";

impl Store {
    pub(crate) async fn add_access_token(
        &self,
        hash: TokenHash,
        token: &AccessToken,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO access_tokens (id, hash, name, role, areas, created_us, created_by, expires_us) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let sql = Sql::new(sql).bind(token.id).bind(&hash[..]).bind(&token.name).bind(token.role.as_str());
        let sql = sql
            .bind(token.areas.text())
            .bind(signed(token.created_us))
            .bind(&token.created_by)
            .bind(signed(token.expires_us));
        let mut transaction = self.begin().await?;
        sql.execute(&mut transaction).await?;
        deed.commit(transaction).await
    }

    /// The token with this hash, if it still counts. That it was used is noted to the minute.
    pub(crate) async fn access_token(&self, hash: TokenHash, now_us: u64) -> Result<Option<AccessToken>, StoreError> {
        let sql = Sql::new(format!("{TOKEN} WHERE hash = $1 AND expires_us > $2"));
        let row = sql.bind(&hash[..]).bind(signed(now_us)).fetch_optional(&self.reads).await?;
        let Some(token) = row.as_ref().map(access_token).transpose()? else { return Ok(None) };
        if token.used_us.is_none_or(|used| used + USED_US < now_us) {
            let sql = Sql::new("UPDATE access_tokens SET used_us = $1 WHERE id = $2");
            let noted = sql.bind(signed(now_us)).bind(token.id).execute(&self.writes);
            // A disk that is full keeps nobody from reading, or from deleting.
            if !matches!(timeout(NOTED, noted).await, Ok(Ok(_))) {
                tracing::debug!(token = token.name, "that a token was used cannot be noted");
            }
        }
        Ok(Some(token))
    }

    /// Those that still count, in the order made; the others are forgotten.
    pub(crate) async fn access_tokens(&self, now_us: u64) -> Result<Vec<AccessToken>, StoreError> {
        let sql = Sql::new(format!("{TOKEN} WHERE expires_us > $1 ORDER BY id"));
        sql.bind(signed(now_us)).fetch_all(&self.reads).await?.iter().map(access_token).collect()
    }

    /// Whether there was such a token.
    pub(crate) async fn remove_access_token(&self, id: Uuid, deed: &Deed) -> Result<bool, StoreError> {
        self.one_changes(Sql::new("DELETE FROM access_tokens WHERE id = $1").bind(id), deed).await
    }

    /// Whether the name was free.
    pub(crate) async fn add_user(&self, user: &User, deed: &Deed) -> Result<bool, StoreError> {
        let sql = "INSERT INTO users (name, role, password, created_us, created_by) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (name) DO NOTHING";
        let sql = Sql::new(sql).bind(&user.name).bind(user.role.as_str()).bind(&user.password);
        self.one_changes(sql.bind(signed(user.created_us)).bind(&user.created_by), deed).await
    }

    pub(crate) async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        let sql = Sql::new("SELECT name, role, password, created_us, created_by FROM users WHERE name = $1");
        sql.bind(name).fetch_optional(&self.reads).await?.as_ref().map(user).transpose()
    }

    /// By name.
    pub(crate) async fn users(&self) -> Result<Vec<User>, StoreError> {
        let sql = Sql::new("SELECT name, role, password, created_us, created_by FROM users ORDER BY name");
        sql.fetch_all(&self.reads).await?.iter().map(user).collect()
    }

    /// Whether there was such a user.
    pub(crate) async fn remove_user(&self, name: &str, deed: &Deed) -> Result<bool, StoreError> {
        self.one_changes(Sql::new("DELETE FROM users WHERE name = $1").bind(name), deed).await
    }

    /// Whether the statement changed a row; then it is told.
    pub(super) async fn one_changes(&self, sql: Sql, deed: &Deed) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        if sql.execute(&mut transaction).await? != 1 {
            return Ok(false);
        }
        deed.commit(transaction).await?;
        Ok(true)
    }

    /// Adds an entry.
    pub(crate) async fn audit(&self, entry: Audited) -> Result<(), StoreError> {
        entry.sql().execute(&self.writes).await.map(drop)
    }

    /// The newest first, from below a number on, of one actor or of all.
    pub(crate) async fn audited(
        &self,
        actor: Option<&str>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Audited>, StoreError> {
        let mut sql = Sql::new(
            "SELECT number, at_us, actor, role, action, object, status, source, areas FROM audit WHERE number < ",
        );
        sql.push_bind(before.unwrap_or(i64::MAX));
        if let Some(actor) = actor {
            sql.push(" AND actor = ").push_bind(actor);
        }
        sql.push(" ORDER BY number DESC LIMIT ").push_bind(limit);
        sql.fetch_all(&self.reads).await?.iter().map(audited).collect()
    }
}

fn access_token(row: &Row) -> Result<AccessToken, StoreError> {
    let used: Option<i64> = row.get(6)?;
    Ok(AccessToken {
        id: row.get(0)?,
        name: row.get(1)?,
        role: role(row, 2)?,
        areas: areas(row, 7)?,
        created_us: row.number(3)?,
        created_by: row.get(4)?,
        expires_us: row.number(5)?,
        used_us: used.map(super::unsigned),
    })
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        name: row.get(0)?,
        role: role(row, 1)?,
        password: row.get(2)?,
        created_us: row.number(3)?,
        created_by: row.get(4)?,
    })
}

fn audited(row: &Row) -> Result<Audited, StoreError> {
    Ok(Audited {
        number: row.get(0)?,
        at_us: row.number(1)?,
        actor: row.get(2)?,
        role: Some(row.get::<&str>(3)?).filter(|word| !word.is_empty()).map(|_| role(row, 3)).transpose()?,
        areas: areas(row, 8)?,
        action: row.get(4)?,
        object: row.get(5)?,
        status: u16::try_from(row.number(6)?).map_err(|_| StoreError::Damaged("a status"))?,
        source: row.get(7)?,
    })
}

fn role(row: &Row, column: usize) -> Result<Role, StoreError> {
    row.get::<String>(column)?.parse().map_err(|()| StoreError::Damaged("a role"))
}

/// What cannot be read is damage: nobody is let in by it.
fn areas(row: &Row, column: usize) -> Result<Areas, StoreError> {
    Areas::read(row.get(column)?).ok_or(StoreError::Damaged("the areas of a credential"))
}
