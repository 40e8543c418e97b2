//! An agent as the orchestrator sees one: it joins, and speaks over the streams.

use std::net::{IpAddr, SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use uuid::Uuid;
use weir_proto::v1::{
    AgentMessage, Answer, Command, DesiredState, Exchange, Hello, JoinRequest, JoinResponse, OrchestratorMessage,
    RenewRequest, TrafficAck, TrafficBatch, agent_message, answer, control_client::ControlClient,
    enrolment_client::EnrolmentClient, orchestrator_message, traffic_client::TrafficClient,
};

use super::{JoinTicket, PATIENCE};

/// An agent's side of the wire.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) id: Uuid,
    pub(crate) channel: Channel,
    pub(crate) identity: Identity,
    pub(crate) ca: Vec<u8>,
}

pub(crate) fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

pub(crate) async fn connect(grpc: SocketAddr, ca: &[u8], identity: Option<Identity>) -> Result<Channel, Status> {
    connect_as(grpc, ca, identity, "a-test").await
}

/// With this as `User-Agent`.
pub(crate) async fn connect_as(
    grpc: SocketAddr,
    ca: &[u8],
    identity: Option<Identity>,
    says: &str,
) -> Result<Channel, Status> {
    let endpoint = endpoint(grpc, ca, identity).user_agent(says.to_owned()).unwrap();
    endpoint.connect().await.map_err(|error| Status::unavailable(format!("{error:?}")))
}

fn endpoint(grpc: SocketAddr, ca: &[u8], identity: Option<Identity>) -> Endpoint {
    let mut tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem(ca))).domain_name("weir-orchestrator");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    Endpoint::from_shared(format!("https://{grpc}")).unwrap().tls_config(tls).unwrap()
}

pub(crate) async fn join(grpc: SocketAddr, ticket: &JoinTicket, key: &KeyPair) -> Result<JoinResponse, Status> {
    join_over(connect(grpc, &ticket.ca, None).await?, ticket, key).await
}

/// From an address of this machine.
pub(crate) async fn join_from(address: IpAddr, grpc: SocketAddr, ticket: &JoinTicket) -> Result<JoinResponse, Status> {
    let channel = endpoint(grpc, &ticket.ca, None).local_address(Some(address)).connect().await;
    let channel = channel.map_err(|error| Status::unavailable(format!("{error:?}")))?;
    join_over(channel, ticket, &KeyPair::generate().unwrap()).await
}

async fn join_over(channel: Channel, ticket: &JoinTicket, key: &KeyPair) -> Result<JoinResponse, Status> {
    // Names that the agent may not choose: they must not be in its certificate.
    let params = CertificateParams::new(vec!["weir-orchestrator".to_owned()]).unwrap();
    let request = params.serialize_request(key).unwrap();
    let join = JoinRequest {
        token: ticket.token.clone(),
        certificate_request: request.der().to_vec().into(),
        name: "edge-1".into(),
        version: "0.1.0".into(),
    };
    Ok(EnrolmentClient::new(channel).join(join).await?.into_inner())
}

impl Agent {
    pub(crate) async fn join(grpc: SocketAddr, ticket: &JoinTicket) -> Result<Self, Status> {
        let key = KeyPair::generate().unwrap();
        let joined = join(grpc, ticket, &key).await?;
        let chain: String = joined.certificate_chain.iter().map(|der| pem(der)).collect();
        let identity = Identity::from_pem(chain, key.serialize_pem());
        let channel = connect(grpc, &ticket.ca, Some(identity.clone())).await?;
        Ok(Self { id: joined.agent_id.parse().unwrap(), channel, identity, ca: ticket.ca.clone() })
    }

    /// The same agent on another connection, maybe to another orchestrator.
    pub(crate) async fn at(&self, grpc: SocketAddr) -> Self {
        let channel = connect(grpc, &self.ca, Some(self.identity.clone())).await.unwrap();
        Self { channel, ..self.clone() }
    }

