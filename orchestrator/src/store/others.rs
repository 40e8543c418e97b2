//! Several orchestrators on one database: what others changed, and which agents are with them. On SQLite there are no
//! others. A notification says that something changed, and a look now and then finds what no notification told.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use sqlx::PgConnection;
use tokio::time::sleep;
use uuid::Uuid;
use weir_proto::v1::Heartbeat;

use super::{
    Store, StoreError,
    postgres::Listener,
    sql::{Pool, Sql, Transaction},
};
use crate::tokens::TokenHash;

/// Something of [`Shared`] changed.
const CHANGED: &str = "weir";
/// Exchanges came.
const ARRIVED: &str = "weir_arrived";
/// What one of them says to all.
const SAID: &str = "weir_said";
/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// The database's own clock in microseconds: those of the orchestrators may differ.
pub(super) const NOW_US: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// An agent, how long ago something came from it, and its last heartbeat.
pub(crate) type Presence = (i64, Duration, Option<Arc<Heartbeat>>);

/// What is the same for all orchestrators, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) newest_statement: u64,
    /// How many agents had their identity taken away.
    pub(crate) revoked: u64,
    pub(crate) admin: Option<TokenHash>,
}

/// What is heard of others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    Changed,
    Arrived,
    Said(String),
    /// Nothing for a while, and it is time for a look.
    Quiet,
    /// From now on they are heard; what they said before may have been missed.
    Listening,
}

/// Hears of others.
#[derive(Default)]
pub(crate) struct Others {
    listener: Option<Listener>,
}

impl Others {
    /// Begins to hear them. What was changed before is found by a look.
    pub(crate) async fn listen(&mut self, store: &Store) {
        let Pool::Postgres(pool) = &store.reads else { return };
        match pool.listen([CHANGED, ARRIVED, SAID]).await {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => tracing::debug!(%error, "changes by other orchestrators are looked for, not heard of"),
        }
    }

    /// Until something may have changed; for ever where there are no others.
    pub(crate) async fn news(&mut self, store: &Store) -> News {
        if !store.has_others() {
            return std::future::pending().await;
        }
        if self.listener.is_none() {
            self.listen(store).await;
            if self.listener.is_some() {
                return News::Listening;
            }
        }
        match &mut self.listener {
            Some(listener) => match listener.hear(LOOK).await {
                Ok(Some(news)) => match news.channel() {
                    ARRIVED => return News::Arrived,
                    SAID => return News::Said(news.payload().to_owned()),
                    _ => return News::Changed,
                },
                Ok(None) => {}
                Err(_) => self.listener = None,
            },
            None => sleep(LOOK).await,
        }
        News::Quiet
    }
}

impl Transaction {
    /// Other orchestrators look when it is committed.
    pub(super) async fn tell_others(&mut self) -> Result<(), StoreError> {
        if let Self::Postgres(..) = self {
            Sql::new("SELECT pg_notify($1, '')").bind(CHANGED).fetch_one(self).await?;
        }
        Ok(())
    }
}

/// The others look for exchanges when it is committed.
pub(super) async fn tell_of_arrivals(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_notify($1, '')").bind(ARRIVED).execute(transaction).await.map(drop)
}

impl Store {
    /// Whether there can be others.
    pub(crate) fn has_others(&self) -> bool {
        matches!(self.writes, Pool::Postgres(_))
    }

    /// Says something to all orchestrators on this database, this one too. Less than 8,000 bytes.
    pub(crate) async fn say_to_others(&self, text: &str) -> Result<(), StoreError> {
        Sql::new("SELECT pg_notify($1, $2)").bind(SAID).bind(text).fetch_one(&self.writes).await.map(drop)
    }

    /// What others may have changed.
    pub(crate) async fn shared(&self) -> Result<Shared, StoreError> {
        let sql = "SELECT (SELECT coalesce(max(number), 0) FROM statements), \
                   (SELECT count(*) FROM agents WHERE revoked_us IS NOT NULL)";
        let row = Sql::new(sql).fetch_one(&self.reads).await?;
        Ok(Shared { newest_statement: row.number(0)?, revoked: row.number(1)?, admin: self.admin_hash().await? })
    }

    /// Says which agents are connected to the orchestrator `own`, and hears which ones are to others.
    pub(crate) async fn exchange_presence(
        &self,
        own: Uuid,
        agents: Vec<Presence>,
    ) -> Result<Vec<Presence>, StoreError> {
        let Pool::Postgres(pool) = &self.writes else { return Ok(Vec::new()) };
        let numbers: Vec<i64> = agents.iter().map(|(number, ..)| *number).collect();
        let ages =
            agents.iter().map(|(_, age, _)| i64::try_from(age.as_micros()).unwrap_or(i64::MAX)).collect::<Vec<_>>();
        let beats: Vec<_> = agents.iter().map(|(_, _, beat)| beat.as_ref().map(|beat| beat.encode_to_vec())).collect();
        let note = format!(
            "INSERT INTO presence AS p (agent, orchestrator, heard_us, heartbeat) SELECT n.agent, $1, {NOW_US} - n.age, n.beat \
             FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS n(agent, age, beat) ON CONFLICT (agent) DO UPDATE SET \
             orchestrator = excluded.orchestrator, heard_us = excluded.heard_us, heartbeat = excluded.heartbeat \
             WHERE p.orchestrator = excluded.orchestrator OR p.heard_us < excluded.heard_us"
        );
        let note = sqlx::query(sqlx::AssertSqlSafe(note)).bind(own).bind(&numbers).bind(ages).bind(beats);
        pool.execute(note).await?;
        let gone = sqlx::query("DELETE FROM presence WHERE orchestrator = $1 AND agent <> ALL($2)").bind(own);
        pool.execute(gone.bind(&numbers)).await?;
        let others = format!("SELECT agent, {NOW_US} - heard_us, heartbeat FROM presence WHERE orchestrator <> $1");
        let rows = Sql::new(others).bind(own).fetch_all(&self.reads).await?;
        let presence = |row: &super::sql::Row| {
            let beat = row.get::<Option<&[u8]>>(2)?.map(Heartbeat::decode).transpose();
            let beat = beat.map_err(|_| StoreError::Damaged("a heartbeat"))?;
            Ok((row.get(0)?, Duration::from_micros(row.number(1)?), beat.map(Arc::new)))
        };
        rows.iter().map(presence).collect()
    }

    /// Whether the certificate authority with this key (its SHA-256) is the one of all orchestrators on this database. The
    /// first that asks decides.
    pub(crate) async fn is_authority(&self, key: [u8; 32]) -> Result<bool, StoreError> {
        if let Pool::Sqlite(_) = self.writes {
            return Ok(true);
        }
        let claim = "INSERT INTO authority (one, key) VALUES (true, $1) ON CONFLICT DO NOTHING";
        Sql::new(claim).bind(key.to_vec()).execute(&self.writes).await?;
        let there = Sql::new("SELECT key FROM authority").fetch_one(&self.writes).await?;
        Ok(there.get::<&[u8]>(0)? == key)
    }
}
