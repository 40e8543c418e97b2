//! Counters: one update per event, from the one place where it happens. Events enter; `scrape` reads the sums. Must not
//! know how they are shown.
//!
//! Each thread counts in a shard of its own, so that two cores never write the same cache line.

mod custom;
mod scrape;

use std::{
    cell::Cell,
    sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

pub use scrape::text;
use weir_host::Entry;
use weir_proto::v1::Outcome;

use crate::upstream::UpstreamFailure;

const ENTRIES: [Entry; 5] = [Entry::Forward, Entry::Connect, Entry::Socks5, Entry::Transparent, Entry::Reverse];
const OUTCOMES: [(Outcome, &str); 8] = [
    (Outcome::Complete, "complete"),
    (Outcome::ClientGone, "client-gone"),
    (Outcome::UpstreamFailed, "upstream-failed"),
    (Outcome::FilterAnswered, "filter-answered"),
    (Outcome::FilterFailed, "filter-failed"),
    (Outcome::Refused, "refused"),
    (Outcome::Upgraded, "upgraded"),
    (Outcome::ShutDown, "shut-down"),
];
const FAILURES: [&str; 10] =
    ["refused", "reset", "timeout", "dns", "tls", "protocol", "too-large", "denied", "request-body", "own"];
/// Upper bounds of the duration histogram, microseconds.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// Which way bytes go. On the wire's inner side: of messages, not of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    FromClient,
    ToClient,
    FromUpstream,
    ToUpstream,
}

const WAYS: [(Way, &str); 4] = [
    (Way::FromClient, "from-client"),
    (Way::ToClient, "to-client"),
    (Way::FromUpstream, "from-upstream"),
    (Way::ToUpstream, "to-upstream"),
];

/// The other end of a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Client,
    Upstream,
}

const PEERS: [(Peer, &str); 2] = [(Peer::Client, "client"), (Peer::Upstream, "upstream")];

/// Alone on its cache lines (two, since processors fetch them in pairs).
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    connections: AtomicU64,
    connections_active: AtomicI64,
    connections_refused: AtomicU64,
    tunnels_active: AtomicI64,
    exchanges: [[AtomicU64; OUTCOMES.len()]; ENTRIES.len()],
    exchanges_active: AtomicI64,
    durations: [AtomicU64; BOUNDS.len() + 1],
    duration_us: AtomicU64,
    bytes: [AtomicU64; WAYS.len()],
    upstream_failures: [AtomicU64; FAILURES.len()],
    handshakes: [AtomicU64; PEERS.len()],
    handshakes_failed: [AtomicU64; PEERS.len()],
}

/// Shared by all threads.
pub struct Stats {
    shards: Box<[Shard]>,
}

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static THREAD: Cell<usize> = Cell::new(NEXT_THREAD.fetch_add(1, Relaxed));
}

impl Default for Stats {
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

impl Stats {
    /// With room for so many workers to count without meeting.
    pub fn new(workers: usize) -> Self {
        Self { shards: (0..(workers + 1).next_power_of_two()).map(|_| Shard::default()).collect() }
    }

    fn shard(&self) -> &Shard {
        &self.shards[THREAD.get() & (self.shards.len() - 1)]
    }

    /// A client is connected.
    pub fn connection_opened(&self) {
        self.shard().connections.fetch_add(1, Relaxed);
        self.shard().connections_active.fetch_add(1, Relaxed);
    }

    /// It is not any more.
    pub fn connection_closed(&self) {
        self.shard().connections_active.fetch_sub(1, Relaxed);
    }

    /// A client was turned away: too many are connected.
    pub fn connection_refused(&self) {
        self.shard().connections_refused.fetch_add(1, Relaxed);
    }

    /// An opaque tunnel or an upgraded connection is open.
    pub fn tunnel_opened(&self) {
        self.shard().tunnels_active.fetch_add(1, Relaxed);
    }

    /// It is not any more.
    pub fn tunnel_closed(&self) {
        self.shard().tunnels_active.fetch_sub(1, Relaxed);
    }

