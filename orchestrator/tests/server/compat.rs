//! An agent of the next minor version: what it says has fields and kinds of messages that nobody here knows yet. What is
//! known of it counts, and nothing breaks.

use prost::{
    Message,
    bytes::{Buf as _, BufMut as _},
    encoding::{WireType, encode_key, encode_varint},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use weir_proto::v1::{Exchange, Heartbeat, Hello, MetricsAck, OrchestratorMessage, SystemMetrics, TrafficAck};

use crate::{
    component::filter,
    harness::{Agent, Publisher, Running, eventually, exchange, id, publication},
};

/// Bytes go out as they are, messages come in.
struct Later<T>(std::marker::PhantomData<T>);

impl<T: Message + Default + 'static> Codec for Later<T> {
    type Encode = Vec<u8>;
    type Decode = T;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(std::marker::PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T> Encoder for Later<T> {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl<T: Message + Default> Decoder for Later<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        T::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// A field with these bytes: text, bytes or another message.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// A number field.
fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(field, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

/// The message, and behind it what a later version may say too: a field of each kind.
fn later(message: &impl Message) -> Vec<u8> {
    let mut bytes = message.encode_to_vec();
    bytes.extend(number(1900, u64::MAX));
    bytes.extend(field(1901, b"\xff\0 anything"));
    encode_key(1902, WireType::SixtyFourBit, &mut bytes);
    bytes.extend(7u64.to_le_bytes());
    encode_key(1903, WireType::ThirtyTwoBit, &mut bytes);
    bytes.extend(7u32.to_le_bytes());
    bytes
}

async fn stream<T: Message + Default + 'static>(
    agent: &Agent,
    path: &'static str,
) -> (mpsc::Sender<Vec<u8>>, Streaming<T>) {
    stream_after(agent, path, Vec::new()).await
}

async fn stream_after<T: Message + Default + 'static>(
    agent: &Agent,
    path: &'static str,
    first: Vec<Vec<u8>>,
) -> (mpsc::Sender<Vec<u8>>, Streaming<T>) {
    let (say, messages) = mpsc::channel(16);
    for message in first {
        say.send(message).await.unwrap();
    }
    let mut client = Grpc::new(agent.channel.clone());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(path);
    let request = Request::new(ReceiverStream::new(messages));
    let answer = client.streaming(request, path, Later::<T>(std::marker::PhantomData)).await;
    (say, answer.unwrap().into_inner())
}

#[tokio::test]
async fn what_a_later_agent_says_of_itself_is_taken_as_far_as_it_is_known() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let hello = Hello { name: "edge-9".into(), version: "99.0.0".into(), workers: 3, ..Hello::default() };
    // In a message of the agent's, `hello` is 1 and `heartbeat` 2. 1950 is a kind of message that is not known.
    let first = vec![[field(1, &later(&hello)), number(1960, 1)].concat()];
    let (say, mut answers) = stream_after::<OrchestratorMessage>(&agent, "/weir.v1.Control/Sync", first).await;
    assert!(answers.message().await.unwrap().is_some());
    say.send(field(1950, b"what is not known")).await.unwrap();
    say.send(field(2, &later(&Heartbeat { exchanges_total: 42, ..Heartbeat::default() }))).await.unwrap();
    let listed = eventually(
        || running.person.get("/api/v1/agents"),
        |listed| listed["items"][0]["activity"]["exchanges_total"] == 42,
    )
    .await;
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["version"]), (&"edge-9".into(), &"99.0.0".into()));
    // The stream goes on.
    let publisher = Publisher::new(&running.person);
    assert_eq!(publisher.publish(publication(&filter(), 1), Some(&filter())).await.0, 201);
    assert!(answers.message().await.unwrap().is_some());
}

#[tokio::test]
async fn what_a_later_agent_records_is_kept_as_far_as_it_is_known() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let (say, mut acks) = stream::<TrafficAck>(&agent, "/weir.v1.Traffic/Record").await;
    let recorded = exchange("a.example", "/later", 200);
    // Its outcome and a tag are of kinds that are not known either.
    let mut bytes = later(&Exchange { request: None, ..recorded.clone() });
    bytes.extend(field(6, &later(recorded.request.as_ref().unwrap())));
    bytes.extend(number(12, 90));
    say.send([number(1, 5), field(2, &bytes), number(1970, 1)].concat()).await.unwrap();
    assert_eq!(acks.message().await.unwrap().unwrap().batch, 5);
    let shown = running.person.get(&format!("/api/v1/exchanges/{}", id(&recorded))).await;
    assert_eq!(
        (&shown["path"], &shown["status"], &shown["outcome"]),
        (&"/later".into(), &200.into(), &"unknown".into())
    );

    let (say, mut acks) = stream::<MetricsAck>(&agent, "/weir.v1.Metrics/Report").await;
    let sample = later(&SystemMetrics { at_us: 1_700_000_000_000_000, ..SystemMetrics::default() });
    say.send([field(1, &sample), number(1970, 1)].concat()).await.unwrap();
    assert_eq!(acks.message().await.unwrap().unwrap().stored, 1);
    assert_eq!(running.person.get("/api/v1/metrics").await["items"].as_array().unwrap().len(), 1);
}
