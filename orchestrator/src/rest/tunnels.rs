//! `/api/v1/tunnels`: what agents carried without looking into it, and tunnels that came to nothing.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_proto::v1::PassedTunnel;

use super::{
    List,
    input::{Paging, Params},
    newest,
    problem::Problem,
    some,
};
use crate::{
    clock::rfc3339,
    orchestrator::Orchestrator,
    store::{Listed, TUNNELS},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Id of an agent; by default all
    #[param(value_type = Option<String>, format = "uuid")]
    agent: Option<Uuid>,
    /// Host of the target, without its port
    host: Option<String>,
    /// 1 to 500, by default 100
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// One tunnel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TunnelItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    started: String,
    duration_us: u64,
    /// Of the client's connection, where that is recorded.
    #[schema(value_type = Option<String>, format = "uuid")]
    connection: Option<Uuid>,
    /// Address of the client.
    client: String,
    entry: String,
    user: Option<String>,
    /// `HOST:PORT`, as the client asked for it.
    target: String,
    /// In the client's TLS, as far as the agent saw it.
    server_name: Option<String>,
    upstream_address: Option<String>,
    /// Why nobody looked inside: pass-through (the operator's list), filter, off (interception is), protocol (neither TLS nor
    /// HTTP) or nested-tls; null where the tunnel came to nothing before.
    uninspected: Option<String>,
    /// ended, broken, idle, silent (the client said nothing), refused, unreachable, tls-failed or cut-off (the agent stopped, or the client left at once)
    outcome: String,
    error: Option<String>,
    from_client_bytes: u64,
    to_client_bytes: u64,
}

/// Tunnels that have ended, the last that came first.
#[utoipa::path(get, path = "/api/v1/tunnels", operation_id = "listTunnels", tag = "tunnels", params(Which), responses(
    (status = 200, body = List<TunnelItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Which { agent, host, limit, cursor }): Params<Which>,
) -> Result<Json<List<TunnelItem>>, Problem> {
    let host = host.map(|host| host.to_ascii_lowercase());
    newest(&orchestrator, &TUNNELS, (agent, host.as_deref()), &Paging { limit, cursor }, item).await
}

fn item(Listed { agent, agent_name, id, message, .. }: Listed<PassedTunnel>) -> TunnelItem {
    TunnelItem {
        id,
        agent,
        agent_name,
        started: rfc3339(message.started_us),
        duration_us: message.duration_us,
        connection: Uuid::from_slice(&message.connection).ok(),
        client: message.client_address,
        entry: message.entry,
        user: some(message.user),
        target: message.target,
        server_name: some(message.server_name),
        upstream_address: some(message.upstream_address),
        uninspected: some(message.uninspected),
        outcome: message.outcome,
        error: some(message.error),
        from_client_bytes: message.from_client_bytes,
        to_client_bytes: message.to_client_bytes,
    }
}
