//! One-time join tokens, as hashes: made, listed with what became of them, and revoked. They are spent in `tokens.rs`.

use uuid::Uuid;

use super::{
    Deed, Store, StoreError, signed,
    sql::{Lock, Row, Sql},
    unsigned,
};
use crate::tokens::TokenHash;

/// A join token, without what would let somebody use it.
#[derive(Debug, Clone)]
pub(crate) struct JoinTokenRow {
    pub(crate) id: Uuid,
    pub(crate) group: String,
    pub(crate) created_us: u64,
    /// None of those that were made before this was noted.
    pub(crate) created_by: Option<String>,
    pub(crate) expires_us: u64,
    pub(crate) used_us: Option<u64>,
    /// Who used it: its id, and its name as it said last.
    pub(crate) agent: Option<Uuid>,
    pub(crate) agent_name: Option<String>,
    pub(crate) revoked_us: Option<u64>,
    pub(crate) revoked_by: Option<String>,
}

/// What became of a wish to revoke one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// Now or before.
    Done,
    /// There is nothing left to revoke: an agent joined with it.
    Used(Option<Uuid>),
    Unknown,
}

const TOKEN: &str = "SELECT t.id, t.grp, t.created_us, t.created_by, t.expires_us, t.spent_us, t.agent, a.name, \
                     t.revoked_us, t.revoked_by FROM tokens t LEFT JOIN agents a ON a.id = t.agent WHERE t.kind = 'join'";

impl JoinTokenRow {
    /// A new one.
    pub(crate) fn new(group: &str, by: Option<String>, now_us: u64, expires_us: u64) -> Self {
        Self {
            id: Uuid::now_v7(),
            group: group.to_owned(),
            created_us: now_us,
            created_by: by,
            expires_us,
            used_us: None,
            agent: None,
            agent_name: None,
            revoked_us: None,
            revoked_by: None,
        }
    }
}

impl Store {
    /// One agent may join with this token.
    pub(crate) async fn keep_join_token(
        &self,
        hash: TokenHash,
        token: &JoinTokenRow,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        Sql::new(
            "INSERT INTO tokens (hash, kind, id, grp, created_us, created_by, expires_us) \
             VALUES ($1, 'join', $2, $3, $4, $5, $6)",
        )
        .bind(&hash[..])
        .bind(token.id)
        .bind(&token.group)
        .bind(signed(token.created_us))
        .bind(token.created_by.as_deref())
        .bind(signed(token.expires_us))
        .execute(&mut transaction)
        .await?;
        deed.commit(transaction).await
    }

    /// The same, whoever made it.
    #[cfg(test)]
    pub(crate) async fn add_join_token(
        &self,
        hash: TokenHash,
        group: &str,
        now_us: u64,
        expires_us: u64,
    ) -> Result<(), StoreError> {
        let token = JoinTokenRow::new(group, None, now_us, expires_us);
        self.keep_join_token(hash, &token, &Deed::default()).await
    }

    /// The newest first, from before an id on.
    pub(crate) async fn join_tokens(&self, before: Option<Uuid>, limit: i64) -> Result<Vec<JoinTokenRow>, StoreError> {
        let mut sql = Sql::new(TOKEN);
        if let Some(before) = before {
            sql.push(" AND t.id < ").push_bind(before);
        }
        sql.push(" ORDER BY t.id DESC LIMIT ").push_bind(limit);
        sql.fetch_all(&self.reads).await?.iter().map(join_token).collect()
    }

    /// Nobody joins with it from now on. Of one that is joined with in this very moment either comes first.
    pub(crate) async fn revoke_join_token(
        &self,
        id: Uuid,
        by: &str,
        now_us: u64,
        deed: &Deed,
    ) -> Result<Revoked, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Tokens).await?;
        let sql = Sql::new("SELECT spent_us, agent FROM tokens WHERE id = $1 AND kind = 'join'").bind(id);
        let Some(row) = sql.fetch_optional(&mut transaction).await? else { return Ok(Revoked::Unknown) };
        if row.get::<Option<i64>>(0)?.is_some() {
            return Ok(Revoked::Used(row.get(1)?));
        }
        // Versions that know nothing of revoking, at work on the same database, take it for one that has expired.
        let sql = "UPDATE tokens SET revoked_us = $1, revoked_by = $2, \
                   expires_us = CASE WHEN expires_us > $1 THEN $1 ELSE expires_us END \
                   WHERE id = $3 AND kind = 'join' AND revoked_us IS NULL";
        Sql::new(sql).bind(signed(now_us)).bind(by).bind(id).execute(&mut transaction).await?;
        deed.commit(transaction).await?;
        Ok(Revoked::Done)
    }
}

fn join_token(row: &Row) -> Result<JoinTokenRow, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.get::<Option<i64>>(column)?.map(unsigned));
    Ok(JoinTokenRow {
        id: row.get(0)?,
        group: row.get(1)?,
        created_us: row.number(2)?,
        created_by: row.get(3)?,
        expires_us: row.number(4)?,
        used_us: time(5)?,
        agent: row.get(6)?,
        agent_name: row.get(7)?,
        revoked_us: time(8)?,
        revoked_by: row.get(9)?,
    })
}
