//! Exchanges as GraphQL shows them: what listings have is at hand, the rest is read when it is asked for.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use tokio::sync::OnceCell;
use weir_proto::v1;

use super::{
    agents::Agent,
    fault::Fault,
    loaders::{self, OfAgent, Whole},
    messages::{Held, RequestMessage, ResponseMessage},
    purse::Purse,
    query::may,
    times,
};
use crate::{
    access::{Area::Agents, Permission::Read},
    clock::rfc3339,
    rest::{Asker, Problem, Secrets, some, url},
    store::Summary,
};

/// A recorded exchange. Numbers of bytes are text, as they may not fit in `Int`.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct Exchange {
    id: ID,
    agent_id: ID,
    agent_name: String,
    /// RFC 3339 with microseconds.
    started: String,
    /// From the first byte of the request head to the end of the response.
    duration_ms: f64,
    /// To the response head, 0 without one.
    first_byte_ms: f64,
    method: String,
    scheme: String,
    authority: String,
    /// The authority without its port.
    host: String,
    version: String,
    status: Option<i32>,
    request_bytes: String,
    response_bytes: String,
    content_type: String,
    /// complete, client-gone, upstream-failed, filter-answered, filter-failed, refused, upgraded or shut-down
    outcome: &'static str,
    error: Option<String>,
    /// Address of the client.
    client: String,
    /// Names of the filters it met.
    filter_names: Vec<String>,
    /// In a subscription: for `after`, to go on from behind this one.
    place: Option<String>,
    #[graphql(skip)]
    summary: Summary,
    #[graphql(skip)]
    secrets: Secrets,
    #[graphql(skip)]
    whole: OnceCell<Held>,
}

/// What one filter did.
#[derive(SimpleObject)]
pub(super) struct Receipt {
    name: String,
    version: String,
    digest: String,
    /// next, responded, aborted, failed or skipped
    verdict: String,
    error: Option<String>,
    changed: bool,
    /// request-head, response-head, request-body, response-body, request-trailers, response-trailers or messages
    changes: Vec<String>,
    /// What its guest took, all its hooks together, microseconds.
    took_us: Option<f64>,
}

/// What a filter, or somebody, said of an exchange.
#[derive(SimpleObject)]
pub(super) struct Tag {
    /// FILTER.NAME, or a NAME that people gave
    name: String,
    value: String,
}

/// How the client came in.
#[derive(SimpleObject)]
pub(super) struct Connection {
    client_address: String,
    entry: String,
    user: Option<String>,
    tunnel_target: Option<String>,
    server_name: Option<String>,
    intercepted: bool,
}

#[ComplexObject]
impl Exchange {
    /// With the query; at most 8 KiB of it. `request { url }` has it whole.
    async fn path(&self) -> &str {
        &self.summary.path
    }

    async fn url(&self) -> String {
        url(&self.summary.scheme, &self.summary.authority, &self.summary.path)
    }

    /// The agent that carried it; null for imported exchanges.
    async fn agent(&self, context: &Context<'_>) -> Result<Option<Agent>> {
        may(context, Read, Agents)?;
        let row = loaders::of(context).load_one(OfAgent(self.summary.agent)).await?;
        let row = row.filter(|row| row.agent.id != crate::store::IMPORT_AGENT);
        Ok(row.map(|row| Agent::of(context.data_unchecked(), row)))
    }

    async fn connection(&self, context: &Context<'_>) -> Result<Option<Connection>> {
        let connection = self.held(context).await?.connection.clone();
        Ok(connection.map(|connection| Connection {
            client_address: connection.client_address,
            entry: connection.entry,
            user: some(connection.user),
            tunnel_target: some(connection.tunnel_target),
            server_name: some(connection.server_name),
            intercepted: connection.intercepted,
        }))
    }

    /// As the client sent it.
    async fn request(&self, context: &Context<'_>) -> Result<Option<RequestMessage>> {
        let held = self.held(context).await?;
        Ok(held.request.clone().map(|request| RequestMessage::of(held, request)))
    }

    /// As the upstream got it, where a filter changed it.
    async fn filtered_request(&self, context: &Context<'_>) -> Result<Option<RequestMessage>> {
        let held = self.held(context).await?;
        Ok(held.filtered_request.clone().map(|request| RequestMessage::of(held, request)))
    }

