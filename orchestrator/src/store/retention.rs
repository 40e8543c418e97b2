//! Deletes what is beyond the bounds, oldest first, in steps small enough that recording goes on between them. Freed
//! pages are written again, so the file stops growing at its bound.
//!
//! Age is counted from when a row came here: the clocks of agents may be wrong, and what one of them had acknowledged is
//! not to vanish for it. Bytes are those of the rows that may be deleted, and of nothing else in the file: no number of
//! deleted exchanges makes room for a component.

use super::{Store, StoreError, signed, sql::Sql};
use crate::Retention;

/// Rows of one step.
const STEP: u64 = 2000;
/// Metrics may take one part of so many of the bytes.
const METRICS_SHARE: u64 = 10;

/// Numbered in the order in which rows came, with their own size; and what of it may stay.
struct Shelf {
    table: &'static str,
    count: u64,
    bytes: u64,
    cutoff_us: u64,
}

impl Store {
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
        let bytes = keep.bytes - metrics_bytes;
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
    async fn step(&self, Shelf { table, count, bytes, cutoff_us }: &Shelf) -> Result<u64, StoreError> {
        let sums = format!(
            "SELECT count, bytes, (SELECT received_us FROM {table} ORDER BY number LIMIT 1) FROM held WHERE what = '{table}'"
        );
        let row = Sql::new(sums).fetch_one(&self.reads).await?;
        let too_many = row.get::<i64>(0)?.saturating_sub(signed(*count));
        let too_large = row.get::<i64>(1)?.saturating_sub(signed(*bytes));
        let oldest = row.get::<Option<i64>>(2)?;
        if too_many <= 0 && too_large <= 0 && oldest.is_none_or(|oldest| oldest >= signed(*cutoff_us)) {
            return Ok(0);
        }
        let delete = format!(
            "DELETE FROM {table} WHERE number IN (SELECT number FROM (SELECT number, received_us, \
             row_number() OVER w AS place, sum(bytes) OVER w - bytes AS gone FROM (SELECT number, received_us, bytes \
             FROM {table} ORDER BY number LIMIT {STEP}) AS oldest WINDOW w AS (ORDER BY number)) AS summed \
             WHERE received_us < $1 OR place <= $2 OR gone < $3)"
        );
        let delete = Sql::new(delete).bind(signed(*cutoff_us)).bind(too_many).bind(too_large);
        delete.execute(&self.writes).await
    }
}
