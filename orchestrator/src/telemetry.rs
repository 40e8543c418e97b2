//! The server's own counters, as Prometheus reads them. Each event is counted in one place, here.

mod turned_away;

use std::{
    net::IpAddr,
    sync::atomic::{AtomicI64, AtomicU64},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use uuid::Uuid;
use weir_proto::PAUSE_ENDS;

use crate::store::StoreError;

pub(crate) use turned_away::{Away, Door};
use turned_away::{Told, TurnedAway};

/// Counters and the text they are read as.
pub(crate) struct Telemetry {
    registry: Registry,
    exchanges: Family<[(&'static str, &'static str); 1], Counter<u64, AtomicU64>>,
    records: Family<[(&'static str, &'static str); 1], Counter<u64, AtomicU64>>,
    commits: Histogram,
    commit_failures: Counter<u64, AtomicU64>,
    agents: Gauge<i64, AtomicI64>,
    requests: Family<[(&'static str, String); 1], Counter<u64, AtomicU64>>,
    deleted: Counter<u64, AtomicU64>,
    pauses: Family<[(&'static str, &'static str); 1], Counter<u64, AtomicU64>>,
    turned_away: TurnedAway,
    paced: Counter<u64, AtomicU64>,
    paced_told: Mutex<Told>,
    joins: Counter<u64, AtomicU64>,
    joins_told: Mutex<Told>,
}

/// The end of a pause that a later agent may tell of.
const OTHER: &str = "other";

impl Telemetry {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("weir_orchestrator");
        // 0.5 ms to 16 s
        let commits = Histogram::new((0..16).map(|power| 0.000_5 * f64::from(1 << power)));
        let new = Self {
            exchanges: Family::default(),
            records: Family::default(),
            commits,
            commit_failures: Counter::default(),
            agents: Gauge::default(),
            requests: Family::default(),
            deleted: Counter::default(),
            pauses: Family::default(),
            turned_away: TurnedAway::default(),
            paced: Counter::default(),
            paced_told: Mutex::default(),
            joins: Counter::default(),
            joins_told: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register(
            "exchanges",
            "Recorded exchanges: stored, repeated (delivered before), refused (not an exchange), dropped (agents could not keep)",
            new.exchanges.clone(),
        );
        registry.register(
            "records",
            "All that agents recorded but exchanges, messages above all: taken, refused (cannot be kept), dropped (agents could not keep)",
            new.records.clone(),
        );
        registry.register("commit_seconds", "Time of one transaction of exchanges", new.commits.clone());
        registry.register("commit_failures", "Transactions of exchanges that failed", new.commit_failures.clone());
        registry.register("agents_connected", "Agents with an open control stream", new.agents.clone());
        registry.register("requests", "REST requests by status", new.requests.clone());
        registry.register("exchanges_deleted", "Exchanges beyond the retention bounds", new.deleted.clone());
        registry.register(
            "pauses",
            "Pauses at breakpoints that agents told here are over, by what ended them",
            new.pauses.clone(),
        );
        registry.register(
            "connections_turned_away",
            "Connections that were turned away or told to leave: silent, crowded (at nothing, made way for another), address, \
             full, agent (has too many)",
            new.turned_away.counts(),
        );
        registry.register(
            "agent_calls_refused",
            "Streams and calls of agents that began more of them than they may in a minute",
            new.paced.clone(),
        );
        registry.register(
            "joins_refused",
            "Attempts to join that were not looked at, since too many from their address came to nothing",
            new.joins.clone(),
        );
        for end in PAUSE_ENDS.into_iter().chain([OTHER]) {
            drop(new.pauses.get_or_create(&[("end", end)]));
        }
        for kind in ["stored", "repeated", "refused", "dropped"] {
            drop(new.exchanges.get_or_create(&[("kind", kind)]));
        }
        for kind in ["taken", "refused", "dropped"] {
            drop(new.records.get_or_create(&[("kind", kind)]));
        }
        Self { registry, ..new }
    }

    /// One batch is answered for.
    pub(crate) fn recorded(&self, stored: u64, repeated: u64) {
        self.exchanges.get_or_create(&[("kind", "stored")]).inc_by(stored);
        self.exchanges.get_or_create(&[("kind", "repeated")]).inc_by(repeated);
    }

    /// Of a batch of an agent so many are no exchanges, the first for this reason.
    pub(crate) fn refused(&self, agent: &str, count: u64, reason: &str) {
        self.exchanges.get_or_create(&[("kind", "refused")]).inc_by(count);
        tracing::warn!(agent, count, reason, "the agent sent exchanges that cannot be stored");
    }

    /// Messages and the like came; some may have come before.
    pub(crate) fn recorded_others(&self, count: u64) {
        self.records.get_or_create(&[("kind", "taken")]).inc_by(count);
    }

    /// The same of others.
    pub(crate) fn refused_record(&self, agent: &str, count: u64, reason: &str) {
        self.records.get_or_create(&[("kind", "refused")]).inc_by(count);
        tracing::warn!(agent, count, reason, "the agent sent records that cannot be stored");
    }

    /// An agent had to let go of exchanges, or of others.
    pub(crate) fn dropped(&self, agent: &str, count: u64, others: u64) {
        if others > 0 {
            self.records.get_or_create(&[("kind", "dropped")]).inc_by(others);
            tracing::warn!(agent, count = others, "the agent could not record every message and the like");
        }
        if count > 0 {
            self.exchanges.get_or_create(&[("kind", "dropped")]).inc_by(count);
            tracing::warn!(agent, count, "the agent could not record every exchange");
        }
    }

    /// One transaction ended.
    pub(crate) fn committed<T>(&self, took: Duration, result: &Result<T, StoreError>) {
        self.commits.observe(took.as_secs_f64());
        if result.is_err() {
            self.commit_failures.inc();
        }
    }

    pub(crate) fn agent_connected(&self) {
        self.agents.inc();
    }

    pub(crate) fn agent_disconnected(&self) {
        self.agents.dec();
    }

    pub(crate) fn request(&self, status: u16) {
        self.requests.get_or_create(&[("status", status.to_string())]).inc();
    }

    pub(crate) fn deleted(&self, count: u64) {
        self.deleted.inc_by(count);
    }

    /// An agent told that a pause is over.
    pub(crate) fn pause_ended(&self, by: &str) {
        let end = PAUSE_ENDS.into_iter().find(|end| *end == by).unwrap_or(OTHER);
        self.pauses.get_or_create(&[("end", end)]).inc();
    }

    /// A connection of this address is not let in, or has to leave.
    pub(crate) fn turned_away(&self, door: Door, away: Away, peer: IpAddr) {
        self.turned_away.one(door, away, peer);
    }

    /// An agent began more streams and calls than it may.
    pub(crate) fn paced(&self, agent: Uuid) {
        self.paced.inc();
        if let Some(count) = self.paced_told.lock().one(Instant::now()) {
            tracing::warn!(%agent, count, "an agent begins streams without end: calls are refused until it slows down");
        }
    }

    /// An attempt to join is not looked at: too many from its address came to nothing.
    pub(crate) fn joins_refused(&self, peer: IpAddr) {
        self.joins.inc();
        if let Some(count) = self.joins_told.lock().one(Instant::now()) {
            tracing::warn!(%peer, count, "attempts to join were refused: too many from this address came to nothing");
        }
    }

    /// The OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
