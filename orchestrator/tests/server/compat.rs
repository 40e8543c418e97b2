//! Agents of other versions. One of the next minor version says fields, kinds of messages and of everything else that nobody here
//! knows yet: what is known of it counts, what is not is told as such, and nothing breaks. One of the version before is asked for
//! nothing that it does not know. One that is further apart is refused, and everybody is told what to upgrade.

use prost::{
    Message,
    bytes::{Buf as _, BufMut as _},
    encoding::{WireType, encode_key, encode_varint},
};
use rcgen::{CertificateParams, KeyPair};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use weir_proto::v1::{
    self, Applied, Exchange, Heartbeat, Hello, JoinRequest, MetricsAck, OrchestratorMessage, SystemMetrics, TrafficAck,
    agent_message, enrolment_client::EnrolmentClient, orchestrator_message,
};

use crate::{
    component::filter,
    harness::{Agent, Publisher, Running, binary, connect, connect_as, eventually, exchange, id, publication},
};

/// Bytes go out as they are, messages come in.
pub(crate) struct Later<T>(std::marker::PhantomData<T>);

impl<T> Default for Later<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

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

pub(crate) async fn stream<T: Message + Default + 'static>(
    agent: &Agent,
    path: &'static str,
) -> (mpsc::Sender<Vec<u8>>, Streaming<T>) {
    stream_after(agent, path, Vec::new()).await
}

pub(crate) async fn stream_after<T: Message + Default + 'static>(
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
    let answer = client.streaming(request, path, Later::<T>::default()).await;
    (say, answer.unwrap().into_inner())
}

#[tokio::test]
async fn what_a_later_agent_says_of_itself_is_taken_as_far_as_it_is_known() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let hello = Hello { name: "edge-9".into(), version: version(1), workers: 3, ..Hello::default() };
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
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["version"]), (&"edge-9".into(), &version(1).into()));
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

    // A message of a kind, and with a fate, of later versions: not taken for the first that there is.
    let message =
        v1::Message { exchange: recorded.id.clone(), number: 1, kind: 90, fate: 91, ..v1::Message::default() };
    let message = v1::Message { data: b"later"[..].into(), size: 5, ..message };
    say.send([number(1, 6), field(10, &later(&message))].concat()).await.unwrap();
    assert_eq!(acks.message().await.unwrap().unwrap().batch, 6);
    let shown = running.person.get(&format!("/api/v1/exchanges/{}/messages", id(&recorded))).await;
    let shown = &shown["items"][0];
    assert_eq!((&shown["kind"], &shown["fate"]), (&"unknown".into(), &"unknown".into()));
    assert_eq!((&shown["text"], &shown["base64"]), (&Value::Null, &"bGF0ZXI=".into()));

    let (say, mut acks) = stream::<MetricsAck>(&agent, "/weir.v1.Metrics/Report").await;
    let sample = later(&SystemMetrics { at_us: 1_700_000_000_000_000, ..SystemMetrics::default() });
    say.send([field(1, &sample), number(1970, 1)].concat()).await.unwrap();
    assert_eq!(acks.message().await.unwrap().unwrap().stored, 1);
    assert_eq!(running.person.get("/api/v1/metrics").await["items"].as_array().unwrap().len(), 1);
}

/// So many minor versions from this one.
fn version(minors: i64) -> String {
    let mut numbers = weir_proto::version::VERSION.split('.').map(|number| number.parse::<i64>().unwrap());
    let (major, minor) = (numbers.next().unwrap(), numbers.next().unwrap());
    format!("{major}.{}.0", minor + minors)
}

/// The same agent, which says its version with each call.
async fn of_version(running: &Running, agent: &Agent, version: &str) -> Agent {
    let says = format!("weir-agent/{version}");
    let channel = connect_as(running.grpc, &agent.ca, Some(agent.identity.clone()), &says).await.unwrap();
    Agent { channel, ..agent.clone() }
}

