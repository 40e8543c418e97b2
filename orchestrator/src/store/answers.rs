//! Answers that are kept so that the same request is carried out once, however often it is sent (`Idempotency-Key`). What is kept is
//! sealed: of the key that opens it there is only a hash here.

use super::{Store, StoreError, signed, sql::Sql};

/// Answers that are kept at most; the oldest go first.
const MOST: i64 = 100_000;

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Nothing: the request is this caller's to carry out.
    New,
    /// Somebody carries it out.
    Running {
        /// Of the request that came first.
        fingerprint: Vec<u8>,
    },
    /// It was carried out.
    Answered {
        /// Of the request that came first.
        fingerprint: Vec<u8>,
        /// The answer.
        sealed: Vec<u8>,
    },
}

impl Store {
    /// Begins to carry out a request, unless it was begun before: since `abandoned_us` by somebody who may still be at it, or ended.
    pub(crate) async fn begin_once(
        &self,
        id: &[u8; 32],
        fingerprint: &[u8; 32],
        now_us: u64,
        abandoned_us: u64,
    ) -> Result<Begun, StoreError> {
        let sql = "INSERT INTO answers (id, fingerprint, begun_us) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE \
                   SET fingerprint = excluded.fingerprint, begun_us = excluded.begun_us \
                   WHERE answers.sealed IS NULL AND answers.begun_us < $4";
        let sql = Sql::new(sql).bind(&id[..]).bind(&fingerprint[..]).bind(signed(now_us)).bind(signed(abandoned_us));
        if sql.execute(&self.writes).await? == 1 {
            return Ok(Begun::New);
        }
        let sql = Sql::new("SELECT fingerprint, sealed FROM answers WHERE id = $1");
        // Read where it is written: what somebody ended in this moment is there.
        let Some(row) = sql.bind(&id[..]).fetch_optional(&self.writes).await? else {
            // Gone in this moment: whoever began it let go.
            return Ok(Begun::Running { fingerprint: fingerprint.to_vec() });
        };
        let fingerprint = row.get(0)?;
        Ok(match row.get::<Option<Vec<u8>>>(1)? {
            Some(sealed) => Begun::Answered { fingerprint, sealed },
            None => Begun::Running { fingerprint },
        })
    }

    /// Notes that what was begun at this time goes on, as if it were begun now; whether it is still this caller's.
    pub(crate) async fn renew_once(&self, id: &[u8; 32], begun_us: u64, now_us: u64) -> Result<bool, StoreError> {
        let sql = Sql::new("UPDATE answers SET begun_us = $1 WHERE id = $2 AND begun_us = $3 AND sealed IS NULL");
        let renewed = sql.bind(signed(now_us)).bind(&id[..]).bind(signed(begun_us)).execute(&self.writes).await?;
        Ok(renewed == 1)
    }

    /// Keeps the answer to what was begun at this time.
    pub(crate) async fn end_once(&self, id: &[u8; 32], begun_us: u64, sealed: &[u8]) -> Result<(), StoreError> {
        let sql = Sql::new("UPDATE answers SET sealed = $1 WHERE id = $2 AND begun_us = $3 AND sealed IS NULL");
        sql.bind(sealed).bind(&id[..]).bind(signed(begun_us)).execute(&self.writes).await.map(drop)
    }

    /// Lets go of what was begun at this time: it may be tried again.
    pub(crate) async fn forget_once(&self, id: &[u8; 32], begun_us: u64) -> Result<(), StoreError> {
        let sql = Sql::new("DELETE FROM answers WHERE id = $1 AND begun_us = $2 AND sealed IS NULL");
        sql.bind(&id[..]).bind(signed(begun_us)).execute(&self.writes).await.map(drop)
    }

    /// Forgets answers of before, and the oldest beyond what is kept.
    pub(crate) async fn forget_answers_before(&self, at_us: u64) -> Result<(), StoreError> {
        Sql::new("DELETE FROM answers WHERE begun_us < $1").bind(signed(at_us)).execute(&self.writes).await?;
        let sql = "DELETE FROM answers WHERE begun_us < \
                   (SELECT begun_us FROM answers ORDER BY begun_us DESC LIMIT 1 OFFSET $1)";
        Sql::new(sql).bind(MOST).execute(&self.writes).await.map(drop)
    }
}
