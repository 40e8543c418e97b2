//! The admin token and one-time join tokens, as hashes.

use sqlx::Row as _;
use uuid::Uuid;

use super::{Store, StoreError, signed};
use crate::tokens::TokenHash;

/// Who wants to join.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joining<'a> {
    /// Its id, if it is new.
    pub(crate) id: Uuid,
    /// SHA-256 of its public key.
    pub(crate) key: [u8; 32],
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

/// What became of a join token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spend {
    /// It joined this group, now or, with this token and key, before.
    Joined {
        id: Uuid,
        group: String,
    },
    Unknown,
    Spent,
    Expired,
}

impl Store {
    /// The admin token's hash, if there is one.
    pub(crate) async fn admin_hash(&self) -> Result<Option<TokenHash>, StoreError> {
        let row = sqlx::query("SELECT hash FROM tokens WHERE kind = 'admin'").fetch_optional(&self.reads).await?;
        let hash = row.map(|row| row.try_get::<Vec<u8>, _>(0)).transpose()?;
        hash.map(|hash| TokenHash::try_from(&hash[..]).map_err(|_| StoreError::Damaged("a token"))).transpose()
    }

    /// From now on this is the admin token.
    pub(crate) async fn set_admin_hash(&self, hash: TokenHash, now_us: u64) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM tokens WHERE kind = 'admin'").execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO tokens (hash, kind, created_us) VALUES (?, 'admin', ?)")
            .bind(hash.to_vec())
            .bind(signed(now_us))
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// One agent may join this group with this token.
    pub(crate) async fn add_join_token(
        &self,
        hash: TokenHash,
        group: &str,
        now_us: u64,
        expires_us: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO tokens (hash, kind, grp, created_us, expires_us) VALUES (?, 'join', ?, ?, ?)")
            .bind(hash.to_vec())
            .bind(group)
            .bind(signed(now_us))
            .bind(signed(expires_us))
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Spends the token and makes the agent known, both or neither. A token that was spent with this very key gives the
    /// same agent again: it did not hear of it.
    pub(crate) async fn join(&self, hash: TokenHash, joining: Joining<'_>, now_us: u64) -> Result<Spend, StoreError> {
        let Joining { id, key, name, version } = joining;
        let mut transaction = self.begin().await?;
        let sql = "SELECT t.grp, t.expires_us, t.spent_us, t.key, a.id, a.grp FROM tokens t \
                   LEFT JOIN agents a ON a.id = t.agent WHERE t.hash = ? AND t.kind = 'join'";
        let row = sqlx::query(sql).bind(hash.to_vec()).fetch_optional(&mut *transaction).await?;
        let Some(row) = row else { return Ok(Spend::Unknown) };
        if row.try_get::<Option<i64>, _>(2)?.is_some() {
            let same = row.try_get::<Option<&[u8]>, _>(3)? == Some(&key[..]);
            return match row.try_get::<Option<&[u8]>, _>(4)? {
                Some(id) if same => {
                    let id = Uuid::from_slice(id).map_err(|_| StoreError::Damaged("an agent's id"))?;
                    Ok(Spend::Joined { id, group: row.try_get(5)? })
                }
                _ => Ok(Spend::Spent),
            };
        }
        if row.try_get::<i64, _>(1)? <= signed(now_us) {
            return Ok(Spend::Expired);
        }
        let group: String = row.try_get(0)?;
        sqlx::query("UPDATE tokens SET spent_us = ?, agent = ?, key = ? WHERE hash = ?")
            .bind(signed(now_us))
            .bind(id.into_bytes().to_vec())
            .bind(key.to_vec())
            .bind(hash.to_vec())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO agents (id, name, grp, joined_us, last_seen_us, version) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(id.into_bytes().to_vec())
            .bind(name)
            .bind(&group)
            .bind(signed(now_us))
            .bind(signed(now_us))
            .bind(version)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Spend::Joined { id, group })
    }
}
