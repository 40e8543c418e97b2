//! What is known of one client's connection. Enters: each thing as it becomes known, from the connection's own worker; leaves:
//! all of it at once, for whoever asks. The numbers are written by one thread alone, and the lock is taken by nobody else
//! but where that thread is asked. Must not know sockets.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use http::{Request, header::HOST};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use uuid::Uuid;
use weir_host::Connection;

use crate::{tls::version_name, upstream::Terms};

/// What a client can make of a text, bytes; more is cut.
const LONGEST: usize = 256;

/// What a connection is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum At {
    /// what the client speaks is not known yet
    #[default]
    Detecting,
    /// its TLS is being ended here
    TlsHandshake,
    Http1,
    Http2,
    /// the target of its tunnel is being connected to
    Dialing,
    /// bytes pass and nobody looks inside
    Tunnel,
    WebSocket,
    /// another protocol than HTTP, upgraded to
    Upgraded,
}

const ALL: [At; 8] =
    [At::Detecting, At::TlsHandshake, At::Http1, At::Http2, At::Dialing, At::Tunnel, At::WebSocket, At::Upgraded];

impl At {
    /// As people and programs are told.
    pub fn as_str(self) -> &'static str {
        match self {
            At::Detecting => "detecting",
            At::TlsHandshake => "tls-handshake",
            At::Http1 => "http1",
            At::Http2 => "http2",
            At::Dialing => "dialing",
            At::Tunnel => "tunnel",
            At::WebSocket => "websocket",
            At::Upgraded => "upgraded",
        }
    }
}

/// What a client's TLS that ended here had agreed on, in the names of IANA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    pub version: &'static str,
    pub cipher_suite: String,
    pub alpn: String,
}

/// Where a connection leads by now, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    pub address: SocketAddr,
    /// `TLS 1.3` and the like
    pub tls: Option<&'static str>,
    pub alpn: Option<Cow<'static, str>>,
}

impl Reached {
    /// Without TLS of the agent's own.
    pub fn plainly(address: SocketAddr) -> Self {
        Reached { address, tls: None, alpn: None }
    }

    /// With it; none where the upstream is gone already.
    pub fn by_tls(stream: &TlsStream<TcpStream>) -> Option<Self> {
        let (socket, tls) = stream.get_ref();
        let alpn = tls.alpn_protocol().map(|alpn| Cow::Owned(cut(&String::from_utf8_lossy(alpn)).to_owned()));
        Some(Reached { address: socket.peer_addr().ok()?, tls: version_name(tls.protocol_version()), alpn })
    }
}

/// What is known of one connection.
pub struct Card {
    /// UUIDv7, so they sort as the clients came
    pub id: Uuid,
    pub client: SocketAddr,
    pub since: SystemTime,
    received: AtomicU64,
    sent: AtomicU64,
    at: AtomicU8,
    exchanges: AtomicU64,
    active: AtomicU64,
    tunnels: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    facts: Option<Arc<Connection>>,
    tls: Option<Box<Tls>>,
    /// where the last exchange wants to go, where no tunnel says it
    target: String,
    reached: Option<Reached>,
}

/// All of it, as it is at this moment.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: Uuid,
    pub client: SocketAddr,
    pub since: SystemTime,
    pub at: At,
    pub facts: Option<Arc<Connection>>,
    pub tls: Option<Tls>,
    /// `host:port`
    pub target: String,
    pub reached: Option<Reached>,
    pub exchanges: u64,
    /// of these, those that go on
    pub active: u64,
    pub tunnels: u64,
    /// bytes of the socket, TLS included
    pub received: u64,
    pub sent: u64,
}

/// One exchange, as long as it goes on.
pub struct Busy(Arc<Card>);

impl Drop for Busy {
    fn drop(&mut self) {
        // it may end on a thread that tears the worker down: nobody else writes then either
        let active = &self.0.active;
        active.store(active.load(Relaxed).saturating_sub(1), Relaxed);
    }
}

