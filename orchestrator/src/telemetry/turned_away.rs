//! Connections that are turned away, or told to leave: each is counted, and the log has a line a minute for each reason, so that
//! whoever knocks without end does not fill it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, family::Family};

/// Between two lines about one reason.
const QUIET: Duration = Duration::from_secs(60);

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Door {
    /// Of agents.
    Grpc,
    /// Of people and programs.
    Rest,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Away {
    /// It said nothing, or did not come to an end with its handshake, in the time that it has.
    Silent,
    /// It was at nothing, and made way for another.
    Crowded,
    /// Its address has as many as may be.
    Address,
    /// There are as many as may be.
    Full,
    /// Its agent has as many as may be.
    Agent,
}

impl Door {
    fn word(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Rest => "rest",
        }
    }
}

impl Away {
    const ALL: [Self; 5] = [Self::Silent, Self::Crowded, Self::Address, Self::Full, Self::Agent];

    fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Crowded => "crowded",
            Self::Address => "address",
            Self::Full => "full",
            Self::Agent => "agent",
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Silent => "it said nothing in the time that it has",
            Self::Crowded => "it was at nothing and made way for another",
            Self::Address => "its address has as many as may be",
            Self::Full => "there are as many as may be",
            Self::Agent => "its agent has as many as may be",
        }
    }
}

type Counts = Family<[(&'static str, &'static str); 2], Counter<u64, AtomicU64>>;

/// What is counted, and when it was told last.
#[derive(Default)]
pub(super) struct TurnedAway {
    counts: Counts,
    told: Mutex<HashMap<(Door, Away), Told>>,
}

/// Of one kind of line.
#[derive(Default)]
pub(super) struct Told {
    last: Option<Instant>,
    /// Since then.
    count: u64,
}

impl Told {
    /// One more: how many the line is about, where it is time for one.
    pub(super) fn one(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

impl TurnedAway {
    /// All of them, at nought.
    pub(super) fn counts(&self) -> Counts {
        for (door, away) in [Door::Grpc, Door::Rest].into_iter().flat_map(|door| Away::ALL.map(|away| (door, away))) {
            if (door, away) != (Door::Rest, Away::Agent) {
                drop(self.counts.get_or_create(&[("door", door.word()), ("reason", away.word())]));
            }
        }
        self.counts.clone()
    }

    pub(super) fn one(&self, door: Door, away: Away, peer: IpAddr) {
        self.counts.get_or_create(&[("door", door.word()), ("reason", away.word())]).inc();
        let due = self.told.lock().entry((door, away)).or_default().one(Instant::now());
        let (door, reason) = (door.word(), away.why());
        match due {
            Some(count) => tracing::warn!(door, %peer, count, reason, "connections were turned away"),
            None => tracing::debug!(door, %peer, reason, "a connection was turned away"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_a_minute() {
        let (mut told, begun) = (Told::default(), Instant::now());
        let lines: Vec<u64> = (0..150).filter_map(|second| told.one(begun + Duration::from_secs(second))).collect();
        assert_eq!(lines, [1, 60, 60]);
    }
}
