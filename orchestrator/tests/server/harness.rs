//! A running server, a person with its token, and an agent with a certificate. What goes wrong panics: these are tests.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use uuid::Uuid;
use weir_artifact::{Digest, Envelope, Limits, Publication, PublisherKey, Removal, Statement};
use weir_orchestrator::{ServeArgs, ServeConfig, Server};
use weir_proto::v1::{
    AgentMessage, Answer, Command, DesiredState, Exchange, Hello, JoinRequest, JoinResponse, OrchestratorMessage,
    RenewRequest, Request, Response, TrafficAck, TrafficBatch, agent_message, answer, control_client::ControlClient,
    enrolment_client::EnrolmentClient, orchestrator_message, traffic_client::TrafficClient,
};
use weir_testkit::postgres::Database;

/// Longest that anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server and a person who may use it.
pub(crate) struct Running {
    pub(crate) server: Option<Server>,
    pub(crate) person: Person,
    pub(crate) grpc: SocketAddr,
    pub(crate) dir: Home,
}

/// Where a server keeps things: its directory and, on PostgreSQL, a database.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    database: Option<Arc<Database>>,
}

impl Home {
    /// On the database that this test binary is for.
    pub(crate) async fn new() -> Self {
        let database = if crate::on_postgres() { Some(Arc::new(Database::create().await.unwrap())) } else { None };
        Self { dir: tempfile::tempdir().unwrap(), database }
    }

    /// On the database that this test binary is not for.
    pub(crate) async fn other() -> Self {
        let database = if crate::on_postgres() { None } else { Some(Arc::new(Database::create().await.unwrap())) };
        Self { dir: tempfile::tempdir().unwrap(), database }
    }

