//! Breakpoints that people set, while they last. They are kept here so that every orchestrator on the database sets them at
//! its agents, and so that a restart does not end them.

use uuid::Uuid;

use super::{
    Deed, Store, StoreError, signed,
    sql::{Row, Sql},
};
use crate::interception::{Breakpoint, BreakpointTerms};

/// Breakpoints at a time.
pub(crate) const MOST: u64 = 64;

impl Store {
    /// Whether there was room for one more.
    pub(crate) async fn add_breakpoint(
        &self,
        breakpoint: &Breakpoint,
        now_us: u64,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let wanted = serde_json::to_string(&breakpoint.wanted).map_err(|_| StoreError::Damaged("a breakpoint"))?;
        let mut transaction = self.begin().await?;
        Sql::new("DELETE FROM breakpoints WHERE until_us < $1").bind(signed(now_us)).execute(&mut transaction).await?;
        let there = Sql::new("SELECT count(*) FROM breakpoints").fetch_one(&mut transaction).await?;
        if there.number(0)? >= MOST {
            return Ok(false);
        }
        Sql::new("INSERT INTO breakpoints (id, wanted, owner, made_us, until_us) VALUES ($1, $2, $3, $4, $5)")
            .bind(breakpoint.id)
            .bind(&wanted)
            .bind(&breakpoint.owner)
            .bind(signed(breakpoint.made_us))
            .bind(signed(breakpoint.until_us))
            .execute(&mut transaction)
            .await?;
        deed.commit(transaction).await?;
        Ok(true)
    }

    /// Those that last, in the order they were made.
    pub(crate) async fn breakpoints(&self, now_us: u64) -> Result<Vec<Breakpoint>, StoreError> {
        let sql = "SELECT id, wanted, owner, made_us, until_us FROM breakpoints WHERE until_us >= $1 ORDER BY id";
        Sql::new(sql).bind(signed(now_us)).fetch_all(&self.reads).await?.iter().map(breakpoint).collect()
    }

    /// It lasts until then; whether it still did.
    pub(crate) async fn renew_breakpoint(
        &self,
        id: Uuid,
        until_us: u64,
        now_us: u64,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sql = Sql::new("UPDATE breakpoints SET until_us = $1 WHERE id = $2 AND until_us >= $3");
        self.one_changes(sql.bind(signed(until_us)).bind(id).bind(signed(now_us)), deed).await
    }

    /// Whether it was there.
    pub(crate) async fn remove_breakpoint(&self, id: Uuid, deed: &Deed) -> Result<bool, StoreError> {
        self.one_changes(Sql::new("DELETE FROM breakpoints WHERE id = $1").bind(id), deed).await
    }
}

fn breakpoint(row: &Row) -> Result<Breakpoint, StoreError> {
    let wanted: BreakpointTerms = serde_json::from_str(row.get(1)?).map_err(|_| StoreError::Damaged("a breakpoint"))?;
    Ok(Breakpoint { id: row.get(0)?, wanted, owner: row.get(2)?, made_us: row.number(3)?, until_us: row.number(4)? })
}
