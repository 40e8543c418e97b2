//! Folds samples into minutes and hours. A mark says up to which sample that is done; it moves in the transaction that writes what came
//! of it, so each sample counts once, whoever of several orchestrators does it and whenever one dies.

use std::collections::BTreeMap;

use prost::Message as _;
use weir_proto::v1::SystemMetrics;

use super::{Summary, Tier};
use crate::{
    MetricsRetention,
    store::{
        Store, StoreError, signed,
        sql::{Lock, Row, Sql, Transaction},
        unsigned,
    },
};

/// Samples of one transaction: recorded traffic goes on between two.
const STEP: u64 = 100;
/// Younger samples wait: with PostgreSQL one with a lower number may become visible after one with a higher.
const GRACE_US: u64 = 30_000_000;
/// What a row takes of the disk beside its message, about.
const ROW: u64 = 128;
/// Two times that lie further apart have nothing to do with each other's counters.
const NEIGHBOURS: u64 = 2;

/// What came of the samples, by tier, agent and time.
type Folded = BTreeMap<(bool, i64, u64), Summary>;

impl Store {
    /// Folds all that is old enough; how many samples.
    pub(crate) async fn fold_metrics(&self, now_us: u64) -> Result<u64, StoreError> {
        let mut folded = 0;
        loop {
            let step = self.fold_step(now_us).await?;
            folded += step;
            if step < STEP {
                return Ok(folded);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Deletes what is too old of each tier.
    pub(crate) async fn retain_metrics(&self, keep: MetricsRetention, now_us: u64) -> Result<(), StoreError> {
        let cutoff =
            |age: std::time::Duration| now_us.saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
        for (tier, age) in [(Tier::Samples, keep.samples), (Tier::Minutes, keep.minutes), (Tier::Hours, keep.hours)] {
            self.forget_before(tier.table(), cutoff(age)).await?;
        }
        Ok(())
    }

    async fn fold_step(&self, now_us: u64) -> Result<u64, StoreError> {
        let mark = Sql::new(MARK).fetch_one(&self.reads).await?.number(0)?;
        if self.unfolded(mark, now_us).fetch_optional(&self.reads).await?.is_none() {
            return Ok(0);
        }
        // Again, and alone: another orchestrator may have folded them meanwhile.
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Folding).await?;
        let mark = Sql::new(MARK).fetch_one(&mut transaction).await?.number(0)?;
        let rows = self.unfolded(mark, now_us).fetch_all(&mut transaction).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let last: i64 = last.get(0)?;
        let mut folded = Folded::new();
        for row in &rows {
            see(&mut transaction, &mut folded, row).await?;
        }
        for ((is_hour, agent, at_us), summary) in &folded {
            write(&mut transaction, tier(*is_hour), (*agent, *at_us), summary, now_us).await?;
        }
        Sql::new("DELETE FROM metrics_folded").execute(&mut transaction).await?;
        Sql::new("INSERT INTO metrics_folded VALUES ($1)").bind(last).execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }

    fn unfolded(&self, mark: u64, now_us: u64) -> Sql {
        let oldest = now_us.saturating_sub(GRACE_US);
        let text = "SELECT number, agent, at_us, sample FROM system_metrics WHERE number > $1 AND received_us <= $2 \
                    ORDER BY number LIMIT $3";
        Sql::new(text).bind(signed(mark)).bind(signed(oldest)).bind(signed(STEP))
    }
}

pub(super) const MARK: &str = "SELECT coalesce(max(up_to), 0) FROM metrics_folded";

fn tier(is_hour: bool) -> Tier {
    if is_hour { Tier::Hours } else { Tier::Minutes }
}

/// Adds a sample to its minute and its hour.
async fn see(transaction: &mut Transaction, folded: &mut Folded, row: &Row) -> Result<(), StoreError> {
    let (agent, at_us): (i64, u64) = (row.get(1)?, row.number(2)?);
    let bytes: &[u8] = row.get(3)?;
    // One that cannot be read is none; the others are to go on.
    let Ok(sample) = SystemMetrics::decode(bytes) else { return Ok(()) };
    for is_hour in [false, true] {
        let begin = tier(is_hour).begin(at_us);
        let key = (is_hour, agent, begin);
        if !folded.contains_key(&key) {
            let begun = begun(transaction, folded, key).await?;
            folded.insert(key, begun);
        }
        if let Some(summary) = folded.get_mut(&key) {
            summary.see(&sample);
        }
    }
    Ok(())
}

/// What there is of this time, or what goes on from the time before.
async fn begun(
    transaction: &mut Transaction,
    folded: &Folded,
    (is_hour, agent, begin): (bool, i64, u64),
) -> Result<Summary, StoreError> {
    let tier = tier(is_hour);
    let earliest = begin.saturating_sub(NEIGHBOURS * tier.us());
    // The one before may be about to be written.
    let here = folded.range((is_hour, agent, earliest)..(is_hour, agent, begin)).next_back();
    let mut query = Sql::new("SELECT at_us, detail FROM ");
    query
        .push(tier.table())
        .push(" WHERE agent = ")
        .push_bind(agent)
        .push(" AND at_us >= ")
        .push_bind(signed(earliest));
    query.push(" AND at_us <= ").push_bind(signed(begin)).push(" ORDER BY at_us DESC LIMIT 1");
    let row = query.fetch_optional(transaction).await?;
    let there = row.map(|row| Ok::<_, StoreError>((row.get::<i64>(0)?, decoded(&row, 1)?))).transpose()?;
    Ok(match (there, here) {
        (Some((at_us, summary)), _) if unsigned(at_us) == begin => summary,
        (Some((at_us, summary)), Some(((_, _, other), _))) if unsigned(at_us) > *other => Summary::after(&summary),
        (_, Some((_, summary))) => Summary::after(summary),
        (Some((_, summary)), None) => Summary::after(&summary),
        (None, None) => Summary::default(),
    })
}

pub(super) fn decoded(row: &Row, column: usize) -> Result<Summary, StoreError> {
    let bytes: &[u8] = row.get(column)?;
    Summary::decode(bytes).map_err(|_| StoreError::Damaged("a summary of metrics"))
}

async fn write(
    transaction: &mut Transaction,
    tier: Tier,
    (agent, at_us): (i64, u64),
    summary: &Summary,
    now_us: u64,
) -> Result<(), StoreError> {
    let table = tier.table();
    let delete = Sql::new(format!("DELETE FROM {table} WHERE at_us = $1 AND agent = $2"));
    delete.bind(signed(at_us)).bind(agent).execute(&mut *transaction).await?;
    let detail = summary.encode_to_vec();
    let text = format!("INSERT INTO {table} (received_us, bytes, agent, at_us, detail) VALUES ($1, $2, $3, $4, $5)");
    let insert = Sql::new(text).bind(signed(now_us)).bind(signed(ROW + detail.len() as u64)).bind(agent);
    insert.bind(signed(at_us)).bind(detail).execute(transaction).await?;
    Ok(())
}