    /// As the client got it.
    async fn response(&self, context: &Context<'_>) -> Result<Option<ResponseMessage>> {
        let held = self.held(context).await?;
        Ok(held.response.clone().map(|response| ResponseMessage::of(held, response)))
    }

    /// As the upstream sent it, where a filter changed it.
    async fn original_response(&self, context: &Context<'_>) -> Result<Option<ResponseMessage>> {
        let held = self.held(context).await?;
        Ok(held.original_response.clone().map(|response| ResponseMessage::of(held, response)))
    }

    async fn upstream_address(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(some(self.held(context).await?.upstream_address.clone()))
    }

    /// What each filter did.
    #[graphql(complexity = "times(10, child_complexity)")]
    async fn receipts(&self, context: &Context<'_>) -> Result<Vec<Receipt>> {
        let held = self.held(context).await?;
        let receipt = |receipt: &v1::Receipt| Receipt {
            name: receipt.name.clone(),
            version: receipt.version.to_string(),
            digest: receipt.digest.clone(),
            verdict: receipt.verdict.clone(),
            error: some(receipt.error.clone()),
            changed: receipt.changed,
            changes: receipt.changes.clone(),
            took_us: (receipt.took_ns != 0).then_some(receipt.took_ns as f64 / 1000.0),
        };
        Ok(held.filters.iter().map(receipt).collect())
    }

    /// What people wrote about it.
    async fn note(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(some(self.held(context).await?.note.clone()))
    }

    /// What filters said of it, and people: theirs have no dot.
    #[graphql(complexity = "times(10, child_complexity)")]
    async fn tags(&self, context: &Context<'_>) -> Result<Vec<Tag>> {
        use v1::tag::Value;
        let held = self.held(context).await?;
        let tag = |tag: &v1::Tag| Tag {
            name: tag.name.clone(),
            value: match &tag.value {
                Some(Value::Text(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Flag(flag)) => flag.to_string(),
                None => String::new(),
            },
        };
        Ok(held.tags.iter().map(tag).collect())
    }
}

impl Exchange {
    /// One of those that one answer has.
    pub(super) fn of(summary: Summary, secrets: Secrets) -> Self {
        let Summary { id, agent, started_us, .. } = summary;
        let ms = |us: u64| us as f64 / 1000.0;
        Self {
            id: id.into(),
            agent_id: agent.into(),
            agent_name: summary.agent_name.clone(),
            started: rfc3339(started_us),
            duration_ms: ms(summary.duration_us),
            first_byte_ms: ms(summary.first_byte_us),
            method: summary.method.clone(),
            scheme: summary.scheme.clone(),
            authority: summary.authority.clone(),
            host: summary.host.clone(),
            version: summary.version.clone(),
            status: summary.status.map(i32::from),
            request_bytes: summary.request_bytes.to_string(),
            response_bytes: summary.response_bytes.to_string(),
            content_type: summary.content_type.clone(),
            outcome: summary.outcome,
            error: some(summary.error.clone()),
            client: summary.client.clone(),
            filter_names: summary.filters.clone(),
            place: None,
            summary,
            secrets,
            whole: OnceCell::new(),
        }
    }

    /// One that was told, with its place among those that are.
    pub(super) fn told(summary: Summary, place: String) -> Self {
        Self { place: Some(place), ..Self::of(summary, Secrets::Hidden) }
    }

    /// All of it, read once.
    async fn held(&self, context: &Context<'_>) -> Result<Held, Fault> {
        let read = async || {
            let purse = context.data_unchecked::<Arc<Purse>>();
            purse.turn(context.data_unchecked(), context.data_unchecked::<Asker>().name()).await?;
            let exchange = loaders::of(context).load_one(Whole(self.summary.id)).await?.transpose()?;
            let gone = || Problem::not_found("the exchange was deleted meanwhile");
            let (secrets, purse) = (self.secrets, Arc::clone(purse));
            Ok::<_, Fault>(Held { exchange: exchange.ok_or_else(gone)?, secrets, purse })
        };
        self.whole.get_or_try_init(read).await.cloned()
    }
}
