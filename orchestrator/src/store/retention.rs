//! Deletes what is beyond the bounds, oldest first, in steps small enough that recording goes on between them. Freed
//! pages are written again, so the file stops growing at its bound. What rules say of exchanges is in `rules`.
//!
//! Age is counted from when a row came here: the clocks of agents may be wrong, and what one of them had acknowledged is
//! not to vanish for it. Bytes are those of the rows that may be deleted, and of nothing else in the file: no number of
//! deleted exchanges makes room for a component.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    Store, StoreError,
    rules::IN_FORCE,
    signed,
    sql::{Lock, Row, Sql},
};
use crate::Retention;

/// Rows of one step, and bytes.
const STEP: u64 = 1000;
const STEP_BYTES: u64 = 16 << 20;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(5);
/// For rules, of one pass: they go on from there in the next.
const RULES: Duration = Duration::from_secs(30);
/// Metrics may take one part of so many of the bytes.
const METRICS_SHARE: u64 = 10;
/// So may these; exchanges have what they leave.
const SHARES: [(&str, u64); 4] = [("messages", 4), ("tunnels", 20), ("connections", 20), ("filter_logs", 20)];
/// And these, whose age is bounded elsewhere.
const SUMMARIES: [(&str, u64); 2] = [("metrics_minutes", 20), ("metrics_hours", 20)];
/// One part of so many of a full audit trail is for what was refused.
const REFUSED_SHARE: u64 = 4;
/// Of the audit trail: nobody is to fill the disk with it.
const AUDIT_BYTES: u64 = 256 << 20;
/// How long its entries are kept.
const AUDIT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

const HELD_AUDIT: &str = "SELECT bytes FROM held WHERE what = 'audit'";
const FIRST_REFUSED: &str = "SELECT min(number) FROM audit WHERE status >= 400";
const SUM_REFUSED: &str = "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM audit WHERE status >= 400";
const OLDEST_REFUSED: &str = "SELECT number, bytes FROM audit WHERE status >= 400 ORDER BY number LIMIT 1000";

/// An exchange and the bodies that it needs, whoever else does.
const WITH_BODIES: &str = "bytes + coalesce((SELECT sum(b.stored) FROM body_uses u JOIN bodies b ON b.number = u.body \
                           WHERE u.exchange = t.number), 0)";

/// Numbered in the order in which rows came, with their own size; and what of it may stay.
struct Shelf {
    table: &'static str,
    /// When a row came.
    time: &'static str,
    count: u64,
    bytes: u64,
    cutoff_us: u64,
}

impl Store {
    /// Deletes what came before a time, whatever the other bounds.
    pub(super) async fn forget_before(&self, table: &'static str, cutoff_us: u64) -> Result<(), StoreError> {
        let (time, bound) = ("received_us", u64::MAX);
        self.clear(&Shelf { table, time, count: bound, bytes: bound, cutoff_us }, None).await.map(drop)
    }

    /// One pass; how many exchanges went.
    pub(crate) async fn retain(&self, keep: Retention, now_us: u64) -> Result<u64, StoreError> {
        let since = |age: Duration| now_us.saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
        let cutoff_us = since(keep.age);
        // As long as the trail, which names them.
        for ended in ["tokens WHERE kind = 'join' AND", "access_tokens WHERE"] {
            let ended = Sql::new(format!("DELETE FROM {ended} expires_us < $1")).bind(signed(since(AUDIT)));
            ended.execute(&self.writes).await?;
        }
        self.retain_audit(AUDIT_BYTES, since(AUDIT)).await?;
        let (time, count) = ("received_us", u64::MAX);
        let metrics_bytes = keep.bytes / METRICS_SHARE;
        self.clear(&Shelf { table: "system_metrics", time, count, bytes: metrics_bytes, cutoff_us }, None).await?;
        let mut bytes = keep.bytes - metrics_bytes;
        for (table, share) in SHARES.into_iter().chain(SUMMARIES) {
            // Summaries are kept longer than what they are made of.
            let is_summary = SUMMARIES.iter().any(|(summary, _)| *summary == table);
            let cutoff_us = if is_summary { 0 } else { cutoff_us };
            let own = Shelf { table, time, count: keep.exchanges, bytes: keep.bytes / share, cutoff_us };
            self.clear(&own, None).await?;
            let held = Sql::new("SELECT bytes FROM held WHERE what = $1").bind(table).fetch_one(&self.reads).await?;
            bytes = bytes.saturating_sub(held.number(0)?);
        }
        // A body store that is away keeps rules waiting, and no bound; nor does one that is slow, or a new rule with all to ask.
        let dropped = self.drop_by_rules(now_us, Instant::now() + RULES).await.unwrap_or_else(|error| {
            tracing::error!(%error, "rules of retention wait");
            0
        });
        let dropped = dropped + self.bound_kept(keep).await?;
        let exchanges = Shelf { table: "exchanges", time, count: keep.exchanges, bytes, cutoff_us };
        Ok(dropped + self.clear(&exchanges, Some(keep)).await?)
    }

