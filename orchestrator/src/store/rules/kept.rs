//! What a rule keeps is noted; notes count as long as the rules are those that were in force, and what is kept has a bound.

use tokio::time::sleep;
use uuid::Uuid;

use super::{
    super::{
        Store, StoreError, signed,
        sql::{Lock, On, Row, Sql, Transaction},
    },
    IN_FORCE, PAUSE, Rules, TOGETHER, Unread,
};
use crate::Retention;

/// Notes of one step, in each direction.
const NOTES: i64 = 5000;
/// Kept ones may be one part of so many of what the bounds allow.
const KEPT_SHARE: u64 = 2;

/// What is kept.
const KEPT: &str = "SELECT count, bytes FROM held WHERE what = 'kept'";

/// How much of it is beyond its share, if positive.
fn beyond(kept: Row, keep: Retention) -> Result<(i64, i64), StoreError> {
    let rows = kept.get::<i64>(0)?.saturating_sub(signed(keep.exchanges / KEPT_SHARE));
    let bytes = kept.get::<i64>(1)?.saturating_sub(signed(keep.bytes / KEPT_SHARE));
    Ok((rows, bytes))
}

impl Transaction {
    /// Are the rules in force those whose first has this place? With the lock of retention they stay so to its end.
    pub(in super::super) async fn has_rules(&mut self, first: Option<i64>) -> Result<bool, StoreError> {
        let Some(first) = first else { return Ok(true) };
        Ok(Sql::new(format!("SELECT {IN_FORCE}")).fetch_one(self).await?.get::<i64>(0)? == first)
    }
}

impl Store {
    /// Notes which of the numbers behind `after` up to `to` are kept by a rule; true if there are rules that keep.
    pub(in super::super) async fn keep_by_rules(&self, (after, to): (i64, i64)) -> Result<bool, StoreError> {
        let rules = self.rules().await?;
        if rules.keeps.is_empty() {
            return Ok(false);
        }
        let kept = self.fits(&rules.keeps, (after, to), Unread::Fits).await?;
        self.note_kept(&kept.into_iter().collect::<Vec<_>>(), &rules).await?;
        Ok(true)
    }

    /// However many are kept, most of the bounds is for what is new: the oldest of them go that are more than their share. How
    /// many went.
    pub(in super::super) async fn bound_kept(&self, keep: Retention) -> Result<u64, StoreError> {
        // They would be counted with those that count.
        while self.forget_notes().await? > 0 {
            sleep(PAUSE).await;
        }
        let mut count = 0;
        loop {
            let (rows, bytes) = beyond(Sql::new(KEPT).fetch_one(&self.reads).await?, keep)?;
            if rows <= 0 && bytes <= 0 {
                return Ok(count);
            }
            // Again, and alone: another orchestrator may have deleted them meanwhile, or the rules are others.
            let mut transaction = self.begin().await?;
            transaction.alone(Lock::Retention).await?;
            if self.has_old_notes(&mut transaction).await? {
                return Ok(count);
            }
            let (rows, bytes) = beyond(Sql::new(KEPT).fetch_one(&mut transaction).await?, keep)?;
            let oldest = "DELETE FROM exchanges WHERE number IN (SELECT number FROM (SELECT number, \
                          row_number() OVER w AS place, sum(bytes) OVER w - bytes AS gone FROM \
                          (SELECT number, bytes FROM kept ORDER BY number LIMIT 500) AS k \
                          WINDOW w AS (ORDER BY number)) AS summed WHERE place <= $1 OR gone < $2)";
            let gone = Sql::new(oldest).bind(rows).bind(bytes).execute(&mut transaction).await?;
            // A backup may have noted what was gone when its exchange was read.
            let orphans = "DELETE FROM kept WHERE number IN (SELECT number FROM kept ORDER BY number LIMIT 500) \
                           AND NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.number = kept.number)";
            let orphans = if gone == 0 { Sql::new(orphans).execute(&mut transaction).await? } else { 0 };
            transaction.commit().await?;
            count += gone;
            if gone + orphans == 0 {
                return Ok(count);
            }
            sleep(PAUSE).await;
        }
    }

    /// Forgets some of what was noted of rules of before; how many notes.
    pub(in super::super) async fn forget_notes(&self) -> Result<u64, StoreError> {
        if !self.has_old_notes(&self.reads).await? {
            return Ok(0);
        }
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        let mut gone = 0;
        // Each way along the index.
        for (than, order) in [("<", "rules, number"), (">", "rules DESC, number DESC")] {
            let some = format!(
                "DELETE FROM kept WHERE number IN (SELECT number FROM kept WHERE rules {than} {IN_FORCE} ORDER BY {order} LIMIT {NOTES})"
            );
            gone += Sql::new(some).execute(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(gone)
    }

    async fn has_old_notes<'a>(&self, on: impl Into<On<'a>>) -> Result<bool, StoreError> {
        let either = ["<", ">"].map(|than| format!("EXISTS (SELECT 1 FROM kept WHERE rules {than} {IN_FORCE})"));
        let any = Sql::new(format!("SELECT 1 WHERE {}", either.join(" OR ")));
        Ok(any.fetch_optional(on).await?.is_some())
    }

    /// The number up to which all that is left is kept: there is nothing to look for.
    pub(in super::super) async fn all_kept_to(&self) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(min(walked), 0) FROM retention_rules WHERE after_us IS NULL";
        Sql::new(sql).fetch_one(&self.reads).await?.get(0)
    }

    /// Looks how far that goes by now, from one number to another.
    pub(in super::super) async fn note_all_kept(
        &self,
        transaction: &mut Transaction,
        (from, to): (i64, i64),
    ) -> Result<(), StoreError> {
        let left = "SELECT t.number FROM exchanges t WHERE t.number > $1 AND t.number <= $2 \
                    AND NOT EXISTS (SELECT 1 FROM kept k WHERE k.number = t.number AND k.rules = ";
        let left = Sql::new(format!("{left}{IN_FORCE}) ORDER BY t.number LIMIT 1"))
            .bind(from)
            .bind(to)
            .fetch_optional(&mut *transaction)
            .await?;
        let to = left.map_or(Ok(to), |left| left.get::<i64>(0).map(|number| number - 1))?;
        let note = Sql::new("UPDATE retention_rules SET walked = $1 WHERE after_us IS NULL").bind(to);
        note.execute(transaction).await.map(drop)
    }

    /// Unless the rules that keep them are others by now.
    pub(super) async fn note_kept(&self, ids: &[Uuid], rules: &Rules) -> Result<(), StoreError> {
        for some in ids.chunks(TOGETHER) {
            let mut note = Sql::new(format!(
                "INSERT INTO kept (number, bytes, rules) SELECT number, bytes, {IN_FORCE} FROM exchanges WHERE id IN ("
            ));
            for (place, id) in some.iter().enumerate() {
                note.push(if place == 0 { "" } else { ", " }).push_bind(*id);
            }
            note.push(") ON CONFLICT (number) DO UPDATE SET rules = excluded.rules");
            // Whoever deletes one of them deletes it before, or finds the note of it.
            let mut transaction = self.begin().await?;
            transaction.alone(Lock::Retention).await?;
            if rules.first.is_none() || !transaction.has_rules(rules.first).await? {
                return Ok(());
            }
            note.execute(&mut transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}