    /// Another directory, with copies of these files, and the same database.
    #[allow(dead_code, reason = "not every database is shared")]
    pub(crate) fn beside(&self, files: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::copy(self.path().join(file), dir.path().join(file)).unwrap();
        }
        Self { dir, database: self.database.clone() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn args(&self) -> ServeArgs {
        args(self.path(), self.database.as_deref().map(Database::url))
    }

    /// As `orchestrator serve` takes it.
    pub(crate) fn database_url(&self) -> String {
        self.database
            .as_deref()
            .map_or_else(|| format!("sqlite://{}", self.path().join("weir.db").display()), Database::url)
    }

    /// Runs statements behind the server's back.
    pub(crate) async fn sql(&self, text: &'static str) {
        let run = sqlx::raw_sql(text);
        match &self.database {
            Some(database) => {
                let mut connection = sqlx::PgConnection::connect_with(&database.options()).await.unwrap();
                run.execute(&mut connection).await.unwrap();
            }
            None => {
                let mut connection = sqlx::SqliteConnection::connect(&self.database_url()).await.unwrap();
                run.execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// On disk.
    #[allow(dead_code, reason = "for the measurement")]
    pub(crate) async fn bytes(&self) -> u64 {
        let Some(database) = &self.database else {
            return std::fs::metadata(self.path().join("weir.db")).unwrap().len();
        };
        let mut connection = sqlx::PgConnection::connect_with(&database.options()).await.unwrap();
        let size = sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut connection).await;
        let size: i64 = size.unwrap();
        u64::try_from(size).unwrap()
    }

    /// All is gone but what lies in the directory.
    pub(crate) async fn lose_database(&self) {
        if self.database.is_some() {
            return self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
        }
        for file in ["weir.db", "weir.db-wal", "weir.db-shm"] {
            let _ = std::fs::remove_file(self.path().join(file));
        }
        // worth nothing without it, and another database is told that it is not its own
        let _ = std::fs::remove_dir_all(self.path().join("bodies"));
    }
}

pub(crate) fn args(dir: &Path, database: Option<String>) -> ServeArgs {
    let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let database_url = database.map(|url| url.parse().unwrap());
    ServeArgs { data_dir: Some(dir.to_owned()), rest: any, grpc: any, database_url, ..ServeArgs::default() }
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_in(Home::new().await, |args| args).await
    }

    pub(crate) async fn start_in(dir: Home, change: impl FnOnce(ServeArgs) -> ServeArgs) -> Self {
        let config = ServeConfig::load(change(dir.args())).unwrap();
        let server = Server::start(config).await.unwrap();
        let (person, grpc) = (Person::new(server.rest, dir.path()), server.grpc);
        Self { server: Some(server), person, grpc, dir }
    }

    /// Stops it; the directory stays for another.
    pub(crate) async fn stop(mut self) -> Home {
        self.server.take().unwrap().stop().await;
        self.dir
    }

    pub(crate) async fn agent(&self) -> Agent {
        self.agent_of("default").await
    }

    pub(crate) async fn agent_of(&self, group: &str) -> Agent {
        let token = self.person.join_token(group).await;
        Agent::join(self.grpc, &token).await.unwrap()
    }
}

/// Somebody with the admin token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
}

impl Person {
    pub(crate) fn new(rest: SocketAddr, dir: &Path) -> Self {
        let token = std::fs::read_to_string(dir.join("token")).unwrap().trim().to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base: format!("http://{rest}"), token, http }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub(crate) async fn ask(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.request(Method::POST, path).json(body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub(crate) async fn join_token(&self, group: &str) -> JoinTicket {
        let (status, body) = self.post("/api/v1/join-tokens", &json!({ "group": group })).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let ca = STANDARD.decode(body["ca"].as_str().unwrap()).unwrap();
        JoinTicket { token: body["token"].as_str().unwrap().to_owned(), ca }
    }

    /// Exchanges that fit, over all pages.
    pub(crate) async fn ids(&self, query: &str, limit: usize) -> Vec<String> {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let url = format!("{}/api/v1/exchanges?limit={limit}{cursor}", self.base);
            let request = self.http.get(url).query(&[("query", query)]).bearer_auth(&self.token);
            let page: Value = request.send().await.unwrap().json().await.unwrap();
            let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
            assert!(items.len() <= limit);
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }
}

/// What a join token holds of the orchestrator.
#[derive(Clone)]
pub(crate) struct JoinTicket {
    pub(crate) token: String,
    pub(crate) ca: Vec<u8>,
}

/// An agent's side of the wire.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) id: Uuid,
    pub(crate) channel: Channel,
    pub(crate) identity: Identity,
    pub(crate) ca: Vec<u8>,
}

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

pub(crate) async fn connect(grpc: SocketAddr, ca: &[u8], identity: Option<Identity>) -> Result<Channel, Status> {
    let mut tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem(ca))).domain_name("weir-orchestrator");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    let endpoint = Endpoint::from_shared(format!("https://{grpc}")).unwrap().tls_config(tls).unwrap();
    endpoint.connect().await.map_err(|error| Status::unavailable(format!("{error:?}")))
}

pub(crate) async fn join(grpc: SocketAddr, ticket: &JoinTicket, key: &KeyPair) -> Result<JoinResponse, Status> {
    // Names that the agent may not choose: they must not be in its certificate.
    let params = CertificateParams::new(vec!["weir-orchestrator".to_owned()]).unwrap();
    let request = params.serialize_request(key).unwrap();
    let join = JoinRequest {
        token: ticket.token.clone(),
        certificate_request: request.der().to_vec().into(),
        name: "edge-1".into(),
        version: "0.1.0".into(),
    };
    let channel = connect(grpc, &ticket.ca, None).await?;
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

    /// The same agent at another orchestrator.
    #[allow(dead_code, reason = "not every orchestrator has one beside it")]
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
        assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, 1);
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
        tokio::time::timeout(PATIENCE, async {
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
        })
        .await
        .unwrap()
    }

    /// The next command.
    pub(crate) async fn command(&mut self) -> Command {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let message = self.answers.message().await.unwrap().expect("the stream goes on").message;
                if let Some(orchestrator_message::Message::Command(command)) = message {
                    return command;
                }
            }
        })
        .await
        .unwrap()
    }

    pub(crate) async fn answer(&self, command: &Command, answer: answer::Answer) {
        let answer = Answer { id: command.id.clone(), answer: Some(answer) };
        self.say(agent_message::Message::Answer(answer)).await;
    }

    /// How the stream ends.
    pub(crate) async fn end(&mut self) -> Status {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Err(status) = self.answers.message().await {
                    return status;
                }
            }
        })
        .await
        .unwrap()
    }
}

