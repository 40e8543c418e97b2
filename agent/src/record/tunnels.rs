//! Tunnels and client connections on their way into the record: each is told once, when it has ended, however it ends. What is
//! dropped half way tells itself. Must not know sockets.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;
use weir_host::Connection;

use super::{recorder::WorkerInner, wire};
use crate::{roster::Card, tunnel::Relayed};

/// What a ClientHello or a filter can make of a text, bytes; more is cut.
const LONGEST: usize = 1 << 10;

/// One tunnel. Costs nothing where nothing is recorded.
pub struct TunnelRecord(Option<Box<Told>>);

struct Told {
    worker: Rc<WorkerInner>,
    id: Uuid,
    connection: Option<Uuid>,
    began: (u64, Instant),
    facts: Arc<Connection>,
    target: String,
    server_name: Option<String>,
    upstream: Option<SocketAddr>,
    uninspected: &'static str,
    outcome: &'static str,
    error: String,
    moved: Cell<Relayed>,
    is_inspected: bool,
}

impl TunnelRecord {
    pub(super) fn off() -> Self {
        Self(None)
    }

    pub(super) fn begin(worker: &Rc<WorkerInner>, id: Uuid, of: &ConnectionRecord, facts: &Arc<Connection>) -> Self {
        of.count(|of| &of.tunnels);
        Self(Some(Box::new(Told {
            worker: Rc::clone(worker),
            id,
            connection: of.0.as_ref().map(|of| of.card.id),
            began: now(),
            facts: Arc::clone(facts),
            target: String::new(),
            server_name: None,
            upstream: None,
            uninspected: "",
            outcome: "cut-off",
            error: String::new(),
            moved: Cell::default(),
            is_inspected: false,
        })))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Where the client wants to go.
    pub fn target(&mut self, target: impl std::fmt::Display) {
        self.write(|told| told.target = cut(&target));
    }

    pub fn upstream(&mut self, address: SocketAddr) {
        self.write(|told| told.upstream = Some(address));
    }

    pub fn server_name(&mut self, name: Option<String>) {
        self.write(|told| told.server_name = name.or_else(|| told.server_name.take()));
    }

    /// Why nobody looks inside; the first reason counts.
    pub fn because(&mut self, why: &'static str) {
        self.write(|told| {
            if told.uninspected.is_empty() {
                told.uninspected = why;
            }
        });
    }

    /// Somebody looks inside: that is told of in exchanges.
    pub fn is_inspected(mut self) {
        self.write(|told| told.is_inspected = true);
    }

    /// Bytes that have gone through, as they go.
    pub fn moved(&self) -> Option<&Cell<Relayed>> {
        self.0.as_ref().map(|told| &told.moved)
    }

    pub fn ends(mut self, outcome: &'static str) {
        self.write(|told| told.outcome = outcome);
    }

    pub fn fails(mut self, outcome: &'static str, error: impl std::fmt::Display) {
        self.write(|told| {
            told.outcome = outcome;
            told.error = cut(&error);
        });
    }

    fn write(&mut self, write: impl FnOnce(&mut Told)) {
        if let Some(told) = &mut self.0 {
            write(told);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.is_inspected {
            return;
        }
        let moved = self.moved.get();
        let mut out = self.worker.buffer();
        wire::bytes(&mut out, 1, self.id.as_bytes());
        times(&mut out, self.began);
        wire::bytes(&mut out, 4, self.connection.as_ref().map_or(&[][..], |id| &id.as_bytes()[..]));
        wire::text(&mut out, 5, self.facts.client_address);
        wire::bytes(&mut out, 6, self.facts.entry.as_str().as_bytes());
        wire::bytes(&mut out, 7, self.facts.user.as_deref().unwrap_or_default().as_bytes());
        wire::bytes(&mut out, 8, self.target.as_bytes());
        wire::bytes(&mut out, 9, self.server_name.as_deref().unwrap_or_default().as_bytes());
        if let Some(address) = self.upstream {
            wire::text(&mut out, 10, address);
        }
        wire::bytes(&mut out, 11, self.uninspected.as_bytes());
        wire::bytes(&mut out, 12, self.outcome.as_bytes());
        wire::bytes(&mut out, 13, self.error.as_bytes());
        wire::number(&mut out, 14, moved.from_client);
        wire::number(&mut out, 15, moved.to_client);
        self.worker.deliver_tunnel(out);
    }
}

/// One client's connection, and what came over it. Costs nothing where nothing is recorded.
#[derive(Default)]
pub struct ConnectionRecord(Option<Box<Connected>>);

struct Connected {
    worker: Rc<WorkerInner>,
    card: Arc<Card>,
    began: (u64, Instant),
    facts: RefCell<Arc<Connection>>,
    tls: RefCell<Option<Tls>>,
    exchanges: Cell<u64>,
    tunnels: Cell<u64>,
}

/// What a client's TLS that ended here had agreed on, in the names of IANA.
pub struct Tls {
    pub version: String,
    pub cipher_suite: String,
    pub alpn: String,
}

impl ConnectionRecord {
    pub(super) fn off() -> Self {
        Self(None)
    }

    pub(super) fn begin(worker: &Rc<WorkerInner>, card: &Arc<Card>, facts: &Arc<Connection>) -> Self {
        Self(Some(Box::new(Connected {
            worker: Rc::clone(worker),
            card: Arc::clone(card),
            began: now(),
            facts: RefCell::new(Arc::clone(facts)),
            tls: RefCell::default(),
            exchanges: Cell::default(),
            tunnels: Cell::default(),
        })))
    }

    /// What is known of it by now.
    pub fn is(&self, facts: &Arc<Connection>) {
        if let Some(connected) = &self.0 {
            connected.facts.replace(Arc::clone(facts));
        }
    }

    pub fn tls(&self, tls: impl FnOnce() -> Tls) {
        if let Some(connected) = &self.0 {
            connected.tls.replace(Some(tls()));
        }
    }

    /// An exchange begins on it.
    pub fn exchange(&self) {
        self.count(|connected| &connected.exchanges);
    }

    fn count(&self, what: impl FnOnce(&Connected) -> &Cell<u64>) {
        if let Some(connected) = &self.0 {
            let count = what(connected);
            count.set(count.get() + 1);
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let facts = self.facts.get_mut();
        let mut out = self.worker.buffer();
        wire::bytes(&mut out, 1, self.card.id.as_bytes());
        times(&mut out, self.began);
        wire::text(&mut out, 4, facts.client_address);
        wire::bytes(&mut out, 5, facts.entry.as_str().as_bytes());
        wire::bytes(&mut out, 6, facts.user.as_deref().unwrap_or_default().as_bytes());
        wire::bytes(&mut out, 7, facts.tunnel_target.as_deref().unwrap_or_default().as_bytes());
        wire::bytes(&mut out, 8, facts.server_name.as_deref().unwrap_or_default().as_bytes());
        if let Some(tls) = self.tls.get_mut() {
            wire::bytes(&mut out, 9, tls.version.as_bytes());
            wire::bytes(&mut out, 10, tls.cipher_suite.as_bytes());
            wire::bytes(&mut out, 11, tls.alpn.as_bytes());
        }
        wire::number(&mut out, 12, u64::from(facts.intercepted));
        wire::number(&mut out, 13, self.exchanges.get());
        wire::number(&mut out, 14, self.tunnels.get());
        let (received, sent) = self.card.bytes();
        wire::number(&mut out, 15, received);
        wire::number(&mut out, 16, sent);
        self.worker.deliver_connection(out);
    }
}

fn now() -> (u64, Instant) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (u64::try_from(now.as_micros()).unwrap_or(u64::MAX), Instant::now())
}

fn times(out: &mut Vec<u8>, (started_us, began): (u64, Instant)) {
    wire::number(out, 2, started_us);
    wire::number(out, 3, u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1));
}

fn cut(text: &impl std::fmt::Display) -> String {
    let mut text = text.to_string();
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}
