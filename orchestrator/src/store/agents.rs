//! Agents that joined, and what they said of the filters they were given.

use uuid::Uuid;

use super::{
    Deed, Store, StoreError, signed,
    sql::{Row, Sql},
    unsigned,
};

/// Who an agent is: found by the id in its certificate.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) number: i64,
    pub(crate) id: Uuid,
    pub(crate) group: String,
    /// Its identity was taken away: what it recorded stays.
    pub(crate) is_revoked: bool,
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
    pub(crate) revoked_us: Option<u64>,
    /// When the certificate ends that it showed last; none when it never came.
    pub(crate) certified_us: Option<u64>,
    /// What it can be asked, and what of that its operator allows.
    pub(crate) commands: Vec<String>,
    pub(crate) allowed: Vec<String>,
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

const AGENT: &str = "SELECT number, id, grp, name, joined_us, last_seen_us, version, listen, admin, revision, workers, \
                     revoked_us, certified_us, commands, allowed FROM agents ORDER BY number";

impl Store {
    /// The agent of a certificate; none when it never joined here.
    pub(crate) async fn agent(&self, id: Uuid) -> Result<Option<Agent>, StoreError> {
        let sql = Sql::new("SELECT number, grp, revoked_us FROM agents WHERE id = $1");
        let agent = |row: Row| {
            let revoked: Option<i64> = row.get(2)?;
            Ok(Agent { number: row.get(0)?, id, group: row.get(1)?, is_revoked: revoked.is_some() })
        };
        let row = sql.bind(id).fetch_optional(&self.reads).await?;
        row.map(agent).transpose()
    }

    /// Every agent, in the order they joined.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        Sql::new(AGENT).fetch_all(&self.reads).await?.iter().map(agent_row).collect()
    }

    /// What the agent said when it connected. Its revision is not taken from there: whoever waits for that of a push reads
    /// what became of its filters next, and that comes with `applied`.
    pub(crate) async fn agent_connected(
        &self,
        number: i64,
        hello: &weir_proto::v1::Hello,
        now_us: u64,
    ) -> Result<(), StoreError> {
        Sql::new(
            "UPDATE agents SET name = $1, version = $2, listen = $3, admin = $4, workers = $5, last_seen_us = $6, \
             commands = $7, allowed = $8 WHERE number = $9",
        )
        .bind(&hello.name)
        .bind(&hello.version)
        .bind(&hello.listen)
        .bind(&hello.admin)
        .bind(i64::from(hello.workers))
        .bind(signed(now_us))
        .bind(hello.commands.join(" "))
        .bind(hello.allowed.join(" "))
        .bind(number)
        .execute(&self.writes)
        .await?;
        Ok(())
    }

    /// It was still there at this time.
    pub(crate) async fn agent_seen(&self, number: i64, now_us: u64) -> Result<(), StoreError> {
        Sql::new("UPDATE agents SET last_seen_us = $1 WHERE number = $2 AND last_seen_us < $1")
            .bind(signed(now_us))
            .bind(number)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// The certificate that the agent shows ends at this time.
    pub(crate) async fn agent_certified(&self, number: i64, until_us: u64) -> Result<(), StoreError> {
        let sql = Sql::new("UPDATE agents SET certified_us = $1 WHERE number = $2");
        sql.bind(signed(until_us)).bind(number).execute(&self.writes).await.map(drop)
    }

    /// Takes the agent's identity away, for good; whether there is such an agent. Once more changes nothing.
    pub(crate) async fn revoke_agent(&self, id: Uuid, now_us: u64, deed: &Deed) -> Result<bool, StoreError> {
        let sql = Sql::new("UPDATE agents SET revoked_us = coalesce(revoked_us, $1) WHERE id = $2");
        let mut transaction = self.begin().await?;
        if sql.bind(signed(now_us)).bind(id).execute(&mut transaction).await? != 1 {
            return Ok(false);
        }
        transaction.tell_others().await?;
        deed.commit(transaction).await?;
        Ok(true)
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
        Sql::new("DELETE FROM applied WHERE agent = $1").bind(number).execute(&mut transaction).await?;
        for outcome in outcomes {
            Sql::new(
                "INSERT INTO applied (agent, name, version, digest, active, phase, reason, revision, took_us, at_us) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (agent, name) DO UPDATE SET \
                 version = $3, digest = $4, active = $5, phase = $6, reason = $7, revision = $8, took_us = $9, at_us = $10",
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
            .execute(&mut transaction)
            .await?;
        }
        let seen = "UPDATE agents SET revision = $1, last_seen_us = CASE WHEN last_seen_us < $2 THEN $2 ELSE last_seen_us END \
                    WHERE number = $3";
        Sql::new(seen).bind(signed(revision)).bind(signed(now_us)).bind(number).execute(&mut transaction).await?;
        transaction.commit().await
    }

    /// What every agent said last, by agent number.
    pub(crate) async fn outcomes(&self) -> Result<Vec<(i64, Outcome)>, StoreError> {
        let rows =
            Sql::new("SELECT agent, name, version, digest, active, phase, reason FROM applied ORDER BY agent, name")
                .fetch_all(&self.reads)
                .await?;
        let outcome = |row: &Row| {
            let outcome = Outcome {
                name: row.get(1)?,
                version: row.number(2)?,
                digest: row.get(3)?,
                active: row.get(4)?,
                phase: row.get(5)?,
                reason: row.get(6)?,
            };
            Ok((row.get(0)?, outcome))
        };
        rows.iter().map(outcome).collect()
    }
}

fn agent_row(row: &Row) -> Result<AgentRow, StoreError> {
    let (revoked, certified): (Option<i64>, Option<i64>) = (row.get(11)?, row.get(12)?);
    Ok(AgentRow {
        agent: Agent { number: row.get(0)?, id: row.get(1)?, group: row.get(2)?, is_revoked: revoked.is_some() },
        name: row.get(3)?,
        joined_us: row.number(4)?,
        last_seen_us: row.number(5)?,
        version: row.get(6)?,
        listen: row.get(7)?,
        admin: row.get(8)?,
        revision: row.number(9)?,
        workers: row.number(10)?,
        revoked_us: revoked.map(unsigned),
        certified_us: certified.map(unsigned),
        commands: words(row.get(13)?),
        allowed: words(row.get(14)?),
    })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
