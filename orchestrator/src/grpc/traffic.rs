//! Recorded exchanges come in by the batch; each batch is answered when it is on disk, in order. Several may be on
//! their way, so that the disk's delay is not paid per batch.

use std::pin::pin;

use prost::Message as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;
use weir_proto::v1::{TrafficAck, TrafficBatch, traffic_server::Traffic};

use super::{Answers, LAST_WORDS, Service, places::Kind, unavailable};
use crate::clock::now_us;
use crate::store::{
    Agent, Recorded, StoreError, Written, prepare, prepare_connection, prepare_line, prepare_message, prepare_tunnel,
    without_annotations,
};

/// Batches of one agent that wait for the disk.
const IN_FLIGHT: usize = 8;
/// Fast, and small exchanges gain as much by it as by the slow levels.
const LEVEL: i32 = 1;
/// More work than this leaves the I/O threads.
const INLINE_BYTES: usize = 64 << 10;

type Pending = Result<(u64, u64, oneshot::Receiver<Result<Written, StoreError>>), Status>;

#[tonic::async_trait]
impl Traffic for Service {
    type RecordStream = Answers<TrafficAck>;

    async fn record(&self, request: Request<Streaming<TrafficBatch>>) -> Result<Response<Self::RecordStream>, Status> {
        let (agent, ends_us) = self.certified(&request).await?;
        self.understands(&agent, &request)?;
        let place = self.place(&agent, Kind::Traffic)?;
        let (pending, acks) = mpsc::channel(IN_FLIGHT);
        let service = self.clone();
        let batches = request.into_inner();
        let from = tracing::info_span!("traffic", agent = %agent.id);
        let take = async move {
            if let Err(status) = service.take((&agent, ends_us), batches, &pending).await {
                // Whoever takes no acknowledgements does not take this either.
                let _ = timeout(LAST_WORDS, pending.send(Err(status))).await;
            }
        };
        tokio::spawn(take.instrument(from));
        let telemetry = std::sync::Arc::clone(&self.orchestrator.telemetry);
        let acks = ReceiverStream::new(acks).then(move |pending: Pending| {
            let telemetry = std::sync::Arc::clone(&telemetry);
            let _ = &place;
            async move {
                let (batch, count, written) = pending?;
                let written = written.await.unwrap_or(Err(StoreError::Closed)).map_err(|error| unavailable(&error))?;
                telemetry.recorded(written.new, count.saturating_sub(written.new));
                Ok(TrafficAck { batch })
            }
        });
        Ok(Response::new(Box::pin(acks)))
    }
}

impl Service {
    async fn take(
        &self,
        (agent, ends_us): (&Agent, u64),
        mut batches: Streaming<TrafficBatch>,
        pending: &mpsc::Sender<Pending>,
    ) -> Result<(), Status> {
        let mut over = pin!(self.over(agent, ends_us));
        let mut revocations = self.orchestrator.fleet.revocations();
        loop {
            let batch = tokio::select! {
                status = &mut over => return Err(status),
                batch = batches.message() => batch?,
                () = self.stop.cancelled() => return Err(Status::unavailable("the orchestrator is shutting down")),
                () = pending.closed() => return Ok(()),
            };
            let Some(batch) = batch else { return Ok(()) };
            // One that comes after the revocation is not let in while that is found out about.
            if revocations.has_changed().is_ok_and(|changed| changed) {
                revocations.mark_unchanged();
                self.still(agent.id).await?;
            }
            let number = batch.batch;
            self.orchestrator.telemetry.dropped(&agent.id.to_string(), batch.dropped, batch.dropped_records);
            let rows = self.rows(agent, batch).await?;
            let count = rows.exchanges.len() as u64;
            let (done, written) = oneshot::channel();
            // In its order before it is written; the channel's bound is the number in flight. An agent that takes no
            // acknowledgements waits here.
            tokio::select! {
                sent = pending.send(Ok((number, count, written))) => if sent.is_err() { return Ok(()) },
                status = &mut over => return Err(status),
                () = self.stop.cancelled() => return Err(Status::unavailable("the orchestrator is shutting down")),
            }
            let orchestrator = std::sync::Arc::clone(&self.orchestrator);
            let accepted = orchestrator.store.accept(rows, done).await;
            accepted.map_err(|error| unavailable(&error))?;
        }
    }

    /// What is no exchange, or no message, is counted and left out: sent again it would be no better, and the rest would never come.
    async fn rows(&self, agent: &Agent, batch: TrafficBatch) -> Result<Recorded, Status> {
        let service = self.clone();
        let agent = agent.clone();
        let small = batch.encoded_len() < INLINE_BYTES;
        let now = now_us();
        let work = move || {
            let mut packer = zstd::bulk::Compressor::new(LEVEL).ok();
            let exchanges = Vec::with_capacity(batch.exchanges.len());
            let mut rows = Recorded { exchanges, seen: Vec::with_capacity(batch.messages.len()) };
            let telemetry = &service.orchestrator.telemetry;
            let mut unfit = Unfit::default();
            for mut exchange in batch.exchanges {
                without_annotations(&mut exchange);
                match prepare(agent.number, now, &exchange, packer.as_mut()) {
                    Ok(row) => rows.exchanges.push(row),
                    Err(reason) => unfit.count(&reason),
                }
            }
            if let Some(reason) = unfit.first {
                telemetry.refused(&agent.id.to_string(), unfit.count, &reason);
            }
            let mut unfit = Unfit::default();
            let messages = batch.messages.into_iter().map(|message| prepare_message(agent.number, now, message));
            let tunnels = batch.tunnels.into_iter().map(|tunnel| prepare_tunnel(agent.number, now, tunnel));
            let connections = batch.connections.into_iter();
            let connections = connections.map(|connection| prepare_connection(agent.number, now, connection));
            let lines = batch.lines.into_iter().map(|line| prepare_line(agent.number, now, line));
            for row in messages.chain(tunnels).chain(connections).chain(lines) {
                match row {
                    Ok(row) => rows.seen.push(row),
                    Err(reason) => unfit.count(&reason),
                }
            }
            if let Some(reason) = unfit.first {
                telemetry.refused_record(&agent.id.to_string(), unfit.count, &reason);
            }
            telemetry.recorded_others(rows.seen.len() as u64);
            rows
        };
        if small {
            return Ok(work());
        }
        tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("the batch could not be read"))
    }
}

/// Of a batch, what cannot be stored: told once, with the first reason.
#[derive(Default)]
struct Unfit {
    count: u64,
    first: Option<String>,
}

impl Unfit {
    fn count(&mut self, reason: &dyn std::error::Error) {
        self.count += 1;
        self.first.get_or_insert_with(|| reason.to_string());
    }
}
