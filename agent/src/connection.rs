//! What becomes of a connection: THE TABLE OF CONTENTS. Enters: an accepted socket; leaves: nothing, the client has been
//! served. It peeks, decides, runs the stage, and goes round again with what came out of it: CONNECT, then TLS, then
//! HTTP. Must not know what a stage does.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::Request;
use socket2::SockRef;
use tokio::net::TcpStream;

use tokio::time::{Duration, Instant, sleep_until};
use weir_host::{Connection, Entry};

use crate::drain::Member;
use crate::entry::next::{Situation, Stage, next, why};
use crate::entry::peek::peek;
use crate::entry::{connect, http1, http2};
use crate::io::{self, Io};
use crate::record::TunnelRecord;
use crate::room::Seat;
use crate::roster::{At, Busy, Card, Ends, Reached};
use crate::target::Target;
use crate::worker::Worker;
use crate::{tls, tunnel};

/// CONNECT, its TLS and its HTTP are three; no honest client needs more than twice as many.
const MAX_STAGES: usize = 6;

/// How long a client that has connected may take to say the first of what it wants, although the agent is to stop.
const NEWCOMER: Duration = Duration::from_millis(500);

/// What is known of a connection, which grows from stage to stage.
pub struct Cx {
    pub worker: Rc<Worker>,
    /// what filters are told
    pub facts: Arc<Connection>,
    /// where the tunnel leads, once there is one
    pub origin: Option<Target>,
    pub situation: Situation,
    /// the target's end of the tunnel, where it had to be reached early
    pub far: Option<Io>,
    /// filters have said whether TLS in the tunnel ends here
    pub intercept: Option<bool>,
    /// what TLS agreed on with the client (ALPN)
    pub alpn: Option<Vec<u8>>,
    /// when the client said the first of what its present stage reads
    pub spoke: Option<Instant>,
    /// when it was accepted
    pub came: Instant,
    pub member: Member,
    /// what is known of the client's connection, for whoever asks; none where there is no client
    card: Option<Arc<Card>>,
    /// one of several streams of the connection: what it is at, the connection is not
    is_stream: bool,
    /// what is told of its tunnel when it has ended
    pub tunnel: Option<TunnelRecord>,
}

impl Cx {
    pub fn new(worker: Rc<Worker>, client_address: SocketAddr) -> Self {
        let facts = Connection {
            entry: Entry::Forward,
            client_address,
            user: None,
            tunnel_target: None,
            server_name: None,
            intercepted: false,
        };
        let member = worker.drain.join();
        let facts = Arc::new(facts);
        Cx {
            card: None,
            is_stream: false,
            tunnel: None,
            facts,
            origin: None,
            situation: Situation::default(),
            far: None,
            intercept: None,
            alpn: None,
            spoke: None,
            came: Instant::now(),
            member,
            worker,
        }
    }

    /// The agent is to stop, and the client is not one that has only just come: what that one asks is on its way.
    pub async fn is_to_end(&self) {
        self.member.begun().await;
        sleep_until(self.came + NEWCOMER).await;
    }

    /// What the connection is at from here on.
    pub fn is_at(&self, at: At) {
        if let Some(card) = self.own_card() {
            card.is_at(at);
        }
    }

    /// More is known of the connection.
    pub fn tell(&self) {
        if let Some(card) = self.own_card() {
            card.facts(&self.facts);
        }
    }

    /// Whom the tunnel has reached, where it is known.
    pub fn reaches(&mut self, reached: Option<Reached>) {
        let Some(reached) = reached else { return };
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.upstream(reached.address);
        }
        if let Some(card) = self.own_card() {
            card.reaches(reached);
        }
    }

    /// What is known of the connection, where all of it is what this is.
    pub fn own_card(&self) -> Option<&Arc<Card>> {
        self.card.as_ref().filter(|_| !self.is_stream)
    }

    /// What is known of the connection, though this is one stream of it.
    pub fn card(&self) -> Option<&Arc<Card>> {
        self.card.as_ref()
    }

    /// An exchange begins, and goes on as long as this is kept.
    pub fn exchange<B>(&self, request: &Request<B>) -> Option<Busy> {
        self.card.as_ref().map(|card| card.exchange(request))
    }

    /// Why nobody looks into the tunnel; the first reason counts.
    pub fn uninspected(&mut self, why: &'static str) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.because(why);
        }
    }

    /// A filter has said whether somebody does.
    pub fn uninspected_unless(&mut self, intercept: bool) {
        if !intercept {
            self.uninspected("filter");
        }
    }

    /// For a stream of an HTTP/2 connection, which may become a tunnel of its own.
    pub fn stream(&self) -> Self {
        Cx {
            worker: Rc::clone(&self.worker),
            facts: Arc::clone(&self.facts),
            origin: self.origin.clone(),
            situation: self.situation,
            far: None,
            intercept: None,
            alpn: None,
            spoke: None,
            came: self.came,
            member: self.worker.drain.join(),
            card: self.card.clone(),
            is_stream: true,
            tunnel: None,
        }
    }
}

/// `seat` is the client's: it is given back when the socket is closed, whoever has it by then.
pub async fn serve(mut cx: Cx, stream: TcpStream, seat: Seat) {
    let worker = Rc::clone(&cx.worker);
    // Small writes are whole messages here; none gains from waiting for the next.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(io::STALLED));
    let card = Arc::new(Card::new(cx.facts.client_address));
    let record = worker.recorder.connection(&card, &worker.tuning.now());
    let stream = worker.roster.watch(stream, Arc::clone(&card), Ends::new(&worker.shared, record, seat));
    cx.card = Some(card);
    cx.tell();
    stages(&mut cx, Io::new(stream)).await;
}

/// Also of a tunnel that is one stream of an HTTP/2 connection.
pub async fn stages(cx: &mut Cx, mut io: Io) {
    for _ in 0..MAX_STAGES {
        cx.is_at(At::Detecting);
        let Some(protocol) = peek(cx, &mut io).await else {
            return cx.tunnel.take().map_or((), |tunnel| tunnel.ends("silent"));
        };
        let stage = next(protocol, cx.situation);
        match stage {
            Stage::Http1 | Stage::Http2 => {
                if let Some(tunnel) = cx.tunnel.take() {
                    tunnel.is_inspected();
                }
                cx.is_at(if stage == Stage::Http1 { At::Http1 } else { At::Http2 });
            }
            Stage::Tunnel => cx.uninspected(why(protocol, cx.situation)),
            Stage::Intercept => cx.is_at(At::TlsHandshake),
            Stage::Close => {}
        }
        let came_out = match stage {
            Stage::Http1 => http1::http1(cx, io).await.map(|(io, tunnel)| connect::enter(cx, io, tunnel)),
            Stage::Http2 => return http2::http2(cx, io).await,
            Stage::Intercept => Box::pin(tls::intercept(cx, io)).await,
            Stage::Tunnel => return Box::pin(tunnel::run(cx, io)).await,
            Stage::Close => return,
        };
        match came_out {
            Some(next) => io = next,
            None => return,
        }
    }
}
