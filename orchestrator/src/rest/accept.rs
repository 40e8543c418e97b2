//! Connections of people and programs: taken, shaken hands with, served, and ended where nothing comes of them. What peers can
//! do to hold one is bounded here: a handshake that never ends, a request that never begins, an answer that nobody reads.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, response::Response};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service as _;

use super::{occupied::Occupied, paced::Paced};

/// Open at a time; others wait in the system's queue.
const CONNECTIONS: usize = 4096;
/// Of a client's time, to finish its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// To the end of a connection that is asked to end.
const LEAVE: Duration = Duration::from_secs(10);
/// After an accept that failed for want of something, such as open files.
const PAUSE: Duration = Duration::from_millis(200);
/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 100;
/// The first byte of a TLS record that holds a handshake.
const TLS_HANDSHAKE: u8 = 22;
/// Of what is said in plain HTTP there, so much is taken.
const LONGEST_PLAIN: u64 = 64 << 10;
/// To who speaks plain HTTP where TLS is spoken.
const PLAIN_HERE: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n\
    {\"type\":\"urn:weir:problem:bad-request\",\"title\":\"Bad Request\",\"status\":400,\
    \"detail\":\"this port speaks TLS: use https://\"}\n";

/// Whether a request came over TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverTls(pub(super) bool);

/// What is asked there, and for how long a connection waits for that.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) router: Router,
    pub(super) idle: Duration,
}

/// Serves until `stop`; what is in progress then finishes.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, asked: Asked, stop: CancellationToken) {
    let (open, turns) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { break };
        let (socket, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "REST cannot take a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let (tls, asked, stop) = (tls.clone(), asked.clone(), stop.clone());
        open.spawn(async move {
            let _turn = turn;
            connection(socket, peer, tls, asked, stop).await;
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

async fn connection(
    mut socket: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    asked: Asked,
    stop: CancellationToken,
) {
    // Fails on a connection that is gone already.
    let _ = socket.set_nodelay(true);
    let Some(acceptor) = tls else { return requests(socket, peer, false, asked, stop).await };
    let mut first = [0];
    let shaken = timeout(HANDSHAKE, async {
        if socket.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
            // Whoever does not want to know is gone. What they sent is taken first: else the answer is lost with the connection.
            let _ = socket.write_all(PLAIN_HERE).await;
            let _ = socket.shutdown().await;
            let _ = tokio::io::copy(&mut socket.take(LONGEST_PLAIN), &mut tokio::io::sink()).await;
            return Ok(None);
        }
        acceptor.accept(socket).await.map(Some)
    });
    match shaken.await {
        Ok(Ok(Some(stream))) => requests(stream, peer, true, asked, stop).await,
        Ok(Ok(None)) => tracing::debug!(%peer, "plain HTTP was spoken where TLS is"),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took longer than {} s", HANDSHAKE.as_secs()),
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    tls: bool,
    Asked { router, idle }: Asked,
    stop: CancellationToken,
) {
    let occupied = Occupied::new();
    let asking = occupied.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let question = asking.question();
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(OverTls(tls));
        let answered = router.clone().call(request.map(Body::new));
        async move {
            let answer: Result<Response, Infallible> = answered.await;
            answer.map(|answer| answer.map(|body| question.until_the_end_of(body)))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(idle);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(Paced::new(stream)), service);
    tokio::pin!(serving);
    let mut stopping = false;
    let leaving = tokio::time::sleep(Duration::MAX);
    tokio::pin!(leaving);
    let mut is_leaving = false;
    loop {
        tokio::select! {
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection of REST broke off");
                }
                return;
            }
            // Pings keep a connection of HTTP/2 open, not its place here.
            () = occupied.idle(idle), if !is_leaving => {
                tracing::debug!(%peer, "nothing was asked on a connection of REST");
                is_leaving = true;
                leaving.as_mut().reset(Instant::now() + LEAVE);
                serving.as_mut().graceful_shutdown();
            }
            // Who asked in that very moment is answered all the same.
            () = async { leaving.as_mut().await; occupied.idle(Duration::ZERO).await }, if is_leaving => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}
