//! What nobody needs goes from the body store: at once what rows named that are gone, and once in a while what no row ever
//! named, because its writer was killed before the commit. Several orchestrators may do it at a time.

use std::{
    collections::HashSet,
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt as _, future::join_all};

use super::{
    super::{Sql, Store, StoreError},
    Objects,
};

/// Keys of one step.
const STEP: usize = 200;
/// For what rows named, of one time: whatever else retention does waits for it.
const CLEARING: Duration = Duration::from_secs(30);
/// Deleted at a time: what a bucket takes for one it takes for all of them.
const AT_ONCE: usize = 20;
/// Younger ones may still be named by a row: see `put.rs` for how old one may be by then.
const ORPHAN: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// Deletes what rows named that are gone; how many. What cannot be deleted, or takes too long, is tried again the next time.
    pub(crate) async fn clear_bodies(&self) -> Result<u64, StoreError> {
        let Some(objects) = &self.shelves.objects else { return Ok(0) };
        let until = Instant::now() + CLEARING;
        let mut cleared = 0;
        loop {
            let look = format!("SELECT object FROM bodies_gone LIMIT {STEP}");
            let rows = Sql::new(look).fetch_all(&self.reads).await?;
            let keys = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
            let (gone, failed) = delete(objects, &keys).await;
            if !gone.is_empty() {
                let mut forget = Sql::new("DELETE FROM bodies_gone WHERE object IN (");
                for (place, key) in gone.iter().enumerate() {
                    forget.push(if place == 0 { "" } else { ", " }).push_bind(*key);
                }
                forget.push(")");
                forget.execute(&self.writes).await?;
            }
            cleared += gone.len() as u64;
            if keys.len() < STEP || gone.is_empty() || Instant::now() >= until {
                return failed.map_or(Ok(cleared), |error| Err(objects.fault(error)));
            }
        }
    }

    /// Deletes what no row names and none will; how many.
    pub(crate) async fn sweep_bodies(&self, now: SystemTime) -> Result<u64, StoreError> {
        let Some(objects) = self.shelves.objects.clone() else { return Ok(0) };
        let Some(than) = now.checked_sub(ORPHAN) else { return Ok(0) };
        let mut all = objects.older(than).await?;
        let mut swept = 0;
        while let Some(some) = all.next().await {
            let some = some.map_err(|error| objects.fault(error))?;
            for keys in some.chunks(STEP) {
                let named = self.named_keys(keys).await?;
                let orphans: Vec<String> = keys.iter().filter(|key| !named.contains(*key)).cloned().collect();
                let (gone, failed) = delete(&objects, &orphans).await;
                swept += gone.len() as u64;
                if let Some(error) = failed {
                    return Err(objects.fault(error));
                }
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

/// Some at a time: which of them are gone, and why one is not. Where none of some can be deleted, the rest is not tried.
async fn delete<'a>(objects: &Objects, keys: &'a [String]) -> (Vec<&'a String>, Option<String>) {
    let (mut gone, mut failed) = (Vec::with_capacity(keys.len()), None);
    for some in keys.chunks(AT_ONCE) {
        let before = gone.len();
        let deleted = join_all(some.iter().map(|key| objects.delete(key))).await;
        for (key, deleted) in some.iter().zip(deleted) {
            match deleted {
                Ok(()) => gone.push(key),
                Err(error) => failed = Some(format!("{key} cannot be deleted: {error}")),
            }
        }
        if gone.len() == before {
            break;
        }
    }
    (gone, failed)
}
