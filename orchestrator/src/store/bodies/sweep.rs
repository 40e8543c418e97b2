//! What nobody needs goes from the body store: at once what rows named that are gone, and once in a while what no row ever
//! named, because its writer was killed before the commit. Several orchestrators may do it at a time.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use super::super::{Sql, Store, StoreError};

/// Keys of one step.
const STEP: usize = 200;
/// Younger ones may still be named by a row: see `put.rs` for how old one may be by then.
const ORPHAN: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// Deletes what rows named that are gone; how many.
    pub(crate) async fn clear_bodies(&self) -> Result<u64, StoreError> {
        let Some(objects) = &self.shelves.objects else { return Ok(0) };
        let mut cleared = 0;
        loop {
            let look = format!("SELECT object FROM bodies_gone LIMIT {STEP}");
            let rows = Sql::new(look).fetch_all(&self.reads).await?;
            let mut gone = Vec::new();
            for row in &rows {
                let key: String = row.get(0)?;
                if objects.delete(&key).await {
                    gone.push(key);
                }
            }
            if gone.is_empty() {
                return Ok(cleared);
            }
            let mut forget = Sql::new("DELETE FROM bodies_gone WHERE object IN (");
            for (place, key) in gone.iter().enumerate() {
                forget.push(if place == 0 { "" } else { ", " }).push_bind(key);
            }
            forget.push(")");
            forget.execute(&self.writes).await?;
            cleared += gone.len() as u64;
            if rows.len() < STEP || gone.len() < rows.len() {
                return Ok(cleared);
            }
        }
    }

    /// Deletes what no row names and none will; how many.
    pub(crate) async fn sweep_bodies(&self, now: SystemTime) -> Result<u64, StoreError> {
        let Some(objects) = self.shelves.objects.clone() else { return Ok(0) };
        let Some(than) = now.checked_sub(ORPHAN) else { return Ok(0) };
        let keys = objects.older(than).await?;
        let mut swept = 0;
        for keys in keys.chunks(STEP) {
            let named = self.named_keys(keys).await?;
            for key in keys.iter().filter(|key| !named.contains(*key)) {
                swept += u64::from(objects.delete(key).await);
            }
        }
        Ok(swept)
    }

    async fn named_keys(&self, keys: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut query = Sql::new("SELECT object FROM bodies WHERE object IN (");
        for (place, key) in keys.iter().enumerate() {
            query.push(if place == 0 { "" } else { ", " }).push_bind(key);
        }
        query.push(")");
        let rows = query.fetch_all(&self.reads).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }
}
