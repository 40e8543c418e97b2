//! Connections of people and programs: taken, shaken hands with, served, and ended where nothing comes of them. What peers can
//! do to hold one is bounded here: a handshake that never ends, a request that never begins, an answer that nobody reads; and so is
//! how many they are, in all and of one address. Where there is no place, one makes way on which nobody asks who is signed in.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::StatusCode, response::Response};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service as _;

use super::{
    occupied::Occupied,
    paced::Paced,
    plain_words::{self, PlainWords},
};
use crate::{
    open_files,
    orchestrator::Orchestrator,
    room::{Full, MakesWay, Place, Room},
    telemetry::{Away, Door},
};

/// Of a client's time, to finish its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// To the end of a connection that is asked to end.
const LEAVE: Duration = Duration::from_secs(10);
/// The same of one on which nothing was ever asked.
const MOMENT: Duration = Duration::from_secs(1);
/// After an accept that failed for want of something, such as open files.
const PAUSE: Duration = Duration::from_millis(200);
/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 100;
/// The first byte of a TLS record that holds a handshake.
const TLS_HANDSHAKE: u8 = 22;
/// Of the files that the process may have open, the share of these connections: agents and the database need theirs.
const SHARE: usize = 4;

/// Whether a request came over TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverTls(pub(super) bool);

/// What is asked there, and who has a place to ask.
#[derive(Clone)]
pub(super) struct Asked {
    router: Router,
    orchestrator: Arc<Orchestrator>,
    room: Arc<Room>,
    words: PlainWords,
}

impl Asked {
    pub(super) fn new(router: Router, orchestrator: Arc<Orchestrator>) -> Self {
        let all = orchestrator.limits.connections.min((open_files::limit() / SHARE).max(1));
        let room = Room::new(all, orchestrator.rates.connections(), MakesWay::Idle);
        Self { router, orchestrator, room, words: PlainWords::default() }
    }

    /// A place for the connection, or why there is none. Behind a proxy there are many clients.
    fn enter(&self, peer: SocketAddr) -> Result<Arc<Place>, Full> {
        let is_proxy = self.orchestrator.proxies.has(peer.ip());
        let entered = self.room.enter(peer.ip(), is_proxy);
        let (away, whose) = match &entered {
            Ok((_, None)) => (None, peer.ip()),
            Ok((_, Some(left))) => (Some(Away::Crowded), *left),
            Err(Full::Network) => (Some(Away::Address), peer.ip()),
            Err(Full::Whole) => (Some(Away::Full), peer.ip()),
        };
        if let Some(away) = away {
            self.orchestrator.telemetry.turned_away(Door::Rest, away, whose);
        }
        entered.map(|(place, _)| Arc::new(place))
    }
}

/// Serves until `stop`; what is in progress then finishes.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, asked: Asked, stop: CancellationToken) {
    let open = TaskTracker::new();
    loop {
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
        let place = match asked.enter(peer) {
            Ok(place) => place,
            Err(full) if tls.is_none() => {
                asked.words.say(socket, plain_words::turned_away(full));
                continue;
            }
            // A handshake is more than such a one is worth.
            Err(_) => continue,
        };
        let (tls, asked, stop) = (tls.clone(), asked.clone(), stop.clone());
        open.spawn(async move {
            // Fails on a connection that is gone already.
            let _ = socket.set_nodelay(true);
            let Some(acceptor) = tls else { return requests(socket, peer, place, false, asked, stop).await };
            let shaken = tokio::select! {
                shaken = shake(socket, peer, acceptor, &asked) => shaken,
                () = place.left().cancelled() => return,
            };
            if let Some(stream) = shaken {
                requests(stream, peer, place, true, asked, stop).await;
            }
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// The connection over TLS, if one comes of it.
async fn shake(
    socket: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    asked: &Asked,
) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    let shaken = timeout(HANDSHAKE, async {
        if socket.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
            asked.words.say(socket, plain_words::TLS_HERE);
            return Ok(None);
        }
        acceptor.accept(socket).await.map(Some)
    });
    match shaken.await {
        Ok(Ok(Some(stream))) => return Some(stream),
        Ok(Ok(None)) => tracing::debug!(%peer, "plain HTTP was spoken where TLS is"),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => asked.orchestrator.telemetry.turned_away(Door::Rest, Away::Silent, peer.ip()),
    }
    None
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    place: Arc<Place>,
    tls: bool,
    Asked { router, orchestrator, .. }: Asked,
    stop: CancellationToken,
) {
    let (idle, head) = (orchestrator.limits.idle_time, orchestrator.limits.head_time);
    let occupied = Occupied::new(Arc::clone(&place));
    let (asked, stall) = (occupied.clone(), orchestrator.limits.answer_time);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let question = asked.question();
        request.extensions_mut().insert(question.asking());
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(OverTls(tls));
        let answered = router.clone().call(request.map(Body::new));
        async move {
            let answer: Result<Response, Infallible> = answered.await;
            if answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SWITCHING_PROTOCOLS) {
                question.for_good();
            }
            answer.map(|answer| answer.map(|body| question.until_the_end_of(body, stall)))
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
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(Paced::new(stream, Arc::clone(&place))), service);
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
            silent = quiet(&occupied, idle, head), if !is_leaving => {
                tracing::debug!(%peer, "nothing was asked on a connection of REST");
                if silent {
                    orchestrator.telemetry.turned_away(Door::Rest, Away::Silent, peer.ip());
                }
                is_leaving = true;
                leaving.as_mut().reset(Instant::now() + if silent { MOMENT } else { LEAVE });
                serving.as_mut().graceful_shutdown();
            }
            // Nothing is asked by anybody who is signed in, and somebody else wants to.
            () = place.left().cancelled() => return,
            // Who asked in that very moment is answered all the same.
            () = async { leaving.as_mut().await; occupied.idle(Duration::ZERO).await }, if is_leaving => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Until nothing was asked for a while, or in the beginning; whether that is it.
async fn quiet(occupied: &Occupied, idle: Duration, head: Duration) -> bool {
    tokio::select! {
        () = occupied.unasked(head) => true,
        () = occupied.idle(idle) => false,
    }
}
