//! Deletes what is beyond the bounds, oldest first, in steps small enough that recording goes on between them. Freed
//! pages are written again, so the file stops growing at its bound.

use std::time::Duration;

use sqlx::Row as _;
use uuid::{NoContext, Timestamp, Uuid};

use super::{Store, StoreError, signed};
use crate::Retention;

/// Rows of one step.
const STEP: i64 = 2000;

impl Store {
    /// One pass; how many exchanges went.
    pub(crate) async fn retain(&self, keep: Retention, now_us: u64) -> Result<u64, StoreError> {
        let cutoff_us = now_us.saturating_sub(u64::try_from(keep.age.as_micros()).unwrap_or(u64::MAX));
        let mut deleted = self.delete_older(cutoff_us).await?;
        loop {
            let (first, held) = self.held().await?;
            let over = held.saturating_sub(signed(keep.exchanges)).max(self.over_bytes(held, keep.bytes).await?);
            if over <= 0 {
                return Ok(deleted);
            }
            let step = over.min(STEP);
            deleted += self.delete_rows(first + step).await?;
        }
    }

    /// The first row, and about how many there are: rows are numbered as they come and go at the old end.
    async fn held(&self) -> Result<(i64, i64), StoreError> {
        // Two selects, so that each is one step into the table.
        let ends = "SELECT (SELECT min(rowid) FROM exchanges), (SELECT max(rowid) FROM exchanges)";
        let row = sqlx::query(ends).fetch_one(&self.reads).await?;
        let first = row.try_get::<Option<i64>, _>(0)?.unwrap_or(1);
        let last = row.try_get::<Option<i64>, _>(1)?.unwrap_or(0);
        Ok((first, last - first + 1))
    }

    async fn delete_older(&self, cutoff_us: u64) -> Result<u64, StoreError> {
        sqlx::query("DELETE FROM system_metrics WHERE at_us < ?").bind(signed(cutoff_us)).execute(&self.writes).await?;
        sqlx::query("DELETE FROM tokens WHERE kind = 'join' AND expires_us < ?")
            .bind(signed(cutoff_us))
            .execute(&self.writes)
            .await?;
        // A UUIDv7 begins with milliseconds: this one is below every other of its millisecond.
        let cutoff = Duration::from_micros(cutoff_us);
        let mut first = Uuid::new_v7(Timestamp::from_unix(NoContext, cutoff.as_secs(), cutoff.subsec_nanos()));
        first = Uuid::from_u128(first.as_u128() & !((1 << 80) - 1));
        let mut deleted = 0;
        loop {
            let step = sqlx::query(
                "DELETE FROM exchanges WHERE rowid IN (SELECT rowid FROM exchanges WHERE id < ? ORDER BY id LIMIT ?)",
            )
            .bind(first.into_bytes().to_vec())
            .bind(STEP)
            .execute(&self.writes)
            .await?
            .rows_affected();
            deleted += step;
            if step < STEP as u64 {
                return Ok(deleted);
            }
        }
    }

    async fn delete_rows(&self, below: i64) -> Result<u64, StoreError> {
        let done = sqlx::query("DELETE FROM exchanges WHERE rowid < ?").bind(below).execute(&self.writes).await?;
        Ok(done.rows_affected())
    }

    /// How many of the rows held are too many for this many bytes, if all are of one size.
    async fn over_bytes(&self, held: i64, bytes: u64) -> Result<i64, StoreError> {
        let used = self.used_bytes().await?;
        if used <= bytes || held <= 0 {
            return Ok(0);
        }
        let share = u128::from(used - bytes) * u128::from(held.unsigned_abs()) / u128::from(used);
        Ok(i64::try_from(share).unwrap_or(i64::MAX).max(1))
    }

    /// Bytes in use, without the pages that wait to be written again.
    async fn used_bytes(&self) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, \
             pragma_page_size",
        )
        .fetch_one(&self.reads)
        .await?;
        Ok(super::unsigned(row.try_get(0)?))
    }
}
