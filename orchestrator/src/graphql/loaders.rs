//! What several parts of a question ask for, asked of the database at once: as many agents or exchanges as there are in an
//! answer, the statements are as many as there are kinds of things.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context, Data,
    dataloader::{DataLoader, Loader},
};
use uuid::Uuid;
use weir_proto::v1::Exchange;

use super::{
    fault::Fault,
    metrics::{SystemMetrics, Telling},
    purse::Purse,
};
use crate::{
    orchestrator::Orchestrator,
    store::{AgentRow, Outcome, StoreError},
};

/// Samples that are read at a time.
const SAMPLES: usize = 5_000;
/// Of one in memory, bytes; more or less.
const SAMPLE: usize = 768;

/// Asks for one answer.
pub(super) struct Loaders {
    orchestrator: Arc<Orchestrator>,
    purse: Arc<Purse>,
}

/// The newest samples of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Newest {
    pub(super) agent: Uuid,
    pub(super) count: usize,
}

/// An agent by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OfAgent(pub(super) Uuid);

/// What an agent, by number, said of its filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OutcomesOf(pub(super) i64);

/// What asks for an answer, and what it may carry.
pub(super) fn put(data: &mut Data, orchestrator: &Arc<Orchestrator>, purse: Arc<Purse>) {
    let loaders = Loaders { orchestrator: Arc::clone(orchestrator), purse: Arc::clone(&purse) };
    data.insert(purse);
    data.insert(DataLoader::new(loaders, tokio::spawn));
}

pub(super) fn of<'a>(context: &Context<'a>) -> &'a DataLoader<Loaders> {
    context.data_unchecked()
}

impl Loader<Newest> for Loaders {
    type Value = Vec<SystemMetrics>;
    type Error = Fault;

    async fn load(&self, keys: &[Newest]) -> Result<HashMap<Newest, Self::Value>, Fault> {
        let mut by_count: HashMap<usize, Vec<Uuid>> = HashMap::new();
        for Newest { agent, count } in keys {
            by_count.entry(*count).or_default().push(*agent);
        }
        let mut found = HashMap::new();
        for (count, agents) in by_count {
            // A rate takes the sample before.
            for some in agents.chunks((SAMPLES / (count + 1)).max(1)) {
                let mut telling = Telling::new(count);
                self.orchestrator.store.newest_metrics(some, count + 1, |sample| telling.take(sample)).await?;
                for (agent, metrics) in telling.told() {
                    self.purse.spend(metrics.len() * SAMPLE)?;
                    found.insert(Newest { agent, count }, metrics);
                }
            }
        }
        Ok(found)
    }
}

impl Loader<OfAgent> for Loaders {
    type Value = AgentRow;
    type Error = Fault;

    async fn load(&self, keys: &[OfAgent]) -> Result<HashMap<OfAgent, AgentRow>, Fault> {
        let all = self.orchestrator.store.agents().await?.into_iter().map(|row| (OfAgent(row.agent.id), row));
        Ok(all.filter(|(id, _)| keys.contains(id)).collect())
    }
}

impl Loader<OutcomesOf> for Loaders {
    type Value = Vec<Outcome>;
    type Error = Fault;

    async fn load(&self, keys: &[OutcomesOf]) -> Result<HashMap<OutcomesOf, Vec<Outcome>>, Fault> {
        let mut found: HashMap<OutcomesOf, Vec<Outcome>> = keys.iter().map(|key| (*key, Vec::new())).collect();
        for (agent, outcome) in self.orchestrator.store.outcomes().await? {
            if let Some(all) = found.get_mut(&OutcomesOf(agent)) {
                all.push(outcome);
            }
        }
        Ok(found)
    }
}

/// A recorded exchange by its id, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Whole(pub(super) Uuid);

impl Loader<Whole> for Loaders {
    /// What is wrong with one says nothing of the others.
    type Value = Result<Arc<Exchange>, Fault>;
    type Error = Fault;

    async fn load(&self, keys: &[Whole]) -> Result<HashMap<Whole, Self::Value>, Fault> {
        let ids: Vec<Uuid> = keys.iter().map(|Whole(id)| *id).collect();
        let mut found = HashMap::new();
        let take = |id: Uuid, read: Result<(Exchange, usize), StoreError>| {
            let exchange = match read {
                Ok((exchange, bytes)) => {
                    self.purse.spend(bytes)?;
                    Ok(Arc::new(exchange))
                }
                Err(error) => Err(Fault::from(error)),
            };
            found.insert(Whole(id), exchange);
            Ok::<(), Fault>(())
        };
        self.orchestrator.store.exchanges_whole(&ids, take).await?;
        Ok(found)
    }
}
