//! Gives back to the disk what deleted rows leave, in steps that recording does not feel. PostgreSQL does so by itself.

use std::time::Duration;

use tokio::time::sleep;

use super::{Pool, Store, StoreError, record::PAGE};

/// Pages of one step.
const STEP: i64 = 128;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(10);
/// Pages that are not worth it.
const FEW: i64 = (16 << 20) / PAGE as i64;

impl Store {
    /// Where more than a quarter of the file is free, gives back all but an eighth: recording uses free pages again. How many bytes.
    pub(crate) async fn give_back(&self) -> Result<u64, StoreError> {
        let Pool::Sqlite(writes) = &self.writes else { return Ok(0) };
        let number = async |pragma: &'static str| sqlx::query_scalar::<_, i64>(pragma).fetch_one(writes).await;
        // 2: incremental. A file of an earlier version is not, and stays as large as it was.
        if number("PRAGMA auto_vacuum").await? != 2 {
            return Ok(0);
        }
        let (free, all) = (number("PRAGMA freelist_count").await?, number("PRAGMA page_count").await?);
        if free <= FEW || free < all / 4 {
            return Ok(0);
        }
        let many = free - all / 8;
        for _ in 0..many / STEP {
            sqlx::query("PRAGMA incremental_vacuum(128)").execute(writes).await?;
            sleep(PAUSE).await;
        }
        Ok(super::unsigned(many / STEP * STEP) * PAGE as u64)
    }
}
