//! What becomes of a connection: THE TABLE OF CONTENTS. Enters: an accepted socket; leaves: nothing, the client has been
//! served. It peeks, decides, runs the stage, and goes round again with what came out of it: CONNECT, then TLS, then
//! HTTP. Must not know what a stage does.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, sleep_until};
use weir_host::{Connection, Entry};

use crate::drain::Member;
use crate::entry::next::{Situation, Stage, next, why};
use crate::entry::peek::peek;
use crate::entry::{connect, http1, http2};
use crate::io::{self, Io};
use crate::record::{ConnectionRecord, TunnelRecord};
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
    /// what is told of the connection when it has ended
    pub record: Rc<ConnectionRecord>,
    /// and of its tunnel
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
            record: Rc::default(),
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
            record: Rc::clone(&self.record),
            tunnel: None,
        }
    }
}

pub async fn serve(mut cx: Cx, stream: TcpStream) {
    let worker = Rc::clone(&cx.worker);
    worker.shared.stats.connection_opened();
    // Small writes are whole messages here; none gains from waiting for the next.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(io::STALLED));
    let stream = worker.roster.watch(stream, cx.facts.client_address);
    cx.record = Rc::new(worker.recorder.connection(stream.card(), &cx.facts));
    stages(&mut cx, Io::new(stream)).await;
    cx.record.is(&cx.facts);
    worker.shared.stats.connection_closed();
}

/// Also of a tunnel that is one stream of an HTTP/2 connection.
pub async fn stages(cx: &mut Cx, mut io: Io) {
    for _ in 0..MAX_STAGES {
        let Some(protocol) = peek(cx, &mut io).await else {
            return cx.tunnel.take().map_or((), |tunnel| tunnel.ends("silent"));
        };
        let stage = next(protocol, cx.situation);
        match stage {
            Stage::Http1 | Stage::Http2 => cx.tunnel.take().map_or((), TunnelRecord::is_inspected),
            Stage::Tunnel => cx.uninspected(why(protocol, cx.situation)),
            Stage::Intercept | Stage::Close => {}
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
