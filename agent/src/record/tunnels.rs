//! Tunnels and client connections on their way into the record: each is told once, when it has ended, however it ends. What is
//! dropped half way tells itself. Must not know sockets.

use std::{
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;
use weir_host::Connection;

use super::{
    recorder::{Queue, WorkerInner},
    recording::in_words,
    wire,
};
use crate::{config::Tuning, redact::Rules, roster::Card, tunnel::Relayed};

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
    /// in force when it began
    rules: Option<Arc<Rules>>,
}

impl TunnelRecord {
    pub(super) fn off() -> Self {
        Self(None)
    }

    pub(super) fn begin(
        worker: &Rc<WorkerInner>,
        (id, of): (Uuid, Option<Uuid>),
        facts: &Arc<Connection>,
        tuning: &Tuning,
    ) -> Self {
        Self(Some(Box::new(Told {
            worker: Rc::clone(worker),
            id,
            connection: of,
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
            rules: tuning.redaction.clone(),
        })))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Where the client wants to go, without the name and password that it may have said before that.
    pub fn target(&mut self, target: impl std::fmt::Display) {
        self.write(|told| {
            let target = cut(&target);
            told.target = match target.rsplit_once('@') {
                Some((_, place)) => place.to_owned(),
                None => target,
            };
        });
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
        wire::bytes(&mut out, 13, &in_words(self.rules.as_deref(), &self.error));
        wire::number(&mut out, 14, moved.from_client);
        wire::number(&mut out, 15, moved.to_client);
        self.worker.deliver_tunnel(out);
    }
}

/// One client's connection, and what came over it: told when it is dropped. Costs nothing where nothing is recorded.
#[derive(Default)]
pub struct ConnectionRecord(#[expect(dead_code, reason = "its drop tells")] Option<Connected>);

struct Connected {
    queue: Arc<Queue>,
    card: Arc<Card>,
    began: (u64, Instant),
}

impl ConnectionRecord {
    pub(super) fn begin(queue: &Arc<Queue>, card: &Arc<Card>) -> Self {
        Self(Some(Connected { queue: Arc::clone(queue), card: Arc::clone(card), began: now() }))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let seen = self.card.seen();
        let facts = seen.facts.as_deref();
        let text = |text: Option<&Option<String>>| text.and_then(|text| text.clone()).unwrap_or_default();
        let mut out = Vec::with_capacity(256);
        wire::bytes(&mut out, 1, seen.id.as_bytes());
        times(&mut out, self.began);
        wire::text(&mut out, 4, seen.client);
        wire::bytes(&mut out, 5, facts.map_or("", |facts| facts.entry.as_str()).as_bytes());
        wire::bytes(&mut out, 6, text(facts.map(|facts| &facts.user)).as_bytes());
        wire::bytes(&mut out, 7, text(facts.map(|facts| &facts.tunnel_target)).as_bytes());
        wire::bytes(&mut out, 8, text(facts.map(|facts| &facts.server_name)).as_bytes());
        if let Some(tls) = &seen.tls {
            wire::bytes(&mut out, 9, tls.version.as_bytes());
            wire::bytes(&mut out, 10, tls.cipher_suite.as_bytes());
            wire::bytes(&mut out, 11, tls.alpn.as_bytes());
        }
        wire::number(&mut out, 12, u64::from(facts.is_some_and(|facts| facts.intercepted)));
        wire::number(&mut out, 13, seen.exchanges);
        wire::number(&mut out, 14, seen.tunnels);
        wire::number(&mut out, 15, seen.received);
        wire::number(&mut out, 16, seen.sent);
        self.queue.deliver_connection(&out);
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
