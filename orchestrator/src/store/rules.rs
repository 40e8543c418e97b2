//! What is kept and what goes by what it is: rules with queries. They are in the database, for all orchestrators on it.
//!
//! A rule that drops is walked through exchanges in the order in which they came, a block at a time, as far as they are old enough; where
//! it came to is kept beside it, so that each is asked once. What a rule keeps is asked only of what would go, and is noted
//! then, so that it is not asked again. Notes are of the rules that were in force: when these change, the notes of before count no longer at
//! once, and are deleted in time, some by some.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use uuid::Uuid;
use weir_query::Query;

use super::{
    Deed, Store, StoreError,
    arrivals::Looked,
    search::Search,
    signed,
    sql::{Lock, On, Row, Sql, Transaction},
};
use crate::Retention;

/// Exchanges that are looked at in one step.
const BLOCK: i64 = 1000;
/// Between two steps: recording goes on.
const PAUSE: Duration = Duration::from_millis(5);
/// Ids of one statement.
const TOGETHER: usize = 500;
/// More rules than there can be.
const MOST: u64 = 100;
/// Notes of one step, in each direction.
const NOTES: i64 = 5000;
/// Kept ones may be one part of so many of what the bounds allow.
const KEPT_SHARE: u64 = 2;

/// What a rule does with an exchange that fits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It goes when it has been here for so long.
    Drop { after: Duration },
    /// Neither age nor a rule that drops takes it.
    Keep,
}

/// One of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    /// In the query grammar.
    pub(crate) query: String,
}

/// Of which rules notes are that count: the place of the first of those in force, which is never that of others. Others are of rules of before.
pub(super) const IN_FORCE: &str = "(SELECT coalesce(min(place), -1) FROM retention_rules)";

/// What is kept.
const KEPT: &str = "SELECT count, bytes FROM held WHERE what = 'kept'";

/// How much of it is beyond its share, if positive.
fn beyond(kept: Row, keep: Retention) -> Result<(i64, i64), StoreError> {
    let rows = kept.get::<i64>(0)?.saturating_sub(signed(keep.exchanges / KEPT_SHARE));
    let bytes = kept.get::<i64>(1)?.saturating_sub(signed(keep.bytes / KEPT_SHARE));
    Ok((rows, bytes))
}

/// What to think of an exchange that cannot be asked, for a body of it is damaged: when in doubt it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    Fits,
    DoesNotFit,
}

/// The rules as they are walked.
pub(super) struct Rules {
    /// The place of the first, by which they are known; none if there are no rules.
    first: Option<i64>,
    drops: Vec<Dropping>,
    keeps: Vec<Query>,
}

/// A rule that drops.
struct Dropping {
    place: i64,
    text: String,
    query: Query,
    after: Duration,
    /// The number up to which it was asked.
    walked: i64,
}

impl Store {
    /// In the order given.
    pub(crate) async fn retention_rules(&self) -> Result<Vec<Rule>, StoreError> {
        rules_of(&self.reads).await
    }

