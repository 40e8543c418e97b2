//! The admin token, and how join tokens are spent.

use uuid::Uuid;

use super::{
    Audited, Store, StoreError, signed,
    sql::{Lock, Row, Sql},
};
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
    Revoked,
}

impl Store {
    /// The admin token's hash, if there is one.
    pub(crate) async fn admin_hash(&self) -> Result<Option<TokenHash>, StoreError> {
        let row = Sql::new("SELECT hash FROM tokens WHERE kind = 'admin'").fetch_optional(&self.reads).await?;
        row.as_ref().map(token_hash).transpose()
    }

    /// From now on this is the admin token; unless `first`, in place of another. Gives the one that counts; if it is this one, `entry` is in
    /// the audit trail.
    pub(crate) async fn set_admin_hash(
        &self,
        hash: TokenHash,
        first: bool,
        entry: Option<Audited>,
        now_us: u64,
    ) -> Result<TokenHash, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Tokens).await?;
        if !first {
            Sql::new("DELETE FROM tokens WHERE kind = 'admin'").execute(&mut transaction).await?;
        }
        let there = Sql::new("SELECT hash FROM tokens WHERE kind = 'admin'").fetch_optional(&mut transaction).await?;
        if let Some(row) = there {
            return token_hash(&row);
        }
        Sql::new("INSERT INTO tokens (hash, kind, created_us) VALUES ($1, 'admin', $2)")
            .bind(hash.to_vec())
            .bind(signed(now_us))
            .execute(&mut transaction)
            .await?;
        if let Some(entry) = entry {
            entry.sql().execute(&mut transaction).await?;
        }
        transaction.tell_others().await?;
        transaction.commit().await?;
        Ok(hash)
    }

    /// Was it made here, whether or not it was spent since?
    pub(crate) async fn is_join_token(&self, hash: TokenHash) -> Result<bool, StoreError> {
        let there = Sql::new("SELECT 1 FROM tokens WHERE hash = $1 AND kind = 'join'").bind(hash.to_vec());
        Ok(there.fetch_optional(&self.reads).await?.is_some())
    }

    /// Spends the token and makes the agent known, both or neither. A token that was spent with this very key gives the
    /// same agent again as long as it would count: it did not hear of it.
    /// `entry` of the audit trail, about the group, is there when the agent is.
    pub(crate) async fn join(
        &self,
        hash: TokenHash,
        joining: Joining<'_>,
        entry: impl FnOnce(&str) -> Audited,
        now_us: u64,
    ) -> Result<Spend, StoreError> {
        let Joining { id, key, name, version } = joining;
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Tokens).await?;
        let sql = "SELECT t.grp, t.expires_us, t.spent_us, t.key, a.id, a.grp, t.revoked_us FROM tokens t \
                   LEFT JOIN agents a ON a.id = t.agent WHERE t.hash = $1 AND t.kind = 'join'";
        let row = Sql::new(sql).bind(hash.to_vec()).fetch_optional(&mut transaction).await?;
        let Some(row) = row else { return Ok(Spend::Unknown) };
        if row.get::<Option<i64>>(2)?.is_some() {
            let same = row.get::<Option<&[u8]>>(3)? == Some(&key[..]);
            return match row.get::<Option<Uuid>>(4)? {
                // Else whoever finds both would have a certificate for ever.
                Some(_) if same && row.get::<i64>(1)? <= signed(now_us) => Ok(Spend::Expired),
                Some(id) if same => Ok(Spend::Joined { id, group: row.get(5)? }),
                _ => Ok(Spend::Spent),
            };
        }
        if row.get::<Option<i64>>(6)?.is_some() {
            return Ok(Spend::Revoked);
        }
        if row.get::<i64>(1)? <= signed(now_us) {
            return Ok(Spend::Expired);
        }
        let group: String = row.get(0)?;
        Sql::new("UPDATE tokens SET spent_us = $1, agent = $2, key = $3 WHERE hash = $4")
            .bind(signed(now_us))
            .bind(id)
            .bind(key.to_vec())
            .bind(hash.to_vec())
            .execute(&mut transaction)
            .await?;
        Sql::new(
            "INSERT INTO agents (id, name, grp, joined_us, last_seen_us, version) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(name)
        .bind(&group)
        .bind(signed(now_us))
        .bind(signed(now_us))
        .bind(version)
        .execute(&mut transaction)
        .await?;
        entry(&group).sql().execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Spend::Joined { id, group })
    }
}

fn token_hash(row: &Row) -> Result<TokenHash, StoreError> {
    TokenHash::try_from(row.get::<&[u8]>(0)?).map_err(|_| StoreError::Damaged("a token"))
}
