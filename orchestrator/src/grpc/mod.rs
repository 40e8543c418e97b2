//! What agents ask for. One TLS port: a client certificate is asked for and may be missing; only enrolment does
//! without.

mod control;
mod enrolment;
mod figures;
mod identity;
mod interception;
mod metrics;
mod traffic;

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::Stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    transport::{Certificate, Identity, Server, ServerTlsConfig, server::TcpIncoming},
};
use weir_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        control_server::ControlServer, enrolment_server::EnrolmentServer, interception_server::InterceptionServer,
        metrics_server::MetricsServer, traffic_server::TrafficServer,
    },
};

use crate::{orchestrator::Orchestrator, pki::ServerIdentity, store::StoreError};

/// Bound on messages that carry no traffic.
const SMALL: usize = 1 << 20;
/// Of an agent's time, to finish its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// To the beginning of an answer: who has no certificate could else begin messages that never end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of one connection, each of which may hold a message and what is made of it. An agent opens two.
const STREAMS: u32 = 16;

pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What every service holds.
#[derive(Clone)]
struct Service {
    orchestrator: Arc<Orchestrator>,
    stop: CancellationToken,
}

/// Serves agents until `stop`.
pub(crate) async fn serve(
    orchestrator: Arc<Orchestrator>,
    identity: ServerIdentity,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(identity.chain, identity.key))
        .client_ca_root(Certificate::from_pem(orchestrator.pki.pem()))
        .client_auth_optional(true)
        .timeout(HANDSHAKE);
    let service = Service { orchestrator, stop: stop.clone() };
    Server::builder()
        .tls_config(tls)?
        .http2_keepalive_interval(Some(Duration::from_secs(15)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(STREAMS)
        .timeout(PATIENCE)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .add_service(EnrolmentServer::new(service.clone()).max_decoding_message_size(64 << 10))
        .add_service(ControlServer::new(service.clone()).max_decoding_message_size(SMALL))
        .add_service(InterceptionServer::new(service.clone()).max_decoding_message_size(64 << 10))
        .add_service(TrafficServer::new(service.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(MetricsServer::new(service).max_decoding_message_size(SMALL))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop.cancelled_owned())
        .await
}

/// The store cannot: the agent keeps what it has and comes again.
fn unavailable(error: &StoreError) -> Status {
    tracing::error!(%error, "an agent could not be served");
    Status::unavailable(format!("the orchestrator cannot do this now: {error}"))
}

/// Text of an agent that is kept or logged, within bounds and on one line.
pub(crate) fn bounded(text: &str, most: usize) -> String {
    let text = &text[..text.floor_char_boundary(most)];
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
