//! What happens in the fleet, told to whoever follows: agents that come and go, revisions that are applied or not. An event
//! says that something changed; how things are, lists say. So an event is small, none is kept for long, and who missed
//! some is told so and reads the list anew.
//!
//! To add a kind: a variant here with its name on the wire (`THING.HAPPENED`), who may hear of it in [`Event::asks`], and
//! `orchestrator.events.publish(…)` where it happens; then a line in docs/live.md. It is then in `/api/v1/events`, here and at
//! every orchestrator on the same database. Kinds of one family (THING) are kept together, and drive out only one another. What is
//! worth nothing to who did not ask for it gets a [`Feed`] of its own.

mod feed;
mod others;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{self, error::TrySendError};
use utoipa::ToSchema;
use uuid::Uuid;

use feed::Most;
pub(crate) use feed::{Feed, Follower, Heard, Place};
pub(crate) use others::carry;

use crate::{
    access::{Area, Permission},
    clock::now_us,
};

/// Events of a family that are kept for who comes back: an agent may say more of each than it has to.
const KEPT: Most = Most { items: 8192, bytes: 8 << 20 };
/// What kinds begin with.
const FAMILIES: [&str; 3] = ["agent.", "revision.", PAUSES];
const PAUSES: &str = "exchange.";
/// Events that wait to be told to other orchestrators.
const WAITING: usize = 1024;
/// So many places among them are not for pauses, of which an agent may tell any number.
const NOT_FOR_PAUSES: usize = WAITING / 2;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind")]
pub(crate) enum Event {
    /// An agent is there, or is there again.
    #[serde(rename = "agent.connected")]
    AgentConnected {
        #[schema(value_type = String, format = "uuid")]
        agent: Uuid,
        name: String,
        group: String,
        version: String,
    },
    /// An agent is there no longer.
    #[serde(rename = "agent.disconnected")]
    AgentDisconnected {
        #[schema(value_type = String, format = "uuid")]
        agent: Uuid,
    },
    /// An agent's identity was taken away.
    #[serde(rename = "agent.revoked")]
    AgentRevoked {
        #[schema(value_type = String, format = "uuid")]
        agent: Uuid,
    },
    /// An agent runs all that a revision of the desired state wants of it.
    #[serde(rename = "revision.applied")]
    RevisionApplied {
        #[schema(value_type = String, format = "uuid")]
        agent: Uuid,
        revision: u64,
        took_us: u64,
    },
    /// An agent runs some filters of a revision not, or in an older version.
    #[serde(rename = "revision.failed")]
    RevisionFailed {
        #[schema(value_type = String, format = "uuid")]
        agent: Uuid,
        revision: u64,
        filters: Vec<Failed>,
    },
    /// A message of an exchange pauses at a breakpoint. Told again when the agent's connection begins anew.
    #[serde(rename = "exchange.paused")]
    ExchangePaused(Pause),
    /// It pauses no longer.
    #[serde(rename = "exchange.decided")]
    ExchangeDecided(PauseEnd),
}

/// What pauses at a breakpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pause {
    /// `id` in `/api/v1/paused`
    #[schema(value_type = String, format = "uuid")]
    pub(crate) paused: Uuid,
    #[schema(value_type = String, format = "uuid")]
    pub(crate) breakpoint: Uuid,
    #[schema(value_type = String, format = "uuid")]
    pub(crate) exchange: Uuid,
    #[schema(value_type = String, format = "uuid")]
    pub(crate) agent: Uuid,
    /// `request` or `response`
    pub(crate) message: String,
    pub(crate) method: String,
    /// Its beginning, where it is long.
    pub(crate) url: String,
    /// Of a response.
    pub(crate) status: Option<u16>,
}

