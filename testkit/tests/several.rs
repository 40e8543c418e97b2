//! An agent that was given the addresses of several orchestrators: one that is of no use, or is none, keeps it from nothing.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::ensure;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, Issuer, KeyPair};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use weir_testkit::{
    agent::AgentOptions,
    body,
    ca::{self, Ca, Leaf},
    debian,
    orchestrator::Orchestrator,
    origin::Origin,
    scratch::Scratch,
    wait::{PATIENCE, eventually},
};

/// Something with an orchestrator's certificate that answers every call with an error: its disk is full, say.
struct Ailing {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Ailing {
    async fn start(leaf: &Leaf) -> anyhow::Result<Self> {
        let acceptor = TlsAcceptor::from(ca::server(leaf, &[b"h2"])?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let hears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, heard) = (acceptor.clone(), Arc::clone(&hears));
                let answer = service_fn(move |request: Request<Incoming>| {
                    let path = request.uri().path().to_owned();
                    heard.lock().unwrap_or_else(PoisonError::into_inner).push(path);
                    // The gRPC protocol: an answer of trailers alone. 13 is INTERNAL.
                    let mut response = Response::new(body::empty());
                    let headers = response.headers_mut();
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                    headers.insert("grpc-status", HeaderValue::from_static("13"));
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(async move {
                    // Whoever gives up its handshake is none of this.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http2.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Ok(Self { address, heard, task })
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Ailing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A certificate for orchestrators, of this one's authority.
fn leaf_of(orchestrator: &Orchestrator) -> anyhow::Result<Leaf> {
    let read = |name: &str| std::fs::read_to_string(orchestrator.data().join(name));
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem")?, KeyPair::from_pem(&read("ca.key")?)?)?;
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["weir-orchestrator".to_owned()])?;
    Ok(Leaf { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_answers_with_errors_is_passed_over() -> anyhow::Result<()> {
    let scratch = Scratch::new("ailing")?;
    let origins = Ca::new("testkit origins")?;
    let origin = Origin::start(&origins).await?;
    let orchestrator = Orchestrator::start(&scratch, "orchestrator").await?;
    orchestrator.generate_keys().await?;
    let ailing = Ailing::start(&leaf_of(&orchestrator)?).await?;
    let token = orchestrator.join_token().await?;
    let options =
        |urls: String| AgentOptions::new(&scratch, "agent").with("--orchestrator", urls).with("--join-token", &token);
    options(orchestrator.grpc_url()).start().await?.process.kill().await?;
    let agent = options(format!("https://{},{}", ailing.address, orchestrator.grpc_url())).start().await?;
    eventually(PATIENCE, "the agent at the other", || async {
        let agents = orchestrator.list("/agents").await?;
        Ok((agents.len() == 1 && agents[0]["state"] == "connected").then_some(()))
    })
    .await?;
    ensure!(ailing.heard().iter().any(|path| path == "/weir.v1.Control/Sync"), "it was asked: {:?}", ailing.heard());
    let mut http = agent.client(&[])?.forward().await?;
    ensure!(http.get(&format!("http://{}/text/kept", origin.plain())).await?.status == 200);
    eventually(PATIENCE, "the record", || async {
        let exchanges = orchestrator.list("/exchanges?query=path:/text/kept").await?;
        Ok((exchanges.len() == 1).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_among_them_hears_no_token_and_keeps_nobody_from_joining() -> anyhow::Result<()> {
    let scratch = Scratch::new("impostor")?;
    let orchestrator = Orchestrator::start(&scratch, "orchestrator").await?;
    orchestrator.generate_keys().await?;
    let token = orchestrator.join_token().await?;
    let leaf = Ca::new("somebody else")?.leaf(&["weir-orchestrator", "localhost", "127.0.0.1"])?;
    let impostor = debian::s_server(&scratch, &leaf, &["-alpn", "h2"]).await?;
    let agent = AgentOptions::new(&scratch, "agent")
        .with("--orchestrator", format!("https://{},{}", impostor.address, orchestrator.grpc_url()))
        .with("--join-token", &token)
        .start()
        .await?;
    eventually(PATIENCE, "the agent at the true one", || async {
        let agents = orchestrator.list("/agents").await?;
        Ok((agents.len() == 1 && agents[0]["state"] == "connected").then_some(()))
    })
    .await?;
    let heard = impostor.process.log();
    ensure!(!heard.contains(&token) && !heard.contains("weir-once-"), "the token was said: {heard}");
    drop(agent);
    Ok(())
}
