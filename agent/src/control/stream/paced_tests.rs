//! At an orchestrator that wants not to be asked again for a while.

use std::pin::Pin;

use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Streaming, transport::Server};
use weir_proto::v1::{
    ComponentChunk, FetchRequest, RenewRequest, RenewResponse,
    control_server::{Control as Service, ControlServer},
};

use super::{later_tests::control, *};

const PATIENCE: Duration = Duration::from_secs(30);
const ASKED: Duration = Duration::from_millis(2500);

/// Refuses everybody, and tells when it was asked.
struct Refuses(mpsc::Sender<Instant>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Service for Refuses {
    type SyncStream = Answers<OrchestratorMessage>;
    type FetchStream = Answers<ComponentChunk>;

    async fn sync(&self, _: Request<Streaming<AgentMessage>>) -> Result<Response<Self::SyncStream>, Status> {
        self.0.send(Instant::now()).await.unwrap();
        let mut status = Status::resource_exhausted("slow down");
        status.metadata_mut().insert("grpc-retry-pushback-ms", ASKED.as_millis().to_string().parse().unwrap());
        Err(status)
    }

    async fn fetch(&self, _: Request<FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }
}

#[tokio::test]
async fn an_agent_comes_again_when_it_is_asked_to_and_not_before() {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, mut times) = mpsc::channel(8);
    let service = ControlServer::new(Refuses(asked));
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
    let dir = tempfile::tempdir().unwrap();
    let (control, applier) = control(dir.path(), address);
    tokio::spawn(control.run(applier));
    let mut next = async || tokio::time::timeout(PATIENCE, times.recv()).await.unwrap().unwrap();
    let first = next().await;
    let second = next().await;
    // By itself it would be there after 0.2 s.
    assert!(second - first >= ASKED, "{:?}", second - first);
}
