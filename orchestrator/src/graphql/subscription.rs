//! What can be followed. Each answer is made when there is something to tell, from the store: whoever reads slowly is behind,
//! and nothing is kept for them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_graphql::{Context, ID, Result, Subscription as Root};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    exchanges::Exchange,
    fault::Fault,
    metrics::{SystemMetrics, Telling},
    operation::Beginning,
    query::{may, no_agent, orchestrator, parsed},
};
use crate::{
    access::{
        Area::{Metrics, Traffic},
        Permission::Read,
    },
    events::{Heard, Place as Behind},
    orchestrator::Orchestrator,
    rest::Place,
    store::{Arrival, StoreError},
    tail::Tail,
};

/// Looks that come within this time are read together.
const TOGETHER: Duration = Duration::from_millis(20);

pub(super) struct Subscription;

#[Root]
impl Subscription {
    /// The newest look at the machine of an agent, or of each, whenever there is one.
    async fn system_metrics_updated(
        &self,
        context: &Context<'_>,
        agent_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<SystemMetrics>>> {
        may(context, Read, Metrics)?;
        let orchestrator = Arc::clone(orchestrator(context));
        let agent = agent_id.map(|id| parsed(&id)).transpose()?;
        if let Some(agent) = agent
            && orchestrator.store.agent(agent).await.map_err(Fault::from)?.is_none()
        {
            return Err(Fault::from(no_agent(agent)).into());
        }
        let at = orchestrator.events.looks(None).place();
        let looks = Looks { orchestrator, agent, at };
        begun(context);
        let pages = stream::unfold(looks, async |mut looks| Some((looks.next().await, looks)));
        Ok(pages.flat_map(|page| stream::iter(told(page))))
    }

    /// Recorded exchanges that fit a query (docs/query.md), as they come; `after` is the `place` of one, to go on from behind it.
    async fn exchange_recorded(
        &self,
        context: &Context<'_>,
        #[graphql(default = "")] query: String,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Exchange>>> {
        let query = may(context, Read, Traffic)?.query(&query).map_err(Fault::from)?;
        let after = after.as_deref().map(Place::read).transpose().map_err(Fault::from)?;
        let tail = Tail::open(orchestrator(context), query, after.map(Place::number)).await.map_err(Fault::from)?;
        begun(context);
        let pages = stream::unfold(tail, async |mut tail| {
            let page = tail.next().await;
            let exchange = |Arrival { number, summary }| Exchange::told(summary, Place::from(number).to_string());
            Some((page.map(|page| page.items.into_iter().map(exchange).collect()), tail))
        });
        Ok(pages.flat_map(|page| stream::iter(told(page))))
    }
}

/// Whatever comes from now on is told.
fn begun(context: &Context<'_>) {
    if let Some(beginning) = context.data_opt::<Beginning>() {
        beginning.is_over();
    }
}

/// What one look gave, one by one.
fn told<T>(page: Result<Vec<T>, StoreError>) -> Vec<Result<T>> {
    match page {
        Ok(items) => items.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(Fault::from(error).into())],
    }
}

/// Somebody who wants to know of each look.
struct Looks {
    orchestrator: Arc<Orchestrator>,
    agent: Option<Uuid>,
    at: Behind,
}

impl Looks {
    /// Of each agent whose machine was looked at since, the newest.
    async fn next(&mut self) -> Result<Vec<SystemMetrics>, StoreError> {
        let agents = self.agents().await;
        let mut telling = Telling::new(1);
        self.orchestrator.store.newest_metrics(&agents, 2, |sample| telling.take(sample)).await?;
        Ok(telling.told().into_values().flatten().collect())
    }

    async fn agents(&mut self) -> Vec<Uuid> {
        let mut follower = self.orchestrator.events.looks(Some(self.at));
        let mut agents = HashSet::new();
        while agents.is_empty() {
            let first = follower.next().await;
            sleep(TOGETHER).await;
            let rest = std::iter::from_fn(|| follower.next().now_or_never());
            for heard in std::iter::once(first).chain(rest) {
                // What was missed is followed by what is newer.
                if let Heard::Item(told) = heard
                    && self.agent.is_none_or(|agent| agent == told.item)
                {
                    agents.insert(told.item);
                }
            }
        }
        self.at = follower.place();
        agents.into_iter().collect()
    }
}
