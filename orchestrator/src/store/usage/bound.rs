//! How much is kept of usage. Beyond that, whoever takes the most room tells fewer users apart: of the agent with the most rows, those
//! of the hours with the most users become one. So an agent that invents users, and hours, costs others nothing, and no sum changes. Only where that
//! is not enough do the oldest hours go.

use std::time::Duration;

use super::{
    super::{
        Store, StoreError, signed,
        sql::{Lock, Sql},
    },
    OTHERS, SUMS,
    fold::{Counted, FULL},
};

/// How long hours are kept.
const AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// And how many rows.
const MOST: u64 = 1_000_000;
/// Hours of one look.
const TOGETHER: i64 = 100;

impl Store {
    /// Forgets what is too old, and tells fewer users apart where there are too many.
    pub(crate) async fn retain_usage(&self, now_us: u64) -> Result<(), StoreError> {
        let cutoff = now_us.saturating_sub(u64::try_from(AGE.as_micros()).unwrap_or(u64::MAX));
        Sql::new("DELETE FROM usage WHERE hour_us < $1").bind(signed(cutoff)).execute(&self.writes).await?;
        self.bound_usage(MOST).await
    }

    pub(super) async fn bound_usage(&self, most: u64) -> Result<(), StoreError> {
        loop {
            let rows = Sql::new("SELECT count(*) FROM usage").fetch_one(&self.reads).await?.number(0)?;
            let mut surplus = rows.saturating_sub(most);
            if surplus == 0 {
                return Ok(());
            }
            let largest = self.largest_hours().await?;
            if largest.is_empty() {
                let beyond = "DELETE FROM usage WHERE hour_us < (SELECT hour_us FROM usage ORDER BY hour_us DESC LIMIT 1 OFFSET $1)";
                return Sql::new(beyond).bind(signed(most)).execute(&self.writes).await.map(drop);
            }
            for (hour_us, agent, users) in largest {
                if surplus == 0 {
                    break;
                }
                self.merge_users(hour_us, agent).await?;
                surplus = surplus.saturating_sub(users - 1);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Of the agent that has the most rows the hours in which it has the most users, as long as it has more than one.
    async fn largest_hours(&self) -> Result<Vec<(i64, i64, u64)>, StoreError> {
        let sql = "SELECT hour_us, agent, count(*) FROM usage WHERE \"user\" NOT IN ('', $1) AND agent = \
                   (SELECT agent FROM (SELECT agent, hour_us, count(*) AS users FROM usage WHERE \"user\" NOT IN ('', $1) \
                   GROUP BY agent, hour_us HAVING count(*) > 1) AS hours GROUP BY agent ORDER BY sum(users) DESC, agent LIMIT 1) \
                   GROUP BY hour_us, agent HAVING count(*) > 1 ORDER BY 3 DESC, 1 LIMIT $2";
        let rows = Sql::new(sql).bind(OTHERS).bind(TOGETHER).fetch_all(&self.reads).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.number(2)?))).collect()
    }

    /// Users with a name become one; whoever gave none stays apart.
    async fn merge_users(&self, hour_us: i64, agent: i64) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Folding).await?;
        let named = "FROM usage WHERE hour_us = $1 AND agent = $2 AND \"user\" NOT IN ('', $3)";
        let sums = SUMS.map(bounded).join(", ");
        let sums = Sql::new(format!("SELECT {sums} {named}")).bind(hour_us).bind(agent).bind(OTHERS);
        let row = sums.fetch_one(&mut transaction).await?;
        let sums = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        let gone = Sql::new(format!("DELETE {named}")).bind(hour_us).bind(agent).bind(OTHERS);
        if gone.execute(&mut transaction).await? > 0 {
            Counted { hour_us, agent, user: OTHERS.to_owned(), sums }.add(&mut transaction).await?;
        }
        transaction.commit().await
    }
}

/// A sum that both databases can hold; exact up to 2^53, as all that is told.
fn bounded(column: &str) -> String {
    let sum = format!("coalesce(sum(CAST({column} AS DOUBLE PRECISION)), 0)");
    format!("CAST(CASE WHEN {sum} > {FULL} THEN {FULL} ELSE {sum} END AS BIGINT)")
}
