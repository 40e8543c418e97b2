//! What pauses now, and what the orchestrator has yet to hear of it. Enters: messages that pause, decisions; leaves: each
//! decision to its exchange, once, and the news. Must not know queries.
//!
//! Only what pauses takes the lock, and it is never held across a wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use uuid::Uuid;
use weir_proto::PAUSE_ENDS;
use weir_proto::v1::{self, agent_message::Message as News};

use super::edit::{self, Verdict};
use super::hidden::Hidden;

/// Pauses at a time, over all breakpoints, and ends of pauses that were not told yet.
const MOST_PAUSED: usize = 256;
/// Memory for them.
const MOST_BYTES: usize = 64 << 20;
/// Memory for what is read ahead of what is shown of them, over all of them.
const MOST_AHEAD: usize = 32 << 20;
/// Of a path, in a list, which has to fit into a message.
const LONGEST_PATH: usize = 2 << 10;
/// Of other texts there.
const LONGEST_TEXT: usize = 256;
/// For what is not the body.
const HEADS: usize = 64 << 10;

/// Why a decision is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("nothing of this id pauses: somebody decided, or it ended by itself")]
    Gone,
    #[error("{0}")]
    Invalid(String),
}

#[derive(Default)]
pub(super) struct Table {
    inner: Mutex<Inner>,
    news: Notify,
    ends: [AtomicU64; PAUSE_ENDS.len()],
}

#[derive(Default)]
struct Inner {
    paused: BTreeMap<Uuid, Entry>,
    /// of pauses that were told
    ended: Vec<v1::PauseEnded>,
    reserved: usize,
    /// places that were taken and not given back
    places: usize,
    /// bytes that were read ahead
    ahead: usize,
}

struct Entry {
    /// as people see it
    shown: v1::Paused,
    body: Bytes,
    /// what they do not see
    hidden: Option<Arc<Hidden>>,
    has_content: bool,
    since: Instant,
    ends: Instant,
    decide: oneshot::Sender<Decided>,
    is_told: bool,
}

/// A decision, and what the record says of it.
pub struct Decided {
    pub verdict: Verdict,
    pub how: v1::Intervention,
}

/// What is to be shown.
pub(super) struct Show {
    pub(super) paused: v1::Paused,
    pub(super) body: Bytes,
    pub(super) has_content: bool,
    pub(super) ends: Instant,
    pub(super) hidden: Option<Arc<Hidden>>,
}

impl Table {
    pub(super) fn reserve(&self, body: usize) -> bool {
        let mut inner = self.inner.lock();
        let has_room = inner.places + inner.ended.len() < MOST_PAUSED && inner.reserved + body + HEADS <= MOST_BYTES;
        if has_room {
            inner.places += 1;
            inner.reserved += body + HEADS;
        }
        has_room
    }

    pub(super) fn give_back(&self, body: usize) {
        let mut inner = self.inner.lock();
        inner.places -= 1;
        inner.reserved -= body + HEADS;
    }

    /// For what is read ahead.
    pub(super) fn reserve_ahead(&self, bytes: usize) -> bool {
        let mut inner = self.inner.lock();
        let has_room = inner.ahead + bytes <= MOST_AHEAD;
        if has_room {
            inner.ahead += bytes;
        }
        has_room
    }

    pub(super) fn give_back_ahead(&self, bytes: usize) {
        self.inner.lock().ahead -= bytes;
    }

