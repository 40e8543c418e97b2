//! What can be asked. Each field says what it asks of whoever asks, as each route of REST does.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use uuid::Uuid;

use super::{
    ALL, ONE, SEARCH,
    agents::Agent,
    exchanges::Exchange,
    fault::Fault,
    filters::Filter,
    loaders::{self, Newest, OfAgent},
    metrics::SystemMetrics,
    purse::Purse,
    times,
};
use crate::{
    access::{
        Area::{self, Agents, Filters, Metrics, Traffic},
        Permission::{self, Read},
    },
    clock::rfc3339,
    orchestrator::Orchestrator,
    rest::{Asker, Place, Problem, Secrets},
    store::{AgentRow, IMPORT_AGENT, Summary},
};

/// Agents in one answer.
const MOST_AGENTS: i32 = 1_000;
/// Exchanges in one answer.
const MOST_EXCHANGES: i32 = 100;

pub(super) struct Query;

/// Exchanges, and where to go on (GraphQL Cursor Connections).
#[derive(SimpleObject)]
pub(super) struct ExchangeConnection {
    edges: Vec<ExchangeEdge>,
    page_info: PageInfo,
    /// The time back to which was searched; null when that is all there is.
    searched_to: Option<String>,
}

#[derive(SimpleObject)]
pub(super) struct ExchangeEdge {
    cursor: String,
    node: Exchange,
}

#[derive(SimpleObject)]
pub(super) struct PageInfo {
    has_next_page: bool,
    has_previous_page: bool,
    start_cursor: Option<String>,
    /// For `after`, to go on; the search may have stopped beyond the last edge, for the time it took.
    end_cursor: Option<String>,
}

#[Object]
impl Query {
    /// Agents in the order in which they joined: the first so many, 1 to 1,000, behind one.
    #[graphql(complexity = "ALL + times(first, child_complexity)")]
    async fn agents(
        &self,
        context: &Context<'_>,
        #[graphql(default = 100)] first: i32,
        after: Option<ID>,
    ) -> Result<Vec<Agent>> {
        may(context, Read, Agents)?;
        let first = within(first, "first", MOST_AGENTS)?;
        let after = after.map(|id| parsed(&id)).transpose()?;
        let mut rows = all(context).await?;
        if let Some(after) = after {
            let place = rows.iter().position(|row| row.agent.id == after);
            let place = place.ok_or_else(|| Fault::from(no_agent(after)))?;
            rows.drain(..=place);
        }
        rows.truncate(first);
        Ok(rows.into_iter().map(|row| Agent::of(orchestrator(context), row)).collect())
    }

    #[graphql(complexity = "ONE + child_complexity")]
    async fn agent(&self, context: &Context<'_>, id: ID) -> Result<Option<Agent>> {
        may(context, Read, Agents)?;
        let row = loaders::of(context).load_one(OfAgent(parsed(&id)?)).await?;
        let row = row.filter(|row| row.agent.id != IMPORT_AGENT);
        Ok(row.map(|row| Agent::of(orchestrator(context), row)))
    }

    /// The newest look at the machine of an agent.
    #[graphql(complexity = "ONE + child_complexity")]
    async fn system_metrics(&self, context: &Context<'_>, agent_id: ID) -> Result<Option<SystemMetrics>> {
        may(context, Read, Metrics)?;
        let agent = parsed(&agent_id)?;
        if orchestrator(context).store.agent(agent).await.map_err(Fault::from)?.is_none() {
            return Err(Fault::from(no_agent(agent)).into());
        }
        let found = loaders::of(context).load_one(Newest { agent, count: 1 }).await?;
        Ok(found.unwrap_or_default().into_iter().next())
    }

    /// The newest look at the machine of each agent that ever sent one.
    #[graphql(complexity = "ALL + times(100, child_complexity)")]
    async fn all_agents_metrics(&self, context: &Context<'_>) -> Result<Vec<SystemMetrics>> {
        may(context, Read, Metrics)?;
        let rows = all(context).await?;
        let keys: Vec<Newest> = rows.iter().map(|row| Newest { agent: row.agent.id, count: 1 }).collect();
        let mut found = loaders::of(context).load_many(keys.clone()).await?;
        Ok(keys.iter().filter_map(|key| found.remove(key)?.into_iter().next()).collect())
    }

