//! A client's connection to an agent, as people are told of it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_proto::v1::LiveConnection;

use super::super::{ended::Agreed, some};
use crate::{clock::rfc3339, store::AgentRow};

/// A client's connection to an agent.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ConnectionItem {
    #[schema(value_type = String, format = "uuid")]
    pub(in super::super) id: Uuid,
    #[schema(value_type = String, format = "uuid")]
    pub(in super::super) agent: Uuid,
    pub(in super::super) agent_name: String,
    /// Address of the client.
    pub(in super::super) client: String,
    since: String,
    /// How the client reached the agent: `forward`, `connect`, `socks5`, `transparent` or `reverse`. Null of an agent that is too old
    /// to say.
    entry: Option<String>,
    /// What it is at: `detecting` what the client speaks, `tls-handshake`, `http1`, `http2`, `dialing` the target of a tunnel, `tunnel`
    /// into which nobody looks, `websocket`, or `upgraded` to another protocol.
    stage: Option<String>,
    /// Who the client proved to be.
    user: Option<String>,
    /// Where its tunnel leads, or else where its last exchange wanted to go.
    target: Option<String>,
    tunnel_target: Option<String>,
    /// That the client's TLS asked for.
    server_name: Option<String>,
    intercepted: bool,
    /// Of the TLS that ended at the agent.
    tls: Option<Agreed>,
    /// Who is at the other end of its tunnel, or has answered its last exchange.
    upstream: Option<Reached>,
    exchanges: u64,
    /// Of these, those that go on.
    exchanges_active: u64,
    tunnels: u64,
    /// From the client, of its socket, TLS included.
    received_bytes: u64,
    /// To the client.
    sent_bytes: u64,
}

/// The other side of a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Reached {
    address: String,
    /// `TLS 1.3` or `TLS 1.2`, of TLS that begins at the agent.
    tls_version: Option<String>,
    /// What was agreed on there: `h2`, `http/1.1` or the like.
    alpn: Option<String>,
}

/// None where what the agent tells makes no sense.
pub(super) fn item(agent: &AgentRow, live: LiveConnection) -> Option<ConnectionItem> {
    let id = Uuid::from_slice(&live.id).ok()?;
    let tls = Agreed::of(live.tls_version, live.cipher_suite, live.alpn);
    let upstream = some(live.upstream_address).map(|address| Reached {
        address,
        tls_version: some(live.upstream_tls_version),
        alpn: some(live.upstream_alpn),
    });
    Some(ConnectionItem {
        id,
        agent: agent.agent.id,
        agent_name: agent.name.clone(),
        client: live.client_address,
        since: rfc3339(live.since_us),
        entry: some(live.entry),
        stage: some(live.stage),
        user: some(live.user),
        target: some(live.target),
        tunnel_target: some(live.tunnel_target),
        server_name: some(live.server_name),
        intercepted: live.intercepted,
        tls,
        upstream,
        exchanges: live.exchanges,
        exchanges_active: live.exchanges_active,
        tunnels: live.tunnels,
        received_bytes: live.received_bytes,
        sent_bytes: live.sent_bytes,
    })
}
