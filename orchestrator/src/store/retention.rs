//! Deletes what is beyond the bounds, oldest first, in steps small enough that recording goes on between them. Freed
//! pages are written again, so the file stops growing at its bound.
//!
//! Age is counted from when a row came here: the clocks of agents may be wrong, and what one of them had acknowledged is
//! not to vanish for it. Bytes are those of the rows that may be deleted, and of nothing else in the file: no number of
//! deleted exchanges makes room for a component.

use super::{
    Store, StoreError, signed,
    sql::{Lock, Row, Sql},
};
use crate::Retention;

/// Rows of one step.
const STEP: u64 = 2000;
/// Metrics may take one part of so many of the bytes.
const METRICS_SHARE: u64 = 10;
/// So may these; exchanges have what they leave.
const SHARES: [(&str, u64); 4] = [("messages", 4), ("tunnels", 20), ("connections", 20), ("filter_logs", 20)];
/// And these, whose age is bounded elsewhere.
const SUMMARIES: [(&str, u64); 2] = [("metrics_minutes", 20), ("metrics_hours", 20)];

/// Numbered in the order in which rows came, with their own size; and what of it may stay.
struct Shelf {
    table: &'static str,
    count: u64,
    bytes: u64,
    cutoff_us: u64,
}

impl Store {
    /// Deletes what came before a time, whatever the other bounds.
    pub(super) async fn forget_before(&self, table: &'static str, cutoff_us: u64) -> Result<(), StoreError> {
        self.clear(&Shelf { table, count: u64::MAX, bytes: u64::MAX, cutoff_us }).await.map(drop)
    }

    /// One pass; how many exchanges went.
    pub(crate) async fn retain(&self, keep: Retention, now_us: u64) -> Result<u64, StoreError> {
        let cutoff_us = now_us.saturating_sub(u64::try_from(keep.age.as_micros()).unwrap_or(u64::MAX));
        Sql::new("DELETE FROM tokens WHERE kind = 'join' AND expires_us < $1")
            .bind(signed(cutoff_us))
            .execute(&self.writes)
            .await?;
        let metrics_bytes = keep.bytes / METRICS_SHARE;
        let metrics = Shelf { table: "system_metrics", count: u64::MAX, bytes: metrics_bytes, cutoff_us };
        self.clear(&metrics).await?;
        let mut bytes = keep.bytes - metrics_bytes;
        for (table, share) in SHARES.into_iter().chain(SUMMARIES) {
            // Summaries are kept longer than what they are made of.
            let is_summary = SUMMARIES.iter().any(|(summary, _)| *summary == table);
            let cutoff_us = if is_summary { 0 } else { cutoff_us };
            let own = Shelf { table, count: keep.exchanges, bytes: keep.bytes / share, cutoff_us };
            self.clear(&own).await?;
            let held = Sql::new("SELECT bytes FROM held WHERE what = $1").bind(table).fetch_one(&self.reads).await?;
            bytes = bytes.saturating_sub(held.number(0)?);
        }
        self.clear(&Shelf { table: "exchanges", count: keep.exchanges, bytes, cutoff_us }).await
    }

    async fn clear(&self, shelf: &Shelf) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let step = self.step(shelf).await?;
            deleted += step;
            if step < STEP {
                return Ok(deleted);
            }
        }
    }

    /// Of the oldest rows those that are too old, or have to go so that the others fit.
    async fn step(&self, shelf: &Shelf) -> Result<u64, StoreError> {
        let look = Sql::new(shelf.sums()).fetch_one(&self.reads).await?;
        if shelf.beyond(&look)?.is_none() {
            return Ok(0);
        }
        // Again, and alone: another orchestrator may have deleted them meanwhile.
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        let look = Sql::new(shelf.sums()).fetch_one(&mut transaction).await?;
        let Some(beyond) = shelf.beyond(&look)? else { return Ok(0) };
        let table = shelf.table;
        let delete = format!(
            "DELETE FROM {table} WHERE number IN (SELECT number FROM (SELECT number, received_us, \
             row_number() OVER w AS place, sum(bytes) OVER w - bytes AS gone FROM (SELECT number, received_us, bytes \
             FROM {table} ORDER BY number LIMIT {STEP}) AS oldest WINDOW w AS (ORDER BY number)) AS summed \
             WHERE received_us < $1 OR place <= $2 OR gone < $3)"
        );
        let delete = Sql::new(delete).bind(signed(shelf.cutoff_us)).bind(beyond.rows).bind(beyond.bytes);
        let deleted = delete.execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(deleted)
    }
}

/// What is too much, if positive.
struct Beyond {
    rows: i64,
    bytes: i64,
}

impl Shelf {
    fn sums(&self) -> String {
        let table = self.table;
        format!(
            "SELECT count, bytes, (SELECT received_us FROM {table} ORDER BY number LIMIT 1) FROM held WHERE what = '{table}'"
        )
    }

    /// None when all is within the bounds.
    fn beyond(&self, sums: &Row) -> Result<Option<Beyond>, StoreError> {
        let rows = sums.get::<i64>(0)?.saturating_sub(signed(self.count));
        let bytes = sums.get::<i64>(1)?.saturating_sub(signed(self.bytes));
        let young = sums.get::<Option<i64>>(2)?.is_none_or(|oldest| oldest >= signed(self.cutoff_us));
        Ok((rows > 0 || bytes > 0 || !young).then_some(Beyond { rows, bytes }))
    }
}
