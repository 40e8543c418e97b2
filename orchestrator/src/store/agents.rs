//! Agents that joined, and what they said of the filters they were given.

use sqlx::{Row as _, sqlite::SqliteRow};
use uuid::Uuid;

use super::{Store, StoreError, signed, unsigned};

/// Who an agent is: found by the id in its certificate.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) number: i64,
    pub(crate) id: Uuid,
    pub(crate) group: String,
}

/// An agent as it last said of itself.
#[derive(Debug, Clone)]
pub(crate) struct AgentRow {
    pub(crate) agent: Agent,
    pub(crate) name: String,
    pub(crate) joined_us: u64,
    pub(crate) last_seen_us: u64,
    pub(crate) version: String,
    pub(crate) listen: String,
    pub(crate) admin: String,
    pub(crate) revision: u64,
    pub(crate) workers: u64,
}

/// What an agent made of the newest statement about one filter.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) digest: String,
    pub(crate) active: bool,
    pub(crate) phase: String,
    pub(crate) reason: String,
}

const AGENT: &str = "SELECT number, id, grp, name, joined_us, last_seen_us, version, listen, admin, revision, workers \
                     FROM agents ORDER BY number";

impl Store {
    /// The agent of a certificate; none when it never joined here or was removed.
    pub(crate) async fn agent(&self, id: Uuid) -> Result<Option<Agent>, StoreError> {
        let row = sqlx::query("SELECT number, grp FROM agents WHERE id = ?")
            .bind(id.into_bytes().to_vec())
            .fetch_optional(&self.reads)
            .await?;
        let agent = |row: SqliteRow| Ok(Agent { number: row.try_get(0)?, id, group: row.try_get(1)? });
        row.map(agent).transpose()
    }

    /// Every agent, in the order they joined.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        sqlx::query(AGENT).fetch_all(&self.reads).await?.iter().map(agent_row).collect()
    }

    /// What the agent said when it connected. Its revision is not taken from there: whoever waits for that of a push reads
    /// what became of its filters next, and that comes with `applied`.
    pub(crate) async fn agent_connected(
        &self,
        number: i64,
        hello: &weir_proto::v1::Hello,
        now_us: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE agents SET name = ?, version = ?, listen = ?, admin = ?, workers = ?, last_seen_us = ? WHERE number = ?",
        )
        .bind(&hello.name)
        .bind(&hello.version)
        .bind(&hello.listen)
        .bind(&hello.admin)
        .bind(i64::from(hello.workers))
        .bind(signed(now_us))
        .bind(number)
        .execute(&self.writes)
        .await?;
        Ok(())
    }

    /// It was still there at this time.
    pub(crate) async fn agent_seen(&self, number: i64, now_us: u64) -> Result<(), StoreError> {
        sqlx::query("UPDATE agents SET last_seen_us = max(last_seen_us, ?) WHERE number = ?")
            .bind(signed(now_us))
            .bind(number)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Ack or nack of a revision: takes the place of what the agent said before.
    pub(crate) async fn applied(
        &self,
        number: i64,
        revision: u64,
        took_us: u64,
        outcomes: &[Outcome],
        now_us: u64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM applied WHERE agent = ?").bind(number).execute(&mut *transaction).await?;
        for outcome in outcomes {
            sqlx::query(
                "INSERT OR REPLACE INTO applied (agent, name, version, digest, active, phase, reason, revision, \
                 took_us, at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(number)
            .bind(&outcome.name)
            .bind(signed(outcome.version))
            .bind(&outcome.digest)
            .bind(outcome.active)
            .bind(&outcome.phase)
            .bind(&outcome.reason)
            .bind(signed(revision))
            .bind(signed(took_us))
            .bind(signed(now_us))
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("UPDATE agents SET revision = ?, last_seen_us = max(last_seen_us, ?) WHERE number = ?")
            .bind(signed(revision))
            .bind(signed(now_us))
            .bind(number)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// What every agent said last, by agent number.
    pub(crate) async fn outcomes(&self) -> Result<Vec<(i64, Outcome)>, StoreError> {
        let rows =
            sqlx::query("SELECT agent, name, version, digest, active, phase, reason FROM applied ORDER BY agent, name")
                .fetch_all(&self.reads)
                .await?;
        let outcome = |row: &SqliteRow| {
            let outcome = Outcome {
                name: row.try_get(1)?,
                version: unsigned(row.try_get(2)?),
                digest: row.try_get(3)?,
                active: row.try_get(4)?,
                phase: row.try_get(5)?,
                reason: row.try_get(6)?,
            };
            Ok((row.try_get(0)?, outcome))
        };
        rows.iter().map(outcome).collect()
    }
}

fn agent_row(row: &SqliteRow) -> Result<AgentRow, StoreError> {
    let id: Vec<u8> = row.try_get(1)?;
    let id = Uuid::from_slice(&id).map_err(|_| StoreError::Damaged("an agent's id"))?;
    Ok(AgentRow {
        agent: Agent { number: row.try_get(0)?, id, group: row.try_get(2)? },
        name: row.try_get(3)?,
        joined_us: unsigned(row.try_get(4)?),
        last_seen_us: unsigned(row.try_get(5)?),
        version: row.try_get(6)?,
        listen: row.try_get(7)?,
        admin: row.try_get(8)?,
        revision: unsigned(row.try_get(9)?),
        workers: unsigned(row.try_get(10)?),
    })
}
