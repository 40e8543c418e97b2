//! System metrics of agents over time.

use futures_util::TryStreamExt as _;
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::SystemMetrics;

use super::{
    Store, StoreError, signed,
    sql::{Row, Sql},
};

/// What a sample takes of the disk beside its message, about.
const ROW: u64 = 128;
/// Of one statement.
const TOGETHER: usize = 100;
/// Of one answer, about: an agent may say much of its machine.
const PAGE_BYTES: usize = 4 << 20;

/// One sample of one agent.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) agent: Uuid,
    /// With the time, its place in a listing.
    pub(crate) number: i64,
    pub(crate) at_us: u64,
    pub(crate) metrics: SystemMetrics,
}

impl Store {
    /// Stores samples; one that was delivered before is stored once.
    pub(crate) async fn add_metrics(
        &self,
        agent: i64,
        samples: &[SystemMetrics],
        now_us: u64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for some in samples.chunks(TOGETHER) {
            let mut insert = Sql::new("INSERT INTO system_metrics (received_us, bytes, at_us, agent, sample) VALUES ");
            for (place, sample) in some.iter().enumerate() {
                let bytes = sample.encode_to_vec();
                insert.push(if place == 0 { "(" } else { ", (" }).push_bind(signed(now_us)).push(", ");
                insert
                    .push_bind(signed(ROW + bytes.len() as u64))
                    .push(", ")
                    .push_bind(signed(sample.at_us))
                    .push(", ");
                insert.push_bind(agent).push(", ").push_bind(bytes).push(")");
            }
            insert.push(" ON CONFLICT DO NOTHING");
            insert.execute(&mut transaction).await?;
        }
        transaction.commit().await
    }

    /// Gives the newest `count` of each of these agents, one by one, the newest first.
    pub(crate) async fn newest_metrics(
        &self,
        agents: &[Uuid],
        count: usize,
        mut take: impl FnMut(Sample),
    ) -> Result<(), StoreError> {
        for some in agents.chunks(TOGETHER) {
            let mut query = Sql::new(
                "SELECT a.id, m.agent, m.at_us, m.sample FROM agents a JOIN system_metrics m ON m.agent = a.number \
                 WHERE m.at_us >= (SELECT min(n.at_us) FROM (SELECT o.at_us FROM system_metrics o WHERE o.agent = a.number \
                 ORDER BY o.at_us DESC LIMIT ",
            );
            query.push_bind(i64::try_from(count).unwrap_or(i64::MAX)).push(") n) AND a.id IN (");
            for (place, agent) in some.iter().enumerate() {
                query.push(if place == 0 { "" } else { ", " }).push_bind(*agent);
            }
            query.push(") ORDER BY m.agent, m.at_us DESC");
            let mut rows = query.fetch(&self.reads);
            while let Some(row) = rows.try_next().await? {
                take(sample(&row)?.0);
            }
        }
        Ok(())
    }

    /// Newest first, from below the place `before`; and whether there are more.
    pub(crate) async fn metrics(
        &self,
        agent: Option<Uuid>,
        before: Option<(u64, i64)>,
        limit: usize,
    ) -> Result<(Vec<Sample>, bool), StoreError> {
        let mut query = Sql::new(
            "SELECT a.id, m.agent, m.at_us, m.sample FROM system_metrics m JOIN agents a ON a.number = m.agent WHERE true",
        );
        if let Some(agent) = agent {
            query.push(" AND m.agent = (SELECT number FROM agents WHERE id = ").push_bind(agent);
            query.push(")");
        }
        if let Some((at_us, number)) = before {
            query.push(" AND (m.at_us, m.agent) < (").push_bind(signed(at_us)).push(", ").push_bind(number).push(")");
        }
        query.push(" ORDER BY m.at_us DESC, m.agent DESC LIMIT ").push_bind(signed(limit as u64 + 1));
        let mut rows = query.fetch(&self.reads);
        let (mut samples, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let (sample, size) = sample(&row)?;
            bytes += size;
            if samples.len() == limit || (bytes > PAGE_BYTES && !samples.is_empty()) {
                return Ok((samples, true));
            }
            samples.push(sample);
        }
        Ok((samples, false))
    }
}

/// With its length.
fn sample(row: &Row) -> Result<(Sample, usize), StoreError> {
    let bytes: &[u8] = row.get(3)?;
    let sample = Sample {
        agent: row.get(0)?,
        number: row.get(1)?,
        at_us: row.number(2)?,
        metrics: SystemMetrics::decode(bytes).map_err(|_| StoreError::Damaged("a metrics sample"))?,
    };
    Ok((sample, bytes.len()))
}
