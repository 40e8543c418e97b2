//! At an orchestrator of the next minor version: what it says has fields, messages and commands that this agent does not know. What
//! is known of it counts, what is not is answered as such, and the stream goes on.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use prost::{
    Message as _,
    bytes::BufMut as _,
    encoding::{WireType, encode_key, encode_varint},
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{
    Request, Response, Status, Streaming,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{BoxFuture, Service, http},
    server::{NamedService, StreamingService},
    transport::Server,
};
use weir_artifact::PublisherKey;
use weir_host::{Host, HostConfig};
use weir_proto::v1::{
    AgentMessage, Answer, DesiredState, Envelope, Hello, Problem, ProblemKind, agent_message::Message, answer,
};

use super::*;
use crate::{config::Config, filters::FilterLog, record::Recorder, secrets::Secrets};

const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes go out as they are, messages come in.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = AgentMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = AgentMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<AgentMessage>, Status> {
        AgentMessage::decode(from).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// Says what it is told to say, and tells what it hears.
#[derive(Clone)]
struct Later {
    says: Arc<Vec<Vec<u8>>>,
    hears: mpsc::Sender<AgentMessage>,
}

impl NamedService for Later {
    const NAME: &'static str = "weir.v1.Control";
}

impl Service<http::Request<tonic::body::Body>> for Later {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let later = self.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).streaming(later, request).await) })
    }
}

impl StreamingService<AgentMessage> for Later {
    type Response = Vec<u8>;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<AgentMessage>>) -> Self::Future {
        let Self { says, hears } = self.clone();
        Box::pin(async move {
            let (say, said) = mpsc::channel(16);
            for message in says.iter() {
                say.send(Ok(message.clone())).await.unwrap();
            }
            tokio::spawn(async move {
                let mut messages = request.into_inner();
                while let Some(Ok(message)) = messages.next().await {
                    if hears.send(message).await.is_err() {
                        return;
                    }
                }
                drop(say);
            });
            Ok(Response::new(Box::pin(ReceiverStream::new(said)) as Self::ResponseStream))
        })
    }
}

fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(field, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

/// Behind what is known, fields that are not.
fn later(bytes: Vec<u8>) -> Vec<u8> {
    [bytes, number(1900, u64::MAX), field(1901, b"\xff\0 anything")].concat()
}

async fn orchestrator(says: Vec<Vec<u8>>) -> (SocketAddr, mpsc::Receiver<AgentMessage>) {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (hears, heard) = mpsc::channel(64);
    let service = Later { says: Arc::new(says), hears };
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
    (address, heard)
}

pub(super) fn control(dir: &Path, orchestrator: SocketAddr) -> (Control, Applier) {
    let config = Config { data_dir: dir.to_owned(), workers: 1, ..Config::default() };
    let host = Host::new(HostConfig {
        cache_dir: None,
        kv_dir: None,
        workers: 1,
        log: Arc::new(FilterLog::default()),
        secrets: None,
    });
    let recorder = Recorder::new(1, &config.capture);
    let nowhere: SocketAddr = ([127, 0, 0, 1], 1).into();
    let secrets = Arc::new(Secrets::open(None).unwrap());
    let shared = Arc::new(Shared::new(config, host.unwrap(), recorder, secrets, nowhere, nowhere).unwrap());
    let trusted = [PublisherKey::generate().public()];
    let applier = Applier::open(Arc::clone(&shared), "default".parse().unwrap(), trusted, dir).unwrap();
    let control = Control {
        shared,
        link: Link::plain(&format!("http://{orchestrator}")).unwrap(),
        introduction: Introduction { name: "edge".to_owned(), listen: nowhere, admin: nowhere },
        settings: Settings { metrics_interval: watch::Sender::new(None) },
        applied: watch::Sender::new(false),
    };
    (control, applier)
}

/// The next message that is such a one.
async fn heard<T>(messages: &mut mpsc::Receiver<AgentMessage>, one: impl Fn(Message) -> Option<T>) -> T {
    let next = async {
        loop {
            if let Some(one) = messages.recv().await.unwrap().message.and_then(&one) {
                return one;
            }
        }
    };
    timeout(PATIENCE, next).await.unwrap()
}

#[tokio::test]
async fn what_a_later_orchestrator_says_is_taken_as_far_as_it_is_known() {
    let stranger = Envelope {
        statement: br#"{"kind":"quarantine","name":"block"}"#[..].into(),
        signature: vec![0; 64].into(),
        key_id: "somebody".to_owned(),
    };
    let state = DesiredState { revision: 7, statements: vec![stranger] };
    let id = [7; 16];
    // In a message of the orchestrator's `state` is 1, `settings` 2 and `command` 3; 1950 is a message that is not known, 1900 a
    // command that is not.
    let says = vec![
        field(1950, b"what is not known"),
        [field(2, &later([number(1, 9), number(2, 1)].concat())), number(1960, 1)].concat(),
        field(3, &[field(1, &id), number(2, 5000), field(1900, b"do it")].concat()),
        field(1, &later(state.encode_to_vec())),
    ];
    let (address, mut messages) = orchestrator(says).await;
    let dir = tempfile::tempdir().unwrap();
    let (control, applier) = control(dir.path(), address);
    let mut interval = control.settings.metrics_interval.subscribe();
    tokio::spawn(control.run(applier));

    let hello = heard(&mut messages, |message| match message {
        Message::Hello(hello) => Some(hello),
        _ => None,
    });
    let Hello { version, commands, .. } = hello.await;
    assert_eq!(version, weir_proto::version::VERSION);
    assert!(commands.contains(&"connections".to_owned()), "{commands:?}");
    // Both of these come, in whichever order.
    let (mut answer, mut applied) = (None, None);
    while answer.is_none() || applied.is_none() {
        match heard(&mut messages, Some).await {
            Message::Answer(one) => answer = Some(one),
            Message::Applied(one) => applied = Some(one),
            _ => {}
        }
    }
    let Some(Answer { id: of, answer: Some(answer::Answer::Problem(Problem { kind, text })) }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((&of[..], kind), (&id[..], i32::from(ProblemKind::Unknown)));
    assert!(text.contains("does not know this"), "{text}");
    let applied = applied.unwrap();
    assert_eq!((applied.revision, applied.filters.len(), &*applied.filters[0].phase), (7, 1, "signature"));
    timeout(PATIENCE, interval.wait_for(|interval| *interval == Some(Duration::from_secs(9)))).await.unwrap().unwrap();
    // The stream goes on, in the pace that was asked for.
    for _ in 0..2 {
        let revision = heard(&mut messages, |message| match message {
            Message::Heartbeat(heartbeat) => Some(heartbeat.revision),
            _ => None,
        });
        assert_eq!(revision.await, 7);
    }
}
