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
            let (first, last): (i64, i64) = {
                let row = sqlx::query("SELECT coalesce(min(rowid), 1), coalesce(max(rowid), 0) FROM exchanges")
                    .fetch_one(&self.reads)
                    .await?;
                (row.try_get(0)?, row.try_get(1)?)
            };
            let held = last - first + 1;
            let over = held.saturating_sub(signed(keep.exchanges));
            let step = if over > 0 {
                over.min(STEP)
            } else if held > 0 && self.used_bytes().await? > keep.bytes {
                STEP
            } else {
                break;
            };
            deleted += self.delete_rows(first + step).await?;
        }
        Ok(deleted)
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
