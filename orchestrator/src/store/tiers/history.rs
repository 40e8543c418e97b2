//! System metrics of an agent over a time, in steps. What has not been folded yet is added from the samples, so the end of it is there
//! at once.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::SystemMetrics;

use super::{
    Summary, Tier,
    fold::{MARK, decoded},
};
use crate::store::{
    Store, StoreError, signed,
    sql::{Row, Sql},
};

/// Of one answer, in memory, about.
const MOST: usize = 16 << 20;

/// From the finest.
pub(crate) const TIERS: [Tier; 3] = [Tier::Samples, Tier::Minutes, Tier::Hours];

/// What is asked for: times in microseconds, `from` included and `to` not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    pub(crate) agent: Uuid,
    pub(crate) from_us: u64,
    pub(crate) to_us: u64,
    pub(crate) step_us: u64,
    pub(crate) tier: Tier,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) at_us: u64,
    pub(crate) summary: Summary,
}

/// Steps as they are put together.
#[derive(Default)]
struct Points {
    all: BTreeMap<u64, Summary>,
    bytes: usize,
}

/// More than is held of one answer: an agent may say much of its machine.
struct TooMuch;

impl Points {
    fn of_summary(&mut self, step: u64, summary: &Summary) -> Result<(), TooMuch> {
        self.grows(step, |_| Summary::default(), |point| point.merge(summary))
    }

    /// A step begins where the one before ended.
    fn of_sample(&mut self, step: u64, sample: &SystemMetrics) -> Result<(), TooMuch> {
        let begins = |before: Option<&Summary>| before.map_or_else(Summary::default, Summary::after);
        self.grows(step, begins, |point| point.see(sample))
    }

    fn grows(
        &mut self,
        step: u64,
        begins: impl FnOnce(Option<&Summary>) -> Summary,
        add: impl FnOnce(&mut Summary),
    ) -> Result<(), TooMuch> {
        let (mut point, before) = match self.all.remove(&step) {
            Some(there) => {
                let before = there.held();
                (there, before)
            }
            None => (begins(self.all.range(..step).next_back().map(|(_, before)| before)), 0),
        };
        add(&mut point);
        self.bytes = self.bytes.saturating_sub(before) + point.held();
        self.all.insert(step, point);
        if self.bytes > MOST { Err(TooMuch) } else { Ok(()) }
    }
}

impl Store {
    /// In order; steps of which nothing is known are left out. None where that would be too much.
    pub(crate) async fn metrics_history(&self, history: History) -> Result<Option<Vec<Point>>, StoreError> {
        let mut points = Points::default();
        let mut mark = 0;
        if history.tier != Tier::Samples {
            mark = Sql::new(MARK).fetch_one(&self.reads).await?.number(0)?;
            let mut query = Sql::new("SELECT t.at_us, t.detail FROM ");
            query.push(history.tier.table()).push(" t WHERE ");
            within(&mut query, &history);
            query.push(" ORDER BY t.at_us");
            let mut rows = query.fetch(&self.reads);
            while let Some(row) = rows.try_next().await? {
                let step = history.step(row.number(0)?);
                if let Err(TooMuch) = points.of_summary(step, &decoded(&row, 1)?) {
                    return Ok(None);
                }
            }
        }
        // Those that came behind the mark.
        let mut query = Sql::new("SELECT t.at_us, t.sample FROM system_metrics t WHERE ");
        within(&mut query, &history);
        query.push(" AND t.number > ").push_bind(signed(mark)).push(" ORDER BY t.at_us");
        let mut rows = query.fetch(&self.reads);
        while let Some(row) = rows.try_next().await? {
            let (at_us, sample) = sample(&row)?;
            if let Err(TooMuch) = points.of_sample(history.step(at_us), &sample) {
                return Ok(None);
            }
        }
        Ok(Some(points.all.into_iter().map(|(at_us, summary)| Point { at_us, summary }).collect()))
    }
}

impl History {
    /// The beginning of the step in which a time lies.
    fn step(&self, at_us: u64) -> u64 {
        at_us - at_us % self.step_us.max(1)
    }
}

fn within(query: &mut Sql, history: &History) {
    query.push("t.agent = (SELECT number FROM agents WHERE id = ").push_bind(history.agent).push(") AND t.at_us >= ");
    query.push_bind(signed(history.from_us)).push(" AND t.at_us < ").push_bind(signed(history.to_us));
}

fn sample(row: &Row) -> Result<(u64, SystemMetrics), StoreError> {
    let bytes: &[u8] = row.get(1)?;
    let sample = SystemMetrics::decode(bytes).map_err(|_| StoreError::Damaged("a metrics sample"))?;
    Ok((row.number(0)?, sample))
}
