//! System metrics of agents over time.

use prost::Message as _;
use sqlx::{QueryBuilder, Row as _, Sqlite};
use uuid::Uuid;
use weir_proto::v1::SystemMetrics;

use super::{Store, StoreError, signed, unsigned};

/// What a sample takes of the disk beside its message, about.
const ROW: u64 = 128;

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
        for sample in samples {
            let bytes = sample.encode_to_vec();
            let insert = "INSERT OR IGNORE INTO system_metrics (received_us, bytes, at_us, agent, sample) \
                          VALUES (?, ?, ?, ?, ?)";
            sqlx::query(insert)
                .bind(signed(now_us))
                .bind(signed(ROW + bytes.len() as u64))
                .bind(signed(sample.at_us))
                .bind(agent)
                .bind(bytes)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Newest first, from below the place `before`.
    pub(crate) async fn metrics(
        &self,
        agent: Option<Uuid>,
        before: Option<(u64, i64)>,
        limit: i64,
    ) -> Result<Vec<Sample>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT a.id, m.agent, m.at_us, m.sample FROM system_metrics m JOIN agents a ON a.number = m.agent WHERE 1",
        );
        if let Some(agent) = agent {
            query.push(" AND m.agent = (SELECT number FROM agents WHERE id = ").push_bind(agent.into_bytes().to_vec());
            query.push(")");
        }
        if let Some((at_us, number)) = before {
            query.push(" AND (m.at_us, m.agent) < (").push_bind(signed(at_us)).push(", ").push_bind(number).push(")");
        }
        query.push(" ORDER BY m.at_us DESC, m.agent DESC LIMIT ").push_bind(limit);
        let rows = query.build().fetch_all(&self.reads).await?;
        let sample = |row: &sqlx::sqlite::SqliteRow| {
            let id: Vec<u8> = row.try_get(0)?;
            let bytes: Vec<u8> = row.try_get(3)?;
            Ok(Sample {
                agent: Uuid::from_slice(&id).map_err(|_| StoreError::Damaged("an agent's id"))?,
                number: row.try_get(1)?,
                at_us: unsigned(row.try_get(2)?),
                metrics: SystemMetrics::decode(&bytes[..]).map_err(|_| StoreError::Damaged("a metrics sample"))?,
            })
        };
        rows.iter().map(sample).collect()
    }
}
