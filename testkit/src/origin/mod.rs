//! An HTTP origin in the test's own process: plain, TLS with h2 and HTTP/1.1, TLS with HTTP/1.1 alone. It keeps what
//! it heard. What it answers is in `routes`.

mod routes;

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, Method, Uri, Version, request::Parts};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::ca::{self, Ca};

/// Heads kept; older ones are forgotten, under load there are many.
const KEPT: usize = 4096;

/// A request head as it arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Method.
    pub method: Method,
    /// Target as it was on the wire (h2: with scheme and authority).
    pub uri: Uri,
    /// Version.
    pub version: Version,
    /// Fields.
    pub headers: HeaderMap,
}

#[derive(Default)]
struct State {
    requests: AtomicU64,
    connections: AtomicU64,
    heard: Mutex<VecDeque<Heard>>,
}

impl State {
    fn hear(&self, head: &Parts) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() == KEPT {
            heard.pop_front();
        }
        heard.push_back(Heard {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
        });
    }
}

/// See the module. Stops when dropped.
pub struct Origin {
    plain: SocketAddr,
    tls: SocketAddr,
    tls_http1: SocketAddr,
    state: Arc<State>,
    tasks: Vec<JoinHandle<()>>,
}

impl Origin {
    /// Its certificate, from `ca`, is for `localhost`, `*.localhost` and 127.0.0.1.
    pub async fn start(ca: &Ca) -> anyhow::Result<Self> {
        Self::start_at(ca, [0; 3]).await
    }

    /// At these ports: plain, TLS, TLS with HTTP/1.1 alone.
    pub async fn start_at(ca: &Ca, ports: [u16; 3]) -> anyhow::Result<Self> {
        let leaf = ca.leaf(&["localhost", "*.localhost", "127.0.0.1"])?;
        let both = TlsAcceptor::from(ca::server(&leaf, &[b"h2", b"http/1.1"])?);
        let http1 = TlsAcceptor::from(ca::server(&leaf, &[b"http/1.1"])?);
        let state = Arc::<State>::default();
        let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 3];
        let mut tasks = Vec::new();
        for (at, tls) in [None, Some(both), Some(http1)].into_iter().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports[at])).await?;
            addresses[at] = listener.local_addr()?;
            tasks.push(tokio::spawn(listen(listener, tls, state.clone())));
        }
        let [plain, tls, tls_http1] = addresses;
        Ok(Self { plain, tls, tls_http1, state, tasks })
    }

    /// Without TLS.
    pub fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// With TLS, h2 and HTTP/1.1.
    pub fn tls(&self) -> SocketAddr {
        self.tls
    }

    /// With TLS and HTTP/1.1 alone.
    pub fn tls_http1(&self) -> SocketAddr {
        self.tls_http1
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// The last heads heard, oldest first.
    pub fn heard(&self) -> Vec<Heard> {
        self.state.heard.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The last head heard for this path and query.
    pub fn heard_for(&self, path: &str) -> Option<Heard> {
        self.heard().into_iter().rev().find(|heard| heard.uri.path_and_query().is_some_and(|p| p.as_str() == path))
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(connection(stream, tls.clone(), state.clone()));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    // A small response must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return serve(stream, false, state).await };
    // A client that gives up its handshake is that client's matter.
    if let Ok(stream) = tls.accept(stream).await {
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        serve(stream, http2, state).await;
    }
}

async fn serve<S>(stream: S, http2: bool, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| routes::answer(state.clone(), request));
    // Connections end as the tests want them to: nothing to report.
    if http2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.preserve_header_case(true);
        let _ = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    }
}