/// The traffic stream.
pub(crate) struct Traffic {
    pub(crate) send: tokio::sync::mpsc::Sender<TrafficBatch>,
    pub(crate) acks: Streaming<TrafficAck>,
}

/// An exchange with a response.
pub(crate) fn exchange(authority: &str, path: &str, status: u32) -> Exchange {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let request = Request {
        method: "GET".into(),
        scheme: "https".into(),
        authority: authority.into(),
        path: path.into(),
        version: "HTTP/1.1".into(),
        ..Request::default()
    };
    Exchange {
        id: Uuid::now_v7().into_bytes().to_vec().into(),
        started_us: u64::try_from(now.as_micros()).unwrap(),
        duration_us: 1500,
        first_byte_us: 900,
        request: Some(request),
        response: Some(Response { status, version: "HTTP/1.1".into(), ..Response::default() }),
        ..Exchange::default()
    }
}

pub(crate) fn id(exchange: &Exchange) -> String {
    Uuid::from_slice(&exchange.id).unwrap().to_string()
}

/// Waits until the answer is the one.
pub(crate) async fn eventually<T, F: Future<Output = T>>(mut ask: impl FnMut() -> F, right: impl Fn(&T) -> bool) -> T {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if right(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < until, "it never came to be");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A publisher of filters.
pub(crate) struct Publisher {
    pub(crate) key: PublisherKey,
    pub(crate) person: Person,
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

pub(crate) fn publication(component: &[u8], version: u64) -> Publication {
    Publication {
        name: "block".parse().unwrap(),
        version,
        group: "default".parse().unwrap(),
        sequence: now_ms() + version,
        rollback: false,
        expires: now_ms() / 1000 + 3600,
        digest: Digest::of(component),
        size: component.len() as u64,
        matching: String::new(),
        priority: 10,
        config: r#"{"hosts":["ads.example.com"]}"#.into(),
        on_failure: weir_artifact::FailurePolicy::Closed,
        on_failure_for: Vec::new(),
        isolation: weir_artifact::Isolation::Shared,
        limits: Limits::default(),
        grants: [weir_artifact::Capability::Log].into(),
        upstreams: Default::default(),
        reads: Default::default(),
        secrets: Default::default(),
    }
}

pub(crate) fn removal(sequence: u64) -> Statement {
    let (name, group) = ("block".parse().unwrap(), "default".parse().unwrap());
    Statement::Remove(Removal { name, group, sequence })
}

impl Publisher {
    pub(crate) fn new(person: &Person) -> Self {
        Self { key: PublisherKey::generate(), person: person.clone() }
    }

    pub(crate) fn body(&self, envelope: &Envelope, component: Option<&[u8]>) -> Value {
        json!({
            "statement": STANDARD.encode(&envelope.statement),
            "signature": STANDARD.encode(&envelope.signature),
            "key_id": self.key.public().id().as_str(),
            "public_key": self.key.public().to_text(),
            "component": component.map(|bytes| STANDARD.encode(bytes)),
        })
    }

    pub(crate) async fn push(&self, statement: &Statement, component: Option<&[u8]>) -> (StatusCode, Value) {
        self.person.post("/api/v1/filters", &self.body(&self.key.sign(statement), component)).await
    }

    pub(crate) async fn publish(&self, publication: Publication, component: Option<&[u8]>) -> (StatusCode, Value) {
        self.push(&Statement::Publish(Box::new(publication)), component).await
    }
}

/// The real binary.
pub(crate) fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_orchestrator").into()
}