    /// In place of those before, if `still` says so of them. All is asked anew. Whether it was done.
    pub(crate) async fn set_retention_rules(
        &self,
        rules: &[Rule],
        still: impl FnOnce(Vec<Rule>) -> bool,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        if !still(rules_of(&mut transaction).await?) {
            return Ok(false);
        }
        // What is noted of those before counts no longer, and goes bit by bit.
        Sql::new("DELETE FROM retention_rules").execute(&mut transaction).await?;
        // No place of before comes again, so places tell whether rules are still the same.
        let first = signed(crate::clock::now_us().saturating_mul(MOST));
        for (place, rule) in (first..).zip(rules) {
            let after = match rule.action {
                Action::Drop { after } => Some(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
                Action::Keep => None,
            };
            let sql = "INSERT INTO retention_rules (place, query, after_us, walked) VALUES ($1, $2, $3, 0)";
            let sql = Sql::new(sql).bind(place).bind(&rule.query).bind(after);
            sql.execute(&mut transaction).await?;
        }
        deed.commit(transaction).await?;
        Ok(true)
    }

    /// How many exchanges there are, and their bytes.
    pub(crate) async fn held_exchanges(&self) -> Result<(u64, u64), StoreError> {
        let row = Sql::new("SELECT count, bytes FROM held WHERE what = 'exchanges'").fetch_one(&self.reads).await?;
        Ok((row.number(0)?, row.number(1)?))
    }

    /// One pass of the rules that drop; how many exchanges went.
    pub(super) async fn drop_by_rules(&self, now_us: u64) -> Result<u64, StoreError> {
        let rules = self.rules().await?;
        let mut gone = 0;
        for rule in &rules.drops {
            let cutoff_us = now_us.saturating_sub(u64::try_from(rule.after.as_micros()).unwrap_or(u64::MAX));
            let mut at = rule.walked;
            while let Some(to) = self.old_enough(at, cutoff_us).await? {
                let fits = self.fits(std::slice::from_ref(&rule.query), (at, to), Unread::DoesNotFit).await?;
                gone += self.drop_unless_kept(&fits, &rules, (at, to)).await?;
                let note = "UPDATE retention_rules SET walked = $1 WHERE place = $2 AND query = $3 AND walked = $4";
                let note = Sql::new(note).bind(to).bind(rule.place).bind(&rule.text).bind(at);
                let noted = note.execute(&self.writes).await?;
                if noted == 0 {
                    // The rules are others now, or another orchestrator is at it.
                    break;
                }
                at = to;
                sleep(PAUSE).await;
            }
        }
        Ok(gone)
    }

    /// Notes which of the numbers behind `after` up to `to` are kept by a rule; true if there are rules that keep.
    pub(super) async fn keep_by_rules(&self, (after, to): (i64, i64)) -> Result<bool, StoreError> {
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
    pub(super) async fn bound_kept(&self, keep: Retention) -> Result<u64, StoreError> {
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
    pub(super) async fn forget_notes(&self) -> Result<u64, StoreError> {
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

    /// By which rules are known to be the same.
    pub(super) async fn places_of_rules<'a>(&self, on: impl Into<On<'a>>) -> Result<Vec<i64>, StoreError> {
        let rows = Sql::new("SELECT place FROM retention_rules ORDER BY place").fetch_all(on).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The number up to which all that is left is kept: there is nothing to look for.
    pub(super) async fn all_kept_to(&self) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(min(walked), 0) FROM retention_rules WHERE after_us IS NULL";
        Sql::new(sql).fetch_one(&self.reads).await?.get(0)
    }

    /// Looks how far that goes by now, from one number to another.
    pub(super) async fn note_all_kept(
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

    pub(super) async fn rules(&self) -> Result<Rules, StoreError> {
        let sql = "SELECT place, query, after_us, walked FROM retention_rules ORDER BY place";
        let mut rules = Rules { first: None, drops: Vec::new(), keeps: Vec::new() };
        for row in Sql::new(sql).fetch_all(&self.reads).await? {
            let (place, text): (i64, String) = (row.get(0)?, row.get(1)?);
            rules.first.get_or_insert(place);
            // It was one when it was stored; a later version may have made it.
            let Ok(query) = Query::parse(&text) else {
                tracing::error!(query = text, "a rule of retention is not understood and does nothing");
                continue;
            };
            match row.get::<Option<i64>>(2)? {
                None => rules.keeps.push(query),
                Some(us) => {
                    let after = Duration::from_micros(super::unsigned(us));
                    rules.drops.push(Dropping { place, text, query, after, walked: row.get(3)? });
                }
            }
        }
        Ok(rules)
    }

    /// The end of the next block of exchanges that have been here since before the cutoff.
    async fn old_enough(&self, after: i64, cutoff_us: u64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(number), min(CASE WHEN received_us >= $3 THEN number END) FROM \
                   (SELECT number, received_us FROM exchanges WHERE number > $1 ORDER BY number LIMIT $2) AS block";
        let row = Sql::new(sql).bind(after).bind(BLOCK).bind(signed(cutoff_us)).fetch_one(&self.reads).await?;
        let (last, young) = (row.get::<Option<i64>>(0)?, row.get::<Option<i64>>(1)?);
        Ok(match (last, young) {
            (Some(last), None) => Some(last),
            (_, Some(young)) if young - 1 > after => Some(young - 1),
            _ => None,
        })
    }

    /// Which of the numbers behind `after` up to `to` fit one of the queries, and maybe those that cannot be asked.
    async fn fits(
        &self,
        queries: &[Query],
        (after, to): (i64, i64),
        unread: Unread,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let mut found = HashSet::new();
        for query in queries {
            let search = Arc::new(Search::plain(query));
            let turn = self.turn(&search).await?;
            let mut at = after;
            while at < to {
                let mut looked = Looked::default();
                let until = Instant::now() + Duration::from_secs(1);
                let stopped = self.arrived((&search, &turn), (at, to), usize::MAX, until, &mut looked).await?;
                found.extend(looked.items.iter().map(|item| item.summary.id));
                if unread == Unread::Fits {
                    found.extend(looked.unread.iter().map(|(id, _)| *id));
                }
                at = stopped.unwrap_or(to);
            }
        }
        Ok(found)
    }

    pub(super) async fn drop_unless_kept(
        &self,
        fits: &HashSet<Uuid>,
        rules: &Rules,
        (after, to): (i64, i64),
    ) -> Result<u64, StoreError> {
        let (false, Some(first)) = (fits.is_empty(), rules.first) else { return Ok(0) };
        let keeps = self.fits(&rules.keeps, (after, to), Unread::Fits).await?;
        let (kept, drop): (Vec<Uuid>, Vec<Uuid>) = fits.iter().partition(|id| keeps.contains(*id));
        self.note_kept(&kept, rules).await?;
        let mut gone = 0;
        for some in drop.chunks(TOGETHER) {
            gone += self.delete_by_rules(some, first).await?;
            sleep(PAUSE).await;
        }
        Ok(gone)
    }

    /// Unless the rules that keep them are others by now.
    async fn note_kept(&self, ids: &[Uuid], rules: &Rules) -> Result<(), StoreError> {
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

impl Transaction {
    /// Are the rules in force those whose first has this place? With the lock of retention they stay so to its end.
    pub(super) async fn has_rules(&mut self, first: Option<i64>) -> Result<bool, StoreError> {
        let Some(first) = first else { return Ok(true) };
        Ok(Sql::new(format!("SELECT {IN_FORCE}")).fetch_one(self).await?.get::<i64>(0)? == first)
    }
}

async fn rules_of<'a>(on: impl Into<On<'a>>) -> Result<Vec<Rule>, StoreError> {
    let rows = Sql::new("SELECT query, after_us FROM retention_rules ORDER BY place").fetch_all(on).await?;
    let rule = |row: &Row| {
        let action = match row.get::<Option<i64>>(1)? {
            Some(us) => Action::Drop { after: Duration::from_micros(super::unsigned(us)) },
            None => Action::Keep,
        };
        Ok(Rule { action, query: row.get(0)? })
    };
    rows.iter().map(rule).collect()
}