    /// A request head is there.
    pub fn exchange_began(&self) {
        self.shard().exchanges_active.fetch_add(1, Relaxed);
    }

    /// The exchange is over.
    pub fn exchange_ended(&self, entry: Entry, outcome: Outcome, took: Duration) {
        let shard = self.shard();
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        shard.exchanges_active.fetch_sub(1, Relaxed);
        shard.exchanges[entry as usize][outcome as usize].fetch_add(1, Relaxed);
        shard.durations[BOUNDS.partition_point(|bound| *bound < us)].fetch_add(1, Relaxed);
        shard.duration_us.fetch_add(us, Relaxed);
    }

    /// Bytes of bodies and tunnels have passed.
    pub fn bytes(&self, way: Way, count: u64) {
        self.shard().bytes[way as usize].fetch_add(count, Relaxed);
    }

    /// No response came.
    pub fn upstream_failed(&self, failure: &UpstreamFailure) {
        let kind = match failure {
            UpstreamFailure::Refused(_) => 0,
            UpstreamFailure::Reset(_) | UpstreamFailure::Stale(_) | UpstreamFailure::Unprocessed(_) => 1,
            UpstreamFailure::Timeout(_) => 2,
            UpstreamFailure::Dns(_) => 3,
            UpstreamFailure::Tls(_) => 4,
            UpstreamFailure::Protocol(_) | UpstreamFailure::Http1Required(_) => 5,
            UpstreamFailure::TooLarge => 6,
            UpstreamFailure::Denied(_) => 7,
            UpstreamFailure::RequestBody(_) => 8,
            UpstreamFailure::Own(_) => 9,
        };
        self.shard().upstream_failures[kind].fetch_add(1, Relaxed);
    }

    /// TLS with this peer is set up.
    pub fn handshake_done(&self, with: Peer) {
        self.shard().handshakes[with as usize].fetch_add(1, Relaxed);
    }

    /// TLS with this peer could not be set up.
    pub fn handshake_failed(&self, with: Peer) {
        self.shard().handshakes_failed[with as usize].fetch_add(1, Relaxed);
    }

    /// Client connections at this moment.
    pub fn connections_active(&self) -> u64 {
        self.level(|shard| &shard.connections_active)
    }

    /// Exchanges at this moment.
    pub fn exchanges_active(&self) -> u64 {
        self.level(|shard| &shard.exchanges_active)
    }

    /// Exchanges that are over.
    pub fn exchanges_total(&self) -> u64 {
        self.shards.iter().flat_map(|shard| shard.exchanges.as_flattened()).map(|count| count.load(Relaxed)).sum()
    }

    fn sum(&self, of: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| of(shard).load(Relaxed)).sum()
    }

    /// A connection may be closed by another thread than opened it: only the sum over the shards means something.
    fn level(&self, of: impl Fn(&Shard) -> &AtomicI64) -> u64 {
        u64::try_from(self.shards.iter().map(|shard| of(shard).load(Relaxed)).sum::<i64>()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_where_their_variants_count() {
        assert!(ENTRIES.iter().enumerate().all(|(at, entry)| *entry as usize == at));
        assert!(OUTCOMES.iter().enumerate().all(|(at, (outcome, _))| *outcome as usize == at));
        assert!(WAYS.iter().enumerate().all(|(at, (way, _))| *way as usize == at));
        assert!(PEERS.iter().enumerate().all(|(at, (peer, _))| *peer as usize == at));
    }

    #[test]
    fn threads_count_apart_and_are_summed() {
        let stats = Stats::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    stats.connection_opened();
                    stats.exchange_began();
                    stats.exchange_ended(Entry::Forward, Outcome::Complete, Duration::from_millis(1));
                });
            }
        });
        stats.connection_closed();
        assert_eq!((stats.connections_active(), stats.exchanges_active(), stats.exchanges_total()), (3, 0, 4));
    }
}
