//! An agent that answers what a test wants, by the protocol's own client.

use rcgen::{CertificateParams, KeyPair};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use weir_artifact::{JoinToken, Statement};
use weir_proto::{
    ORCHESTRATOR_NAME,
    v1::{
        AgentMessage, Applied, Exchange, FilterOutcome, Hello, JoinRequest, TrafficBatch, agent_message::Message,
        control_client::ControlClient, enrolment_client::EnrolmentClient, orchestrator_message,
        traffic_client::TrafficClient,
    },
};

use crate::server::Server;

pub(crate) struct Agent {
    runtime: Runtime,
    channel: Channel,
    _control: JoinHandle<()>,
}

/// What the agent makes of a statement: phase and reason when it refuses.
pub(crate) type Opinion = fn(&Statement) -> Option<(&'static str, &'static str)>;

pub(crate) fn content(_: &Statement) -> Option<(&'static str, &'static str)> {
    None
}

impl Agent {
    /// Joins by the line that `join-token` prints, connects, and answers each state by `opinion`.
    pub(crate) fn join(server: &Server, name: &str, opinion: Opinion) -> Self {
        let line = server.run(&["join-token"]).ok();
        assert_eq!(line.lines().count(), 1, "the token is alone");
        let token = JoinToken::from_text(&line).unwrap();
        let url = format!("https://{}", server.grpc);
        let name = name.to_owned();
        let runtime = Runtime::new().unwrap();
        let (channel, control) = runtime.block_on(async {
            let tls = ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(pem("CERTIFICATE", &token.ca)))
                .domain_name(ORCHESTRATOR_NAME);
            let open = |tls| Channel::from_shared(url.clone()).unwrap().tls_config(tls).unwrap();
            let key = KeyPair::generate().unwrap();
            let request = CertificateParams::default().serialize_request(&key).unwrap();
            let joined = EnrolmentClient::new(open(tls.clone()).connect().await.unwrap())
                .join(JoinRequest {
                    token: token.token,
                    certificate_request: request.der().to_vec().into(),
                    name: name.clone(),
                    version: "0.1.0".to_owned(),
                })
                .await
                .unwrap()
                .into_inner();
            let chain: String = joined.certificate_chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
            let tls = tls.identity(Identity::from_pem(chain, key.serialize_pem()));
            let channel = open(tls).connect().await.unwrap();
            let control = converse(channel.clone(), name, opinion).await;
            (channel, control)
        });
        Self { runtime, channel, _control: control }
    }

    /// Has these recorded, and waits until they are on disk.
    pub(crate) fn record(&self, exchanges: Vec<Exchange>) {
        self.runtime.block_on(async {
            let batch = TrafficBatch { batch: 1, exchanges, ..TrafficBatch::default() };
            let mut client = TrafficClient::new(self.channel.clone());
            let mut acks = client.record(tokio_stream::once(batch)).await.unwrap().into_inner();
            assert_eq!(acks.message().await.unwrap().unwrap().batch, 1);
        });
    }
}

async fn converse(channel: Channel, name: String, opinion: Opinion) -> JoinHandle<()> {
    let (say, said) = mpsc::unbounded_channel();
    let hello = Hello { name, version: "0.1.0".to_owned(), listen: "127.0.0.1:8080".to_owned(), ..Hello::default() };
    say.send(AgentMessage { message: Some(Message::Hello(hello)) }).unwrap();
    let mut states = ControlClient::new(channel).sync(UnboundedReceiverStream::new(said)).await.unwrap().into_inner();
    // The first answer says that the agent counts as connected.
    let mut first = states.message().await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = first.take() {
            if let Some(orchestrator_message::Message::State(state)) = message.message {
                let statements = state.statements.iter().map(|one| Statement::parse(&one.statement).unwrap());
                let filters = statements.filter_map(|statement| outcome(&statement, opinion)).collect();
                let applied = Applied { revision: state.revision, filters, took_us: 1000, configuration: None };
                say.send(AgentMessage { message: Some(Message::Applied(applied)) }).unwrap();
            }
            first = states.message().await.ok().flatten();
        }
    })
}

fn outcome(statement: &Statement, opinion: Opinion) -> Option<FilterOutcome> {
    let (_, name, _) = statement.subject()?;
    let (version, digest) = match statement {
        Statement::Publish(publication) => (publication.version, publication.digest.to_string()),
        Statement::Remove(_) | Statement::Endorse(_) | Statement::Configure(_) => (0, String::new()),
    };
    let refusal = opinion(statement);
    let (phase, reason) = refusal.unwrap_or_default();
    Some(FilterOutcome {
        name: name.to_string(),
        version,
        digest,
        active: refusal.is_none() && version > 0,
        phase: phase.to_owned(),
        reason: reason.to_owned(),
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