/// What ended a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PauseEnd {
    /// What paused.
    pub(crate) pause: Pause,
    /// `continue`, `modify`, `respond`, `redirect`, `kill` or `block`; `timed-out`, `lease-ended`, `client-gone` or
    /// `shut-down` when nobody decided
    pub(crate) decision: String,
    pub(crate) by: Option<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) waited_us: u64,
    /// Nobody decided, and the exchange failed for it.
    pub(crate) failed: bool,
}

/// A filter that an agent does not run as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Failed {
    pub(crate) name: String,
    pub(crate) version: u64,
    /// Where it failed.
    pub(crate) phase: String,
    pub(crate) reason: String,
}

/// Every kind.
pub(crate) const KINDS: [&str; 7] = [
    "agent.connected",
    "agent.disconnected",
    "agent.revoked",
    "revision.applied",
    "revision.failed",
    "exchange.paused",
    "exchange.decided",
];

/// Of a kind, as [`Event::asks`] has it.
pub(crate) fn area_of(kind: &str) -> Area {
    if kind.starts_with("exchange.") { Area::Traffic } else { Area::Agents }
}

impl Event {
    /// Its name on the wire.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::AgentConnected { .. } => "agent.connected",
            Self::AgentDisconnected { .. } => "agent.disconnected",
            Self::AgentRevoked { .. } => "agent.revoked",
            Self::RevisionApplied { .. } => "revision.applied",
            Self::RevisionFailed { .. } => "revision.failed",
            Self::ExchangePaused(_) => "exchange.paused",
            Self::ExchangeDecided(_) => "exchange.decided",
        }
    }

    /// Of its family.
    fn shelf(&self) -> usize {
        FAMILIES.iter().position(|family| self.kind().starts_with(family)).unwrap_or(0)
    }

    fn is_of_a_pause(&self) -> bool {
        matches!(self, Self::ExchangePaused(_) | Self::ExchangeDecided(_))
    }

    /// That it takes in memory, more or less.
    fn bytes(&self) -> usize {
        let pause = |pause: &Pause| pause.method.len() + pause.url.len() + pause.message.len();
        let texts = match self {
            Self::AgentConnected { name, group, version, .. } => name.len() + group.len() + version.len(),
            Self::AgentDisconnected { .. } | Self::AgentRevoked { .. } | Self::RevisionApplied { .. } => 0,
            Self::RevisionFailed { filters, .. } => {
                let text = |failed: &Failed| failed.name.len() + failed.phase.len() + failed.reason.len();
                filters.iter().map(|failed| size_of::<Failed>() + text(failed)).sum()
            }
            Self::ExchangePaused(paused) => pause(paused),
            Self::ExchangeDecided(end) => {
                let changed = end.changed.iter().map(|part| size_of::<String>() + part.len());
                pause(&end.pause) + end.decision.len() + end.by.as_ref().map_or(0, String::len) + changed.sum::<usize>()
            }
        };
        size_of::<Self>() + texts
    }

    /// What somebody has to be allowed, and where, to hear of it.
    pub(crate) fn asks(&self) -> (Permission, Area) {
        match self {
            Self::AgentConnected { .. }
            | Self::AgentDisconnected { .. }
            | Self::AgentRevoked { .. }
            | Self::RevisionApplied { .. }
            | Self::RevisionFailed { .. } => (Permission::Read, Area::Agents),
            Self::ExchangePaused(_) | Self::ExchangeDecided(_) => (Permission::Read, Area::Traffic),
        }
    }
}

/// Takes events and tells them.
pub(crate) struct Events {
    feed: Feed<Event>,
    /// Of agents whose machines were looked at: many, and of little worth a moment later.
    looks: Feed<Uuid>,
    outbox: mpsc::Sender<others::Said>,
    /// Something did not go into the outbox.
    lost: AtomicBool,
    /// Something of a pause did not.
    lost_pauses: AtomicBool,
}

/// What is told to other orchestrators, until it is.
pub(crate) type Outbox = mpsc::Receiver<others::Said>;