    /// Of the audit trail so many bytes stay, and nothing older.
    pub(super) async fn retain_audit(&self, bytes: u64, oldest_us: u64) -> Result<(), StoreError> {
        self.drop_refused(bytes).await?;
        let audit = Shelf { table: "audit", time: "at_us", count: u64::MAX, bytes, cutoff_us: oldest_us };
        self.clear(&audit, None).await.map(drop)
    }

    /// Where the trail is full, the oldest entries of what was refused go first: whoever has the least of roles can make as many of
    /// them as they like, and they are not to push out what was done.
    async fn drop_refused(&self, bytes: u64) -> Result<(), StoreError> {
        loop {
            let first = Sql::new(FIRST_REFUSED).fetch_one(&self.reads).await?.get::<Option<i64>>(0)?;
            let held = Sql::new(HELD_AUDIT).fetch_one(&self.reads).await?.number(0)?;
            if held <= bytes {
                return Ok(());
            }
            // Summed up outside the transaction: whoever records does not wait for it.
            let refused = Sql::new(SUM_REFUSED).fetch_one(&self.reads).await?.number(0)?;
            let mut surplus = (held - bytes).min(refused.saturating_sub(bytes / REFUSED_SHARE));
            let mut last = None;
            for row in Sql::new(OLDEST_REFUSED).fetch_all(&self.reads).await? {
                if surplus == 0 {
                    break;
                }
                surplus = surplus.saturating_sub(row.number(1)?);
                last = Some(row.get::<i64>(0)?);
            }
            let Some(last) = last else { return Ok(()) };
            let mut transaction = self.begin().await?;
            transaction.alone(Lock::Retention).await?;
            // They go oldest first: where the oldest is another, or less is there, another orchestrator deleted some, and all is summed up anew.
            let now_first = Sql::new(FIRST_REFUSED).fetch_one(&mut transaction).await?.get::<Option<i64>>(0)?;
            let now_held = Sql::new(HELD_AUDIT).fetch_one(&mut transaction).await?.number(0)?;
            if now_first == first && now_held >= held {
                let gone = Sql::new("DELETE FROM audit WHERE status >= 400 AND number <= $1").bind(last);
                gone.execute(&mut transaction).await?;
            }
            transaction.commit().await?;
            sleep(PAUSE).await;
        }
    }