    /// The same agent on another connection, with a new certificate for another key; its chain too.
    pub(crate) async fn renewed(&self, grpc: SocketAddr, ca: &[u8]) -> Result<(Self, Vec<Vec<u8>>), Status> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["weir-orchestrator".to_owned()]).unwrap();
        let request = params.serialize_request(&key).unwrap().der().to_vec();
        let request = RenewRequest { certificate_request: request.into() };
        let answer = ControlClient::new(self.channel.clone()).renew(request).await?.into_inner();
        let chain: String = answer.certificate_chain.iter().map(|der| pem(der)).collect();
        let identity = Identity::from_pem(chain, key.serialize_pem());
        let channel = connect(grpc, ca, Some(identity.clone())).await?;
        let chain = answer.certificate_chain.iter().map(|der| der.to_vec()).collect();
        Ok((Self { id: self.id, channel, identity, ca: ca.to_vec() }, chain))
    }

    pub(crate) async fn sync(&self) -> Result<Control, Status> {
        self.sync_as(Self::hello()).await
    }

    /// Of a version that knows no commands.
    pub(crate) fn hello() -> Hello {
        Hello { name: "edge-1".into(), listen: "127.0.0.1:8080".into(), workers: 2, revision: 1, ..Hello::default() }
    }

    pub(crate) async fn sync_as(&self, hello: Hello) -> Result<Control, Status> {
        let (say, messages) = tokio::sync::mpsc::channel(16);
        say.send(AgentMessage { message: Some(agent_message::Message::Hello(hello)) }).await.unwrap();
        let answers = ControlClient::new(self.channel.clone()).sync(ReceiverStream::new(messages)).await?;
        Ok(Control { say, answers: answers.into_inner() })
    }

    pub(crate) async fn traffic(&self) -> Result<Traffic, Status> {
        let (send, batches) = tokio::sync::mpsc::channel(16);
        let acks = TrafficClient::new(self.channel.clone()).record(ReceiverStream::new(batches)).await?;
        Ok(Traffic { send, acks: acks.into_inner() })
    }

    /// Records and waits for the acknowledgement.
    pub(crate) async fn record(&self, exchanges: Vec<Exchange>) {
        let mut traffic = self.traffic().await.unwrap();
        traffic.send.send(TrafficBatch { batch: 1, exchanges, ..TrafficBatch::default() }).await.unwrap();
        let ack = timeout(PATIENCE, traffic.acks.message()).await.expect("what is recorded is acknowledged");
        assert_eq!(ack.unwrap().unwrap().batch, 1);
    }
}

/// The control stream.
pub(crate) struct Control {
    pub(crate) say: tokio::sync::mpsc::Sender<AgentMessage>,
    pub(crate) answers: Streaming<OrchestratorMessage>,
}

impl Control {
    pub(crate) async fn say(&self, message: agent_message::Message) {
        self.say.send(AgentMessage { message: Some(message) }).await.unwrap();
    }

    /// The next desired state.
    pub(crate) async fn state(&mut self) -> Result<DesiredState, Status> {
        let state = timeout(PATIENCE, async {
            loop {
                match self.answers.message().await?.expect("the stream goes on").message {
                    Some(orchestrator_message::Message::State(state)) => return Ok(state),
                    Some(orchestrator_message::Message::Settings(settings)) => {
                        assert!(settings.heartbeat_interval_s > 0);
                    }
                    Some(orchestrator_message::Message::Command(command)) => panic!("nobody asks: {command:?}"),
                    None => panic!("an empty message"),
                }
            }
        });
        state.await.expect("a desired state comes")
    }

    /// The next command.
    pub(crate) async fn command(&mut self) -> Command {
        let command = timeout(PATIENCE, async {
            loop {
                let message = self.answers.message().await.unwrap().expect("the stream goes on").message;
                if let Some(orchestrator_message::Message::Command(command)) = message {
                    return command;
                }
            }
        });
        command.await.expect("a command comes")
    }

    pub(crate) async fn answer(&self, command: &Command, answer: answer::Answer) {
        let answer = Answer { id: command.id.clone(), answer: Some(answer) };
        self.say(agent_message::Message::Answer(answer)).await;
    }

    /// How the stream ends.
    pub(crate) async fn end(&mut self) -> Status {
        let end = timeout(PATIENCE, async {
            loop {
                match self.answers.message().await {
                    Err(status) => return status,
                    Ok(message) => assert!(message.is_some(), "the stream ended without a word"),
                }
            }
        });
        end.await.expect("the stream ends with a status")
    }
}

/// The traffic stream.
pub(crate) struct Traffic {
    pub(crate) send: tokio::sync::mpsc::Sender<TrafficBatch>,
    pub(crate) acks: Streaming<TrafficAck>,
}