impl Card {
    pub fn new(client: SocketAddr) -> Self {
        Card {
            id: crate::ids::new(),
            client,
            since: SystemTime::now(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            at: AtomicU8::new(0),
            exchanges: AtomicU64::new(0),
            active: AtomicU64::new(0),
            tunnels: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    pub fn is_at(&self, at: At) {
        self.at.store(at as u8, Relaxed);
    }

    /// What is known of it by now.
    pub fn facts(&self, facts: &Arc<Connection>) {
        self.known.lock().facts = Some(Arc::clone(facts));
    }

    pub fn tls(&self, tls: Tls) {
        self.known.lock().tls = Some(Box::new(tls));
    }

    /// An exchange begins on it.
    pub fn exchange<B>(self: &Arc<Self>, request: &Request<B>) -> Busy {
        add(&self.exchanges, 1);
        add(&self.active, 1);
        let mut known = self.known.lock();
        if known.facts.as_ref().is_none_or(|facts| facts.tunnel_target.is_none()) {
            // copied, since the request's own keeps the buffer alive that its head was read into
            known.target.clear();
            known.target.push_str(cut(wanted(request)));
        }
        Busy(Arc::clone(self))
    }

    /// The client asks for a tunnel.
    pub fn tunnel(&self) {
        add(&self.tunnels, 1);
    }

    /// An upstream has answered an exchange of it.
    pub fn answered(&self, address: SocketAddr, terms: Terms) {
        let Terms { tls, alpn } = terms;
        self.reaches(Reached { address, tls, alpn: alpn.map(Cow::Borrowed) });
    }

    pub fn reaches(&self, reached: Reached) {
        self.known.lock().reached = Some(reached);
    }

    pub(super) fn has_received(&self, count: usize) {
        add(&self.received, count as u64);
    }

    pub(super) fn has_sent(&self, count: usize) {
        add(&self.sent, count as u64);
    }

    /// All of it.
    pub fn seen(&self) -> Seen {
        let known = self.known.lock();
        let at = self.at.load(Relaxed);
        let target = known.facts.as_ref().and_then(|facts| facts.tunnel_target.as_deref()).map(cut);
        Seen {
            id: self.id,
            client: self.client,
            since: self.since,
            at: ALL.into_iter().find(|one| *one as u8 == at).unwrap_or_default(),
            facts: known.facts.clone(),
            tls: known.tls.as_deref().cloned(),
            target: target.unwrap_or(&known.target).to_owned(),
            reached: known.reached.clone(),
            exchanges: self.exchanges.load(Relaxed),
            active: self.active.load(Relaxed),
            tunnels: self.tunnels.load(Relaxed),
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
        }
    }
}

/// One thread alone writes it: a load and a store are enough.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

/// `host` or `host:port`, without the name and password that may stand before them.
fn wanted<B>(request: &Request<B>) -> &str {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let wanted = authority.or_else(host).unwrap_or_default();
    wanted.rsplit_once('@').map_or(wanted, |(_, place)| place)
}

/// As much of a text of others as is told.
pub fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Arc<Card> {
        Arc::new(Card::new(SocketAddr::from(([192, 0, 2, 1], 9))))
    }

    fn request(uri: &str) -> Request<()> {
        Request::builder().uri(uri).header(HOST, "by-its-field").body(()).unwrap()
    }

    #[test]
    fn exchanges_are_counted_and_say_where_they_want_to_go() {
        let card = card();
        let first = card.exchange(&request("http://ada:secret@one.example:8080/x"));
        assert_eq!((card.seen().target.as_str(), card.seen().active), ("one.example:8080", 1));
        let second = card.exchange(&request("/y"));
        drop(first);
        let seen = card.seen();
        assert_eq!((seen.target.as_str(), seen.exchanges, seen.active), ("by-its-field", 2, 1));
        drop(second);
        assert_eq!(card.seen().active, 0);
        let long = card.exchange(&request(&format!("http://{}/", "a".repeat(5000))));
        assert_eq!(card.seen().target.len(), LONGEST);
        drop(long);
    }

    #[test]
    fn where_a_tunnel_leads_goes_before_what_is_asked_in_it() {
        let card = card();
        let facts = Connection {
            entry: weir_host::Entry::Connect,
            client_address: card.client,
            user: None,
            tunnel_target: Some("tunnel.example:443".to_owned()),
            server_name: None,
            intercepted: true,
        };
        card.facts(&Arc::new(facts));
        let _busy = card.exchange(&request("https://inside.example/"));
        assert_eq!(card.seen().target, "tunnel.example:443");
    }

    #[test]
    fn every_stage_is_told_as_what_it_is() {
        let card = card();
        for at in ALL {
            card.is_at(at);
            assert_eq!(card.seen().at, at);
        }
        let names: std::collections::HashSet<_> = ALL.map(At::as_str).into();
        assert_eq!(names.len(), ALL.len());
    }
}
