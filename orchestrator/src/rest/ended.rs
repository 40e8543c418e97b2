//! `/api/v1/connections/ended`: connections of clients that have ended, as they were recorded.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_proto::v1::ClientConnection;

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
    store::{CONNECTIONS, Listed},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Id of an agent; by default all
    #[param(value_type = Option<String>, format = "uuid")]
    agent: Option<Uuid>,
    /// Address of a client, without its port
    client: Option<String>,
    /// 1 to 500, by default 100
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// A connection that has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndedItem {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    agent_name: String,
    started: String,
    duration_us: u64,
    /// Address of the client.
    client: String,
    entry: String,
    user: Option<String>,
    tunnel_target: Option<String>,
    server_name: Option<String>,
    intercepted: bool,
    /// Of the TLS that ended at the agent.
    tls: Option<Agreed>,
    /// From the client, of its socket, TLS included.
    received_bytes: u64,
    /// To the client.
    sent_bytes: u64,
    exchanges: u64,
    tunnels: u64,
}

/// What a client and the agent agreed on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Agreed {
    /// `TLS 1.3` or `TLS 1.2`
    version: String,
    /// As IANA names it, such as `TLS_AES_256_GCM_SHA384`.
    cipher_suite: String,
    /// `h2`, `http/1.1` or the like.
    alpn: Option<String>,
}

impl Agreed {
    /// None where there was no TLS.
    pub(super) fn of(version: String, cipher_suite: String, alpn: String) -> Option<Self> {
        let alpn = (!alpn.is_empty()).then_some(alpn);
        (!version.is_empty()).then_some(Agreed { version, cipher_suite, alpn })
    }
}

/// Connections of clients that have ended, the last that came first.
#[utoipa::path(get, path = "/api/v1/connections/ended", operation_id = "listEndedConnections", tag = "connections", params(Which), responses(
    (status = 200, body = List<EndedItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Which { agent, client, limit, cursor }): Params<Which>,
) -> Result<Json<List<EndedItem>>, Problem> {
    newest(&orchestrator, &CONNECTIONS, (agent, client.as_deref()), &Paging { limit, cursor }, item).await
}

fn item(Listed { agent, agent_name, id, message, .. }: Listed<ClientConnection>) -> EndedItem {
    EndedItem {
        id,
        agent,
        agent_name,
        started: rfc3339(message.started_us),
        duration_us: message.duration_us,
        client: message.client_address,
        entry: message.entry,
        user: some(message.user),
        tunnel_target: some(message.tunnel_target),
        server_name: some(message.server_name),
        intercepted: message.intercepted,
        tls: Agreed::of(message.tls_version, message.cipher_suite, message.alpn),
        received_bytes: message.received_bytes,
        sent_bytes: message.sent_bytes,
        exchanges: message.exchanges,
        tunnels: message.tunnels,
    }
}