    pub(super) fn show(&self, id: Uuid, show: Show) -> oneshot::Receiver<Decided> {
        let (decide, decided) = oneshot::channel();
        let Show { mut paused, body, has_content, ends, hidden } = show;
        paused.id = Bytes::copy_from_slice(id.as_bytes());
        paused.since_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros);
        let since = Instant::now();
        let entry = Entry { shown: paused, body, hidden, has_content, since, ends, decide, is_told: false };
        self.inner.lock().paused.insert(id, entry);
        self.news.notify_one();
        decided
    }

    pub(super) fn decide(&self, decide: v1::Decide) -> Result<v1::Decided, Refused> {
        let id = Uuid::from_slice(&decide.id).map_err(|_| Refused::Gone)?;
        let case = self.inner.lock().paused.get(&id).map(Entry::case).ok_or(Refused::Gone)?;
        // meanwhile somebody else may decide
        let (verdict, how) = case.verdict(decide).map_err(Refused::Invalid)?;
        let mut inner = self.inner.lock();
        let entry = inner.paused.remove(&id).ok_or(Refused::Gone)?;
        let how = v1::Intervention { waited_us: micros(entry.since.elapsed()), ..how };
        self.count(&how);
        let told = entry.told();
        // its exchange may end at this very moment
        let sent = entry.decide.send(Decided { verdict, how: how.clone() });
        if entry.is_told {
            inner.ended.push(v1::PauseEnded { paused: Some(told.clone()), how: Some(how.clone()) });
        }
        drop(inner);
        self.news.notify_one();
        sent.map(|()| v1::Decided { paused: Some(told), how: Some(how) }).map_err(|_| Refused::Gone)
    }

    /// Ends a pause that nobody decided; none if somebody did.
    pub(super) fn end(&self, id: Uuid, why: &str, failed: bool) -> Option<v1::Intervention> {
        let mut inner = self.inner.lock();
        let entry = inner.paused.remove(&id)?;
        let how = v1::Intervention {
            at_response: entry.shown.at_response,
            decision: why.to_owned(),
            waited_us: micros(entry.since.elapsed()),
            failed,
            ..v1::Intervention::default()
        };
        self.count(&how);
        if entry.is_told {
            inner.ended.push(v1::PauseEnded { paused: Some(entry.told()), how: Some(how.clone()) });
        }
        drop(inner);
        self.news.notify_one();
        Some(how)
    }

    pub(super) fn read(&self, id: Uuid) -> Option<v1::Held> {
        let inner = self.inner.lock();
        let entry = inner.paused.get(&id)?;
        let paused = v1::Paused { ends_in_ms: entry.left(), ..entry.shown.clone() };
        Some(v1::Held { paused: Some(paused), body: entry.body.clone() })
    }

    pub(super) fn list(&self) -> Vec<v1::Paused> {
        self.inner.lock().paused.values().map(Entry::told).collect()
    }

    fn count(&self, how: &v1::Intervention) {
        if let Some(at) = PAUSE_ENDS.iter().position(|end| *end == how.decision) {
            self.ends[at].fetch_add(1, Relaxed);
        }
    }

    /// Messages that pause now, and how many pauses ended how.
    pub(super) fn figures(&self) -> (usize, [(&'static str, u64); PAUSE_ENDS.len()]) {
        let paused = self.inner.lock().paused.len();
        (paused, std::array::from_fn(|at| (PAUSE_ENDS[at], self.ends[at].load(Relaxed))))
    }

    pub(super) async fn has_news(&self) {
        self.news.notified().await;
    }

    pub(super) fn news(&self) -> Vec<News> {
        let mut inner = self.inner.lock();
        let mut news: Vec<News> = Vec::new();
        for entry in inner.paused.values_mut().filter(|entry| !entry.is_told) {
            entry.is_told = true;
            news.push(News::Paused(entry.told()));
        }
        news.extend(inner.ended.drain(..).map(News::PauseEnded));
        news
    }

    pub(super) fn forget_told(&self) {
        let mut inner = self.inner.lock();
        inner.ended.clear();
        inner.paused.values_mut().for_each(|entry| entry.is_told = false);
        drop(inner);
        self.news.notify_one();
    }
}

/// What a decision is held against.
struct Case {
    shown: v1::Paused,
    body: Bytes,
    hidden: Option<Arc<Hidden>>,
    has_content: bool,
}

impl Case {
    fn verdict(self, mut decide: v1::Decide) -> Result<(Verdict, v1::Intervention), String> {
        let Some(hidden) = &self.hidden else { return edit::verdict(decide, &self.shown, self.has_content) };
        let revealed = |decision| hidden.reveal(decision, &self.shown, &self.body);
        decide.decision = decide.decision.map(revealed).transpose()?;
        edit::verdict(decide, &hidden.original(&self.shown), self.has_content)
    }
}

impl Entry {
    fn case(&self) -> Case {
        let (shown, body) = (self.shown.clone(), self.body.clone());
        Case { shown, body, hidden: self.hidden.clone(), has_content: self.has_content }
    }

    /// In few words, since there may be many.
    fn told(&self) -> v1::Paused {
        let shown = &self.shown;
        let request = shown.request.as_ref().map(|request| v1::Request {
            method: cut(&request.method, LONGEST_TEXT),
            scheme: request.scheme.clone(),
            authority: cut(&request.authority, LONGEST_TEXT),
            path: cut(&request.path, LONGEST_PATH),
            version: request.version.clone(),
            ..v1::Request::default()
        });
        let status = shown.response.as_ref().map(|response| response.status);
        let response = status.map(|status| v1::Response { status, ..v1::Response::default() });
        v1::Paused {
            id: shown.id.clone(),
            breakpoint: shown.breakpoint.clone(),
            exchange: shown.exchange.clone(),
            at_response: shown.at_response,
            connection: shown.connection.as_ref().map(|connection| v1::Connection {
                client_address: connection.client_address.clone(),
                user: cut(&connection.user, LONGEST_TEXT),
                ..v1::Connection::default()
            }),
            request,
            response,
            body_held: shown.body_held,
            body_is_whole: shown.body_is_whole,
            body_is_withheld: shown.body_is_withheld,
            since_us: shown.since_us,
            ends_in_ms: self.left(),
        }
    }

    /// Milliseconds until it ends by itself.
    fn left(&self) -> u32 {
        let left = self.ends.saturating_duration_since(Instant::now()).as_millis();
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}

fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