    /// Recorded exchanges that fit a query (docs/query.md), newest first: so many, 1 to 100, from behind a cursor.
    #[graphql(complexity = "SEARCH + times(first, child_complexity)")]
    async fn exchanges(
        &self,
        context: &Context<'_>,
        #[graphql(default = "")] query: String,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<ExchangeConnection> {
        let asker = may(context, Read, Traffic)?;
        let query = asker.query(&query).map_err(Fault::from)?;
        let first = within(first, "first", MOST_EXCHANGES)?;
        let after = after.as_deref().map(Place::read).transpose().map_err(Fault::from)?;
        let before = after.map(|place| Uuid::from_bytes(place.0));
        let purse = context.data_unchecked::<Arc<Purse>>();
        let _turn = purse.search().await;
        let _seat = asker.searches(orchestrator(context), &query).map_err(Fault::from)?;
        let page = orchestrator(context).store.exchanges(&query, before, first).await.map_err(Fault::from)?;
        let bytes = |summary: &Summary| summary.path.len() + summary.authority.len() + summary.error.len();
        purse.spend(page.items.iter().map(bytes).sum())?;
        if page.unread.count > 0 {
            context.add_error(Fault::from(Problem::unread(&page.unread)).of_request());
        }
        let cursor = |id: Uuid| Place(id.into_bytes()).to_string();
        let edge = |summary: Summary| ExchangeEdge {
            cursor: cursor(summary.id),
            node: Exchange::of(summary, Secrets::Hidden),
        };
        let edges: Vec<ExchangeEdge> = page.items.into_iter().map(edge).collect();
        let end = page.next.map(cursor).or_else(|| edges.last().map(|edge| edge.cursor.clone()));
        Ok(ExchangeConnection {
            page_info: PageInfo {
                has_next_page: page.next.is_some(),
                has_previous_page: before.is_some(),
                start_cursor: edges.first().map(|edge| edge.cursor.clone()),
                end_cursor: end,
            },
            searched_to: page.next.map(time_of),
            edges,
        })
    }

    /// One exchange. `reveal` shows what is hidden otherwise, to whom that is allowed, and leaves an entry in the audit trail.
    #[graphql(complexity = "looked_at(reveal) + child_complexity")]
    async fn exchange(
        &self,
        context: &Context<'_>,
        id: ID,
        #[graphql(default = false)] reveal: bool,
    ) -> Result<Option<Exchange>> {
        let asker = may(context, Read, Traffic)?;
        let id = parsed(&id)?;
        let asker = asker.about(format!("/graphql exchange {id}"));
        let secrets = Secrets::asked(orchestrator(context), &asker, Some(reveal)).await.map_err(Fault::from)?;
        let found = orchestrator(context).store.summary(id).await.map_err(Fault::from)?;
        Ok(found.map(|summary| Exchange::of(summary, secrets)))
    }

    /// Filters of every group, or of one, by name.
    #[graphql(complexity = "ALL + times(100, child_complexity)")]
    async fn filters(&self, context: &Context<'_>, group: Option<String>) -> Result<Vec<Filter>> {
        may(context, Read, Filters)?;
        let group = group.map(|group| group.parse()).transpose();
        let group = group.map_err(|error| Fault::from(Problem::bad_request(format!("group: {error}"))))?;
        let rows = orchestrator(context).store.filters(group.as_ref(), None).await.map_err(Fault::from)?;
        Ok(rows.into_iter().map(Filter::from).collect())
    }
}

/// What is written in the audit trail is dear.
fn looked_at(reveal: bool) -> usize {
    if reveal { SEARCH } else { ONE }
}

/// Whoever asks, if their role may and their credential is for this area.
pub(super) fn may<'a>(context: &Context<'a>, permission: Permission, area: Area) -> Result<&'a Asker> {
    let asker = context.data_unchecked::<Asker>();
    asker.may(permission, area).map_err(Fault::from)?;
    Ok(asker)
}

pub(super) fn orchestrator<'a>(context: &Context<'a>) -> &'a Arc<Orchestrator> {
    context.data_unchecked()
}

pub(super) fn parsed(id: &ID) -> Result<Uuid, Fault> {
    let fault = || Problem::bad_request("an id is a UUID, such as 0199aa3c-7b1e-7c3a-9f00-0123456789ab").into();
    Uuid::try_parse(id).map_err(|_| fault())
}

pub(super) fn no_agent(id: Uuid) -> Problem {
    Problem::not_found(format!("there is no agent {id}"))
}

async fn all(context: &Context<'_>) -> Result<Vec<AgentRow>, Fault> {
    let rows = orchestrator(context).store.agents().await?;
    Ok(rows.into_iter().filter(|row| row.agent.id != IMPORT_AGENT).collect())
}

fn within(count: i32, name: &str, most: i32) -> Result<usize, Fault> {
    let count = usize::try_from(count).ok().filter(|_| (1..=most).contains(&count));
    count.ok_or_else(|| Problem::bad_request(format!("{name} has to be 1 to {most}")).into())
}

/// The time in an id is that of the order.
fn time_of(id: Uuid) -> String {
    u64::try_from(id.as_u128() >> 80).map_or_else(|_| String::new(), |ms| rfc3339(ms * 1000))
}