    /// `rules`: what they keep stays.
    async fn clear(&self, shelf: &Shelf, rules: Option<Retention>) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            match self.step(shelf, rules).await? {
                Step::Done => return Ok(deleted),
                Step::Deleted(count) => deleted += count,
            }
            sleep(PAUSE).await;
        }
    }

    /// Of the oldest rows those that are too old, or have to go so that the others fit.
    async fn step(&self, shelf: &Shelf, rules: Option<Retention>) -> Result<Step, StoreError> {
        let begin = if rules.is_some() { self.all_kept_to().await? } else { 0 };
        let look = shelf.sums(begin).fetch_one(&self.reads).await?;
        let Some(beyond) = shelf.beyond(&look)? else { return Ok(Step::Done) };
        let places = self.places_of_rules(&self.reads).await?;
        let (mut keeps, mut up_to) = (false, i64::MAX);
        if let Some(keep) = rules {
            let ends = shelf.oldest("min(number), max(number)", &beyond, true).bind(i64::MAX).bind(begin);
            let ends = ends.fetch_one(&self.reads).await?;
            let (Some(first), Some(last)) = (ends.get::<Option<i64>>(0)?, ends.get::<Option<i64>>(1)?) else {
                return Ok(Step::Done);
            };
            keeps = self.keep_by_rules((first - 1, last)).await?;
            up_to = last;
            let gone = if keeps { self.bound_kept(keep).await? } else { 0 };
            if gone > 0 {
                return Ok(Step::Deleted(gone));
            }
        }
        // Again, and alone: another orchestrator may have deleted them meanwhile.
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        if rules.is_some() && self.places_of_rules(&mut transaction).await? != places {
            // What is kept is to be asked anew.
            return Ok(Step::Deleted(0));
        }
        let look = shelf.sums(begin).fetch_one(&mut transaction).await?;
        let Some(beyond) = shelf.beyond(&look)? else { return Ok(Step::Done) };
        let oldest = shelf.oldest("number", &beyond, rules.is_some());
        let delete = oldest.around(&format!("DELETE FROM {} WHERE number IN (", shelf.table), ")");
        let deleted = delete.bind(up_to).bind(begin).execute(&mut transaction).await?;
        if keeps {
            self.note_all_kept(&mut transaction, (begin, up_to)).await?;
        }
        transaction.commit().await?;
        Ok(if deleted == 0 && !keeps { Step::Done } else { Step::Deleted(deleted) })
    }
}

enum Step {
    Done,
    Deleted(u64),
}

/// What is too much, if positive.
struct Beyond {
    rows: i64,
    bytes: i64,
}

impl Shelf {
    /// Whose sums count.
    fn held(&self) -> String {
        if self.table == "exchanges" { "('exchanges', 'bodies')".to_owned() } else { format!("('{}')", self.table) }
    }

    /// Of a row `t`, what goes with it at most: of bodies that others need as well less is freed, and another step follows.
    fn bytes_each(&self) -> &'static str {
        if self.table == "exchanges" { WITH_BODIES } else { "bytes" }
    }

    /// Rows, bytes, and when the first behind a number came.
    fn sums(&self, begin: i64) -> Sql {
        // What PostgreSQL sums up of large numbers is one of another type.
        let (Self { table, time, .. }, held, sum) = (self, self.held(), "CAST(sum(bytes) AS BIGINT)");
        let text = format!(
            "SELECT (SELECT count FROM held WHERE what = '{table}'), (SELECT {sum} FROM held WHERE what IN {held}), \
             (SELECT {time} FROM {table} WHERE number > $1 ORDER BY number LIMIT 1)"
        );
        Sql::new(text).bind(begin)
    }

    /// Of those that go next, none above the number that is bound last but one, and all above the last.
    fn oldest(&self, what: &str, beyond: &Beyond, by_rules: bool) -> Sql {
        let (Self { table, time, .. }, bytes) = (self, self.bytes_each());
        let stay = format!(" AND NOT EXISTS (SELECT 1 FROM kept k WHERE k.number = t.number AND k.rules = {IN_FORCE})");
        let stay = if by_rules { stay.as_str() } else { "" };
        let text = format!(
            "SELECT {what} FROM (SELECT number, came, row_number() OVER w AS place, sum(bytes) OVER w - bytes AS gone FROM \
             (SELECT number, {time} AS came, {bytes} AS bytes FROM {table} t WHERE number <= $4 AND number > $5{stay} \
             ORDER BY number LIMIT {STEP}) AS oldest WINDOW w AS (ORDER BY number)) AS summed \
             WHERE (came < $1 OR place <= $2 OR gone < $3) AND gone < {STEP_BYTES}"
        );
        Sql::new(text).bind(signed(self.cutoff_us)).bind(beyond.rows).bind(beyond.bytes)
    }

    /// None when all is within the bounds.
    fn beyond(&self, sums: &Row) -> Result<Option<Beyond>, StoreError> {
        let rows = sums.get::<i64>(0)?.saturating_sub(signed(self.count));
        let bytes = sums.get::<i64>(1)?.saturating_sub(signed(self.bytes));
        let young = sums.get::<Option<i64>>(2)?.is_none_or(|oldest| oldest >= signed(self.cutoff_us));
        Ok((rows > 0 || bytes > 0 || !young).then_some(Beyond { rows, bytes }))
    }
}
