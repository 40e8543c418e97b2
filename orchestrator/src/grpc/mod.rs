//! What agents ask for. One TLS port: a client certificate is asked for and may be missing; only enrolment does
//! without.

mod control;
mod door;
mod enrolment;
mod figures;
mod identity;
mod interception;
mod metrics;
mod pace;
mod places;
mod traffic;
mod version;

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::Stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Server};
use weir_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        control_server::ControlServer, enrolment_server::EnrolmentServer, interception_server::InterceptionServer,
        metrics_server::MetricsServer, traffic_server::TrafficServer,
    },
};

use crate::{orchestrator::Orchestrator, pki::ServerIdentity, seats::Seats, store::StoreError};

/// Bound on messages that carry no traffic.
const SMALL: usize = 1 << 20;
/// The same of a request to be signed.
const REQUEST: usize = 64 << 10;
/// To the beginning of an answer: who has no certificate could else begin messages that never end.
const PATIENCE: Duration = Duration::from_secs(30);
/// To hear why a stream ends.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Of one connection, each of which may hold a message and what is made of it. An agent opens two.
const STREAMS: u32 = 16;

pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Why agents are not served, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Door(#[from] door::DoorError),
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
}

/// What every service holds.
#[derive(Clone)]
struct Service {
    orchestrator: Arc<Orchestrator>,
    places: Arc<Seats>,
    paces: Arc<pace::Paces>,
    stop: CancellationToken,
}

/// What an agent of a later version says and nobody here understands is not kept, and not lost in silence either.
fn tell_unknown(part: &'static str, field: u32) {
    tracing::warn!(
        part,
        field,
        "an agent of a later version says more than this orchestrator understands: it is left out; upgrade the orchestrator"
    );
}

/// Serves agents until `stop`.
pub(crate) async fn serve(
    orchestrator: Arc<Orchestrator>,
    identity: ServerIdentity,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let (telemetry, limits) = (Arc::clone(&orchestrator.telemetry), orchestrator.limits);
    let incoming = door::open(listener, &identity, &orchestrator.pki, telemetry, limits, stop.clone())?;
    weir_proto::on_unknown(tell_unknown);
    let places = Arc::new(Seats::new(usize::MAX, places::EACH));
    let paces = pace::Paces::new(orchestrator.limits, Arc::clone(&orchestrator.telemetry));
    let service = Service { orchestrator, places, paces: Arc::new(paces), stop: stop.clone() };
    let control = ControlServer::new(service.clone()).max_decoding_message_size(SMALL);
    let interception = InterceptionServer::new(service.clone()).max_decoding_message_size(REQUEST);
    let traffic = TrafficServer::new(service.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let metrics = MetricsServer::new(service.clone()).max_decoding_message_size(SMALL);
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(15)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(STREAMS)
        .timeout(PATIENCE)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .add_service(EnrolmentServer::new(service).max_decoding_message_size(REQUEST))
        .add_service(InterceptedService::new(control, certified))
        .add_service(InterceptedService::new(interception, certified))
        .add_service(InterceptedService::new(traffic, certified))
        .add_service(InterceptedService::new(metrics, certified))
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await?;
    Ok(())
}

/// Of whoever shows no certificate nothing is read but what joining takes.
fn certified(request: Request<()>) -> Result<Request<()>, Status> {
    identity::leaf(&request)?;
    Ok(request)
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
