//! An exchange as listings have it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{some, url};
use crate::{clock::rfc3339, store::Summary};

/// An exchange in a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ExchangeItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// Id of the agent that carried it.
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    /// RFC 3339 with microseconds.
    started: String,
    /// Microseconds from the first byte of the request head to the end of the response.
    duration_us: u64,
    /// Microseconds to the response head, 0 without one.
    first_byte_us: u64,
    method: String,
    scheme: String,
    authority: String,
    /// The authority without its port.
    host: String,
    /// With the query. In a listing at most 8 KiB of it.
    pub(super) path: String,
    pub(super) url: String,
    version: String,
    status: Option<u16>,
    request_bytes: u64,
    response_bytes: u64,
    content_type: String,
    /// complete, client-gone, upstream-failed, filter-answered, filter-failed, refused, upgraded or shut-down
    outcome: &'static str,
    error: Option<String>,
    /// Address of the client.
    client: String,
    /// Names of the filters it met.
    filters: Vec<String>,
    /// Of an exchange that an orchestrator had the agent send: the one that was sent again, or all zeros. Null of a client's.
    #[schema(value_type = Option<String>, format = "uuid")]
    replay_of: Option<Uuid>,
}

pub(in super::super) fn item(summary: Summary) -> ExchangeItem {
    ExchangeItem {
        id: summary.id,
        agent: summary.agent,
        agent_name: summary.agent_name,
        started: rfc3339(summary.started_us),
        duration_us: summary.duration_us,
        first_byte_us: summary.first_byte_us,
        url: url(&summary.scheme, &summary.authority, &summary.path),
        method: summary.method,
        scheme: summary.scheme,
        authority: summary.authority,
        host: summary.host,
        path: summary.path,
        version: summary.version,
        status: summary.status,
        request_bytes: summary.request_bytes,
        response_bytes: summary.response_bytes,
        content_type: summary.content_type,
        outcome: summary.outcome,
        error: some(summary.error),
        client: summary.client,
        filters: summary.filters,
        replay_of: summary.replay_of,
    }
}
