//! Which agents are connected now, and the news that their desired state changed. In memory: a restart begins with
//! nobody connected.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use weir_proto::v1::{Answer, Heartbeat};

use crate::{commands::Line, store};

/// How often agents are asked to send a heartbeat.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// An agent that was silent for so long is taken for gone though its stream is open.
pub(crate) const SILENCE: Duration = Duration::from_secs(16);
/// An agent that is refused asks again sooner than this.
const ASKS_AGAIN: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Fleet {
    connected: Mutex<HashMap<i64, Presence>>,
    /// With other orchestrators on the same database: when something was heard of them, and what.
    elsewhere: Mutex<HashMap<i64, Elsewhere>>,
    /// Those that were not let in, and why.
    refused: Mutex<HashMap<i64, (Instant, String)>>,
    /// Numbers streams over all agents and for good: one that is slow to end must not take the next one's place with it.
    streams: AtomicU64,
    /// Counts statements accepted since the start: a change means look again.
    news: watch::Sender<u64>,
    /// Counts agents whose identity was taken away: a change means that whoever serves one looks again.
    revocations: watch::Sender<u64>,
}

/// When something was heard of it, and its last heartbeat.
type Elsewhere = (Instant, Option<Arc<Heartbeat>>);

struct Presence {
    stream: u64,
    leave: Arc<Notify>,
    heard: Instant,
    last: Option<Arc<Heartbeat>>,
    line: Arc<Line>,
}

/// One control stream's place in the fleet; leaves it when dropped.
pub(crate) struct Membership {
    fleet: Arc<Fleet>,
    agent: i64,
    stream: u64,
    leave: Arc<Notify>,
    line: Arc<Line>,
}

impl Fleet {
    /// The agent is here. An older stream of the same agent is told to end: its connection died without a word.
    pub(crate) fn enter(self: &Arc<Self>, agent: i64, line: Line) -> Membership {
        let line = Arc::new(line);
        let leave = Arc::new(Notify::new());
        let stream = self.streams.fetch_add(1, Relaxed);
        let mut connected = self.connected.lock();
        let presence =
            Presence { stream, leave: Arc::clone(&leave), heard: Instant::now(), last: None, line: Arc::clone(&line) };
        if let Some(before) = connected.insert(agent, presence) {
            before.leave.notify_one();
        }
        drop(connected);
        self.refused.lock().remove(&agent);
        Membership { fleet: Arc::clone(self), agent, stream, leave, line }
    }

    /// A statement was accepted.
    pub(crate) fn announce(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// An agent's identity was taken away.
    pub(crate) fn announce_revocation(&self) {
        self.revocations.send_modify(|count| *count += 1);
    }

    pub(crate) fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.subscribe()
    }

    /// Is the agent connected and heard of lately; and its last heartbeat with its age.
    pub(crate) fn presence(&self, agent: i64) -> Option<(Duration, Option<Arc<Heartbeat>>)> {
        let here = self.connected.lock().get(&agent).map(|presence| (presence.heard.elapsed(), presence.last.clone()));
        let there = self.elsewhere.lock().get(&agent).map(|(heard, last)| (heard.elapsed(), last.clone()));
        // One that went from one to the other may be with both for a while.
        let latest = here.into_iter().chain(there).min_by_key(|(age, _)| *age);
        latest.filter(|(age, _)| *age < SILENCE)
    }

    /// It was not let in; whether that is news.
    pub(crate) fn refuse(&self, agent: i64, reason: String) -> bool {
        let before = self.refused.lock().insert(agent, (Instant::now(), reason.clone()));
        before.is_none_or(|(_, before)| before != reason)
    }

    /// Why an agent that asks is not let in here.
    pub(crate) fn refusal(&self, agent: i64) -> Option<String> {
        let refused = self.refused.lock();
        refused.get(&agent).filter(|(at, _)| at.elapsed() < ASKS_AGAIN).map(|(_, reason)| reason.clone())
    }

    /// The way to an agent that is connected here.
    pub(crate) fn line(&self, agent: i64) -> Option<Arc<Line>> {
        self.connected.lock().get(&agent).map(|presence| Arc::clone(&presence.line))
    }

    /// Agents that are connected here.
    pub(crate) fn here(&self) -> Vec<store::Presence> {
        let connected = self.connected.lock();
        connected.iter().map(|(agent, presence)| (*agent, presence.heard.elapsed(), presence.last.clone())).collect()
    }

    /// All that are connected elsewhere.
    pub(crate) fn set_elsewhere(&self, agents: Vec<store::Presence>) {
        let now = Instant::now();
        let heard = |age| now.checked_sub(age).unwrap_or(now);
        let young = agents.into_iter().filter(|(_, age, _)| *age < SILENCE);
        *self.elsewhere.lock() = young.map(|(agent, age, last)| (agent, (heard(age), last))).collect();
    }
}

impl Membership {
    /// Something came from the agent.
    pub(crate) fn heard(&self, heartbeat: Option<Arc<Heartbeat>>) {
        if let Some(presence) = self.fleet.connected.lock().get_mut(&self.agent)
            && presence.stream == self.stream
        {
            presence.heard = Instant::now();
            presence.last = heartbeat.or_else(|| presence.last.take());
        }
    }

    /// It answered a command.
    pub(crate) fn answered(&self, answer: Answer) {
        self.line.answered(answer);
    }

    /// A newer stream of the same agent took over.
    pub(crate) async fn superseded(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.line.end();
        let mut connected = self.fleet.connected.lock();
        if connected.get(&self.agent).is_some_and(|presence| presence.stream == self.stream) {
            connected.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Abilities;

    #[tokio::test]
    async fn the_newest_stream_of_an_agent_counts() {
        let fleet = Arc::new(Fleet::default());
        let line = || Line::new(tokio::sync::mpsc::channel(1).0, Abilities::default());
        let first = fleet.enter(7, line());
        let second = fleet.enter(7, line());
        first.superseded().await;
        drop(second);
        assert!(fleet.presence(7).is_none());
        let third = fleet.enter(7, line());
        drop(first);
        assert!(fleet.presence(7).is_some());
        drop(third);
        assert!(fleet.presence(7).is_none());
    }
}