#[tokio::test]
async fn neighbours_work_together_and_an_older_agent_is_asked_for_nothing_that_it_does_not_know() {
    let running = Running::start().await;
    for minors in [-1, 0, 1] {
        let agent = running.agent().await;
        let agent = of_version(&running, &agent, &version(minors)).await;
        let mut control = agent.sync_as(Hello { version: version(minors), ..Agent::hello() }).await.unwrap();
        let state = control.state().await.unwrap();
        // It answers for filters; of configurations one of before them says nothing.
        let applied = Applied { revision: state.revision, ..Applied::default() };
        control.say(agent_message::Message::Applied(applied)).await;
        agent.record(vec![exchange("a.example", &format!("/of/{minors}"), 200)]).await;
        let path = format!("/api/v1/connections?agent={}", agent.id);
        let asked = running.person.request(Method::DELETE, &path).send().await.unwrap();
        let answer: Value = asked.json().await.unwrap();
        assert!(answer.to_string().contains(&format!("version {}, which does not know", version(minors))), "{answer}");
        let listed = running.person.get("/api/v1/agents").await;
        let listed = listed["items"].as_array().unwrap().last().unwrap();
        assert_eq!((&listed["version"], &listed["refused"]), (&version(minors).into(), &Value::Null));
        assert_eq!((&listed["state"], &listed["configuration"]), (&"connected".into(), &Value::Null));
    }
    assert_eq!(running.person.ids("path:/of/*", 10).await.len(), 3);
}

#[tokio::test]
async fn an_agent_further_apart_is_refused_and_everybody_is_told_what_to_upgrade() {
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    let (far, near) = (version(2), version(1));
    let joins = |version: &str| {
        let (version, ticket) = (version.to_owned(), &ticket);
        async move {
            let key = KeyPair::generate().unwrap();
            let request = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
            let (token, certificate_request) = (ticket.token.clone(), request.into());
            let join = JoinRequest { token, certificate_request, name: "edge-1".into(), version };
            EnrolmentClient::new(connect(running.grpc, &ticket.ca, None).await.unwrap()).join(join).await
        }
    };
    let is_told = |status: &Status| {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert!(status.message().contains("upgrade the orchestrator to"), "{status}");
    };
    is_told(&joins(&far).await.unwrap_err());
    joins(&near).await.expect("the token was not spent");

    let agent = running.agent().await;
    let agent = of_version(&running, &agent, &far).await;
    let mut control = agent.sync_as(Hello { version: far.clone(), ..Agent::hello() }).await.unwrap();
    is_told(&control.end().await);
    // What it records it keeps, for whoever understands all of it.
    is_told(&agent.traffic().await.map(drop).unwrap_err());
    let listed = running.person.get("/api/v1/agents").await;
    let listed = listed["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&listed["version"], &listed["state"]), (&far.clone().into(), &"disconnected".into()));
    assert!(listed["refused"].as_str().unwrap().contains("upgrade the orchestrator to"), "{listed}");
    let mut table = tokio::process::Command::new(binary());
    table.arg("agents").env("WEIR_ORCHESTRATOR", &running.person.base).env("WEIR_TOKEN", &running.person.token);
    let table = String::from_utf8(table.output().await.unwrap().stdout).unwrap();
    assert!(table.contains(" refused ") && table.contains("edge-1 is refused: the agent is of version"), "{table}");

    // It stays who it is until one of the two is upgraded, and then nothing reminds of it.
    agent.renewed(running.grpc, &ticket.ca).await.unwrap();
    let agent = of_version(&running, &agent, &near).await;
    let mut control = agent.sync_as(Hello { version: near.clone(), ..Agent::hello() }).await.unwrap();
    control.state().await.unwrap();
    let listed = running.person.get("/api/v1/agents").await;
    assert_eq!(listed["items"].as_array().unwrap().last().unwrap()["refused"], Value::Null);
}

#[tokio::test]
async fn an_answer_of_a_kind_that_is_not_known_is_told_as_such() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let hello = crate::commands::able(&["connections"]);
    let first = vec![field(1, &hello.encode_to_vec())];
    let (say, mut answers) = stream_after::<OrchestratorMessage>(&agent, "/weir.v1.Control/Sync", first).await;
    let path = format!("/api/v1/connections?agent={}", agent.id);
    eventually(|| running.person.get("/api/v1/agents"), |agents| agents["items"][0]["state"] == "connected").await;
    let asks = running.person.request(Method::DELETE, &path).send();
    let answer = async {
        loop {
            let message = answers.message().await.unwrap().unwrap().message;
            if let Some(orchestrator_message::Message::Command(command)) = message {
                // 4 is `answer` of an agent's message, 1900 an answer that is not known.
                say.send(field(4, &[field(1, &command.id), field(1900, b"done")].concat())).await.unwrap();
                return;
            }
        }
    };
    let (asked, ()) = tokio::join!(asks, answer);
    let problem: Value = asked.unwrap().json().await.unwrap();
    assert!(problem.to_string().contains("cannot be read"), "{problem}");
    // and the stream goes on
    say.send(field(2, &later(&Heartbeat { exchanges_total: 9, ..Heartbeat::default() }))).await.unwrap();
    let listed = || running.person.get("/api/v1/agents");
    eventually(listed, |listed| listed["items"][0]["activity"]["exchanges_total"] == 9).await;
}
