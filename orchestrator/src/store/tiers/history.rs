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

impl Store {
    /// In order; steps of which nothing is known are left out.
    pub(crate) async fn metrics_history(&self, history: History) -> Result<Vec<Point>, StoreError> {
        let mut points: BTreeMap<u64, Summary> = BTreeMap::new();
        if history.tier == Tier::Samples {
            self.samples(&mut points, &history, 0).await?;
        } else {
            let mark = Sql::new(MARK).fetch_one(&self.reads).await?.number(0)?;
            let mut query = Sql::new("SELECT t.at_us, t.detail FROM ");
            query.push(history.tier.table()).push(" t WHERE ");
            within(&mut query, &history);
            query.push(" ORDER BY t.at_us");
            let mut rows = query.fetch(&self.reads);
            while let Some(row) = rows.try_next().await? {
                let summary = decoded(&row, 1)?;
                points.entry(history.step(row.number(0)?)).or_default().merge(&summary);
            }
            drop(rows);
            self.samples(&mut points, &history, mark).await?;
        }
        Ok(points.into_iter().map(|(at_us, summary)| Point { at_us, summary }).collect())
    }

    /// Those that came behind the mark.
    async fn samples(
        &self,
        points: &mut BTreeMap<u64, Summary>,
        history: &History,
        mark: u64,
    ) -> Result<(), StoreError> {
        let mut query = Sql::new("SELECT t.at_us, t.sample FROM system_metrics t WHERE ");
        within(&mut query, history);
        query.push(" AND t.number > ").push_bind(signed(mark)).push(" ORDER BY t.at_us");
        let mut rows = query.fetch(&self.reads);
        while let Some(row) = rows.try_next().await? {
            let (at_us, sample) = sample(&row)?;
            let step = history.step(at_us);
            if !points.contains_key(&step) {
                let before = points.range(..step).next_back();
                let begun = before.map_or_else(Summary::default, |(_, before)| Summary::after(before));
                points.insert(step, begun);
            }
            if let Some(summary) = points.get_mut(&step) {
                summary.see(&sample);
            }
        }
        Ok(())
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