impl Events {
    /// With what [`carry`] takes from.
    pub(crate) fn new() -> (Self, Outbox) {
        let (outbox, said) = mpsc::channel(WAITING);
        let feed = Feed::new(FAMILIES.len(), KEPT);
        let (lost, lost_pauses) = (AtomicBool::new(false), AtomicBool::new(false));
        (Self { feed, looks: Feed::new(1, KEPT), outbox, lost, lost_pauses }, said)
    }

    /// It happened here, now. Waits for nobody.
    pub(crate) fn publish(&self, event: Event) {
        let at_us = now_us();
        if event.is_of_a_pause() && self.outbox.capacity() < NOT_FOR_PAUSES {
            self.lost_pauses.store(true, Relaxed);
        } else {
            self.say(others::Said::Event { at_us, event: Box::new(event.clone()) });
        }
        self.tell(at_us, event);
    }

    fn tell(&self, at_us: u64, event: Event) {
        let bytes = event.bytes();
        self.feed.tell(event.shelf(), at_us, event, bytes);
    }

    /// An agent sent a look at its machine, which is stored.
    pub(crate) fn looked(&self, agent: Uuid) {
        self.say(others::Said::Looked { looked: agent });
        self.looks.tell(0, now_us(), agent, size_of::<Uuid>());
    }

    /// Whose machines were looked at, from now on or from behind a place.
    pub(crate) fn looks(&self, after: Option<Place>) -> Follower<'_, Uuid> {
        self.looks.follow(after, vec![0])
    }

    fn say(&self, said: others::Said) {
        // Without other orchestrators the other end is closed.
        if let Err(TrySendError::Full(_)) = self.outbox.try_send(said) {
            self.lost.store(true, Relaxed);
        }
    }

    /// Those of some kinds, and maybe others of their families, from now on or from behind a place.
    pub(crate) fn follow(&self, after: Option<Place>, wants: impl Fn(&str) -> bool) -> Follower<'_, Event> {
        let is_wanted = |family: &str| KINDS.iter().any(|kind| kind.starts_with(family) && wants(kind));
        let wanted = FAMILIES.iter().enumerate().filter(|(_, family)| is_wanted(family));
        self.feed.follow(after, wanted.map(|(shelf, _)| shelf).collect())
    }

    /// Some may have happened elsewhere that were not heard of.
    pub(crate) fn missed(&self) {
        self.feed.miss(None);
    }

    /// The same, of pauses alone.
    fn missed_pauses(&self) {
        self.feed.miss(FAMILIES.iter().position(|family| *family == PAUSES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_called_alike_everywhere() {
        let agent = Uuid::nil();
        let pause = Pause {
            paused: agent,
            breakpoint: agent,
            exchange: agent,
            agent,
            message: String::new(),
            method: String::new(),
            url: String::new(),
            status: None,
        };
        let all = [
            Event::AgentConnected { agent, name: String::new(), group: String::new(), version: String::new() },
            Event::AgentDisconnected { agent },
            Event::AgentRevoked { agent },
            Event::RevisionApplied { agent, revision: 1, took_us: 1 },
            Event::RevisionFailed { agent, revision: 1, filters: vec![] },
            Event::ExchangePaused(pause.clone()),
            Event::ExchangeDecided(PauseEnd {
                pause,
                decision: "modify".to_owned(),
                by: None,
                changed: vec![],
                waited_us: 1,
                failed: false,
            }),
        ];
        assert_eq!(all.clone().map(|event| event.kind()), KINDS);
        for event in all {
            let text = serde_json::to_value(&event).unwrap();
            assert_eq!(text["kind"], event.kind());
            assert_eq!(event.asks().1, area_of(event.kind()));
            assert!(FAMILIES.iter().any(|family| event.kind().starts_with(family)), "{}", event.kind());
            assert_eq!(serde_json::from_value::<Event>(text).unwrap(), event);
        }
    }
}
