//! Configurations of groups, each as it was signed, and what agents said of the newest.

use weir_artifact::GroupName;

use super::{
    Store, StoreError,
    filters::{COLUMNS, CONFIGURATION, StatementRow, statement_row},
    signed,
    sql::{Row, Sql},
};

/// What an agent made of the newest configuration of its group.
#[derive(Debug, Clone)]
pub(crate) struct Configured {
    pub(crate) version: u64,
    pub(crate) digest: String,
    pub(crate) active: bool,
    pub(crate) phase: String,
    pub(crate) reason: String,
    pub(crate) in_force: u64,
    pub(crate) pinned: Vec<String>,
}

impl Store {
    /// The newest of every group, or of one.
    pub(crate) async fn configurations(&self, group: Option<&GroupName>) -> Result<Vec<StatementRow>, StoreError> {
        let sql = format!(
            "{COLUMNS} s WHERE name = '{CONFIGURATION}' AND ($1 IS NULL OR grp = $1) AND NOT EXISTS (SELECT 1 FROM \
             statements n WHERE n.grp = s.grp AND n.name = s.name AND n.sequence > s.sequence) ORDER BY grp"
        );
        let rows = Sql::new(sql).bind(group.map(GroupName::as_str)).fetch_all(&self.reads).await?;
        rows.iter().map(statement_row).collect()
    }

    /// Every one of a group, newest first.
    pub(crate) async fn configuration_history(&self, group: &GroupName) -> Result<Vec<StatementRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE grp = $1 AND name = '{CONFIGURATION}' ORDER BY sequence DESC");
        let rows = Sql::new(sql).bind(group.as_str()).fetch_all(&self.reads).await?;
        rows.iter().map(statement_row).collect()
    }

    /// Takes the place of what the agent said before.
    pub(crate) async fn note_configured(
        &self,
        agent: i64,
        configured: &Configured,
        now_us: u64,
    ) -> Result<(), StoreError> {
        Sql::new(
            "INSERT INTO configured (agent, version, digest, active, phase, reason, in_force, pinned, at_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (agent) DO UPDATE SET version = $2, digest = $3, \
             active = $4, phase = $5, reason = $6, in_force = $7, pinned = $8, at_us = $9",
        )
        .bind(agent)
        .bind(signed(configured.version))
        .bind(&configured.digest)
        .bind(configured.active)
        .bind(&configured.phase)
        .bind(&configured.reason)
        .bind(signed(configured.in_force))
        .bind(configured.pinned.join(","))
        .bind(signed(now_us))
        .execute(&self.writes)
        .await
        .map(drop)
    }

    /// What every agent said last, by agent number.
    pub(crate) async fn configured(&self) -> Result<Vec<(i64, Configured)>, StoreError> {
        let sql =
            "SELECT agent, version, digest, active, phase, reason, in_force, pinned FROM configured ORDER BY agent";
        let configured = |row: &Row| {
            let pinned: String = row.get(7)?;
            let configured = Configured {
                version: row.number(1)?,
                digest: row.get(2)?,
                active: row.get(3)?,
                phase: row.get(4)?,
                reason: row.get(5)?,
                in_force: row.number(6)?,
                pinned: pinned.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect(),
            };
            Ok((row.get(0)?, configured))
        };
        Sql::new(sql).fetch_all(&self.reads).await?.iter().map(configured).collect()
    }
}
