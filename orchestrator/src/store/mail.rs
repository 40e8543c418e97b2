//! What orchestrators on one database send each other. A letter is taken once; a notification tells whom it is for, and a
//! look now and then finds what no notification told.

use std::time::Duration;

use sqlx::Row as _;
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    Store, StoreError,
    others::NOW_US,
    postgres::Listener,
    sql::{Pool, Sql},
};
use crate::fleet::SILENCE;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Nobody waits for an answer this long: who was to take it is gone.
const STALE: Duration = Duration::from_secs(900);

/// A command for an agent that is with the receiver, or an answer.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: Uuid,
    /// whom the command is for; none with an answer
    pub(crate) agent: Option<i64>,
    pub(crate) body: Vec<u8>,
}

/// Hears of letters.
#[derive(Default)]
pub(crate) struct Mail {
    listener: Option<Listener>,
}

impl Mail {
    /// Until there may be some; for ever where there are no others.
    pub(crate) async fn wait(&mut self, store: &Store, own: Uuid) {
        let Pool::Postgres(pool) = &store.reads else { return std::future::pending().await };
        if self.listener.is_none() {
            match pool.listen([&*channel(own)]).await {
                Ok(listener) => return self.listener = Some(listener),
                Err(error) => tracing::debug!(%error, "mail of other orchestrators is looked for, not heard of"),
            }
        }
        match &mut self.listener {
            Some(listener) => {
                if listener.hear(LOOK).await.is_err() {
                    self.listener = None;
                }
            }
            None => sleep(LOOK).await,
        }
    }
}

fn channel(of: Uuid) -> String {
    format!("weir_{}", of.simple())
}

impl Store {
    /// The other orchestrator that the agent is connected to.
    pub(crate) async fn whereabouts(&self, agent: i64, own: Uuid) -> Result<Option<Uuid>, StoreError> {
        if !self.has_others() {
            return Ok(None);
        }
        let text = format!(
            "SELECT orchestrator FROM presence WHERE agent = $1 AND orchestrator <> $2 AND {NOW_US} - heard_us < $3"
        );
        let silence = i64::try_from(SILENCE.as_micros()).unwrap_or(i64::MAX);
        let row = Sql::new(text).bind(agent).bind(own).bind(silence).fetch_optional(&self.reads).await?;
        row.map(|row| row.get(0)).transpose()
    }

    pub(crate) async fn send_letter(&self, to: Uuid, letter: &Letter) -> Result<(), StoreError> {
        let Pool::Postgres(pool) = &self.writes else { return Ok(()) };
        let text = format!(
            "WITH sent AS (INSERT INTO mail (recipient, sender, agent, body, at_us) VALUES ($1, $2, $3, $4, {NOW_US}) \
             RETURNING number) SELECT pg_notify($5, '') FROM sent"
        );
        let sent = sqlx::query(sqlx::AssertSqlSafe(text)).bind(to).bind(letter.from).bind(letter.agent);
        pool.fetch_one(sent.bind(&letter.body).bind(channel(to))).await?;
        Ok(())
    }

    /// What came for `own`, in the order sent. What nobody takes goes too.
    pub(crate) async fn take_letters(&self, own: Uuid) -> Result<Vec<Letter>, StoreError> {
        let Pool::Postgres(pool) = &self.writes else { return Ok(Vec::new()) };
        let text = format!(
            "WITH gone AS (DELETE FROM mail WHERE at_us < {NOW_US} - $2), \
             taken AS (DELETE FROM mail WHERE recipient = $1 RETURNING number, sender, agent, body) \
             SELECT sender, agent, body FROM taken ORDER BY number"
        );
        let stale = i64::try_from(STALE.as_micros()).unwrap_or(i64::MAX);
        let rows = pool.fetch_all(sqlx::query(sqlx::AssertSqlSafe(text)).bind(own).bind(stale)).await?;
        let letter = |row: &sqlx::postgres::PgRow| {
            Ok(Letter { from: row.try_get(0)?, agent: row.try_get(1)?, body: row.try_get(2)? })
        };
        rows.iter().map(letter).collect()
    }
}
