//! One `Traffic.Record` stream: numbered batches go out as the bytes they already are, numbers of committed ones come
//! back. Must not know queues or the spool.

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};
use weir_proto::v1::TrafficAck;

use super::batch;
use crate::control::{Link, Parting};

/// The open stream.
pub(super) struct Sink {
    batches: mpsc::UnboundedSender<(u64, Bytes)>,
    acks: Streaming<TrafficAck>,
}

impl Sink {
    pub(super) async fn open(link: Link) -> Result<Self, Parting> {
        let channel = link.connect().await?;
        let (batches, outgoing) = mpsc::unbounded_channel();
        let mut grpc = Grpc::new(channel);
        grpc.ready().await?;
        let path = PathAndQuery::from_static("/weir.v1.Traffic/Record");
        let request = Request::new(UnboundedReceiverStream::new(outgoing));
        let acks = grpc.streaming(request, path, Encoded).await?.into_inner();
        Ok(Self { batches, acks })
    }

    /// Sends a batch; what becomes of it, [`Self::acknowledged`] tells. Bounded by what the caller leaves unacknowledged.
    pub(super) fn send(&self, number: u64, payload: Bytes) {
        // a stream that is gone shows itself in `acknowledged`
        let _ = self.batches.send((number, payload));
    }

    /// The number up to which everything is committed, or why the stream ended.
    pub(super) async fn acknowledged(&mut self) -> Result<u64, Parting> {
        match self.acks.message().await {
            Ok(Some(ack)) => Ok(ack.batch),
            Ok(None) => Err("it ended the stream".into()),
            Err(status) => Err(status.into()),
        }
    }
}

/// Batches are encoded already.
#[derive(Clone, Copy)]
struct Encoded;

impl Codec for Encoded {
    type Encode = (u64, Bytes);
    type Decode = TrafficAck;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Encoded {
    type Item = (u64, Bytes);
    type Error = Status;

    fn encode(&mut self, (number, payload): (u64, Bytes), out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&batch::head(number));
        out.put(payload);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(64 << 10, 256 << 10)
    }
}

impl Decoder for Encoded {
    type Item = TrafficAck;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<TrafficAck>, Status> {
        let bytes = bytes.copy_to_bytes(bytes.remaining());
        TrafficAck::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
