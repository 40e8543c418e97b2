//! Breakpoints: exchanges that pause until a person decides. Enters: the orchestrator's breakpoints and its decisions;
//! leaves: to an exchange, whether it pauses and how it goes on; to the orchestrator, what pauses. Must not know how an
//! exchange is carried.
//!
//! With no breakpoint set it costs an exchange one load of an atomic. Nothing here holds for longer than its lease: an
//! orchestrator that is gone stalls nobody.

mod breakpoint;
mod edit;
mod hidden;
mod pausing;
mod seen;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{request, response};
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;
use weir_host::Connection;
use weir_proto::v1;

pub use self::breakpoint::Breakpoint;
pub use self::edit::{Edit, Verdict, is_of_this_hop};
pub use self::pausing::{Ahead, End, Message, Pausing, Slot};
pub use self::seen::seen_request;
use self::seen::seen_response;
pub use self::table::Refused;
use self::table::Table;
use crate::redact::Rules;

/// Breakpoints of an agent.
pub const MOST_BREAKPOINTS: usize = 64;
/// A stream to the orchestrator that broke may be back within this time; then what pauses ends.
const GRACE: Duration = Duration::from_secs(5);

/// What an orchestrator has set, and what pauses now.
#[derive(Default)]
pub struct Interception {
    is_armed: AtomicBool,
    breakpoints: ArcSwap<Vec<Arc<Breakpoint>>>,
    /// one change at a time, or what is armed might not be what is set
    changes: Mutex<()>,
    table: Arc<Table>,
    passed: AtomicU64,
}

/// What is counted.
#[derive(Debug, Clone)]
pub struct Figures {
    pub breakpoints: usize,
    /// messages that pause now
    pub paused: usize,
    /// pauses that are over, by what ended them
    pub ended: Vec<(&'static str, u64)>,
    /// messages that passed since too many paused
    pub passed: u64,
}

impl Interception {
    /// Is there a breakpoint at all? What every exchange asks.
    pub fn is_armed(&self) -> bool {
        self.is_armed.load(Relaxed)
    }

    /// Is there one that may pause responses?
    pub fn minds_responses(&self) -> bool {
        self.breakpoints.load().iter().any(|breakpoint| breakpoint.pauses_responses())
    }

    /// A place for a request to pause, unless none wants it or too many pause. Breakpoints ask about it as it is recorded: by
    /// whether it pauses they would tell of what `rules` hide.
    pub fn at_request(&self, request: &request::Parts, connection: &Connection, rules: Option<&Rules>) -> Option<Slot> {
        let seen = rules.map(|rules| seen_request(rules, request));
        let request = seen.as_ref().unwrap_or(request);
        self.first(|breakpoint| breakpoint.fits_request(request, connection))
    }

    /// The same for a response. `request` is as it went on from its own breakpoint, and as it is recorded.
    pub fn at_response(
        &self,
        request: &request::Parts,
        response: &response::Parts,
        connection: &Connection,
        rules: Option<&Rules>,
    ) -> Option<Slot> {
        let seen = rules.map(|rules| seen_response(rules, response));
        let response = seen.as_ref().unwrap_or(response);
        self.first(|breakpoint| breakpoint.fits_response(request, response, connection))
    }

    fn first(&self, fits: impl Fn(&Breakpoint) -> bool) -> Option<Slot> {
        let breakpoints = self.breakpoints.load();
        let now = Instant::now();
        if breakpoints.iter().any(|breakpoint| breakpoint.ends() <= now) {
            self.forget_ended(now);
        }
        let mut live = breakpoints.iter().filter(|breakpoint| breakpoint.ends() > now);
        let found = live.find(|breakpoint| fits(breakpoint))?;
        let slot = Slot::take(&self.table, found);
        if slot.is_none() {
            self.passed.fetch_add(1, Relaxed);
        }
        slot
    }

    /// For whoever watches the agent.
    pub fn figures(&self) -> Figures {
        let (paused, ended) = self.table.figures();
        let breakpoints = self.breakpoints.load().len();
        Figures { breakpoints, paused, ended: ended.to_vec(), passed: self.passed.load(Relaxed) }
    }

    fn forget_ended(&self, now: Instant) {
        let _one = self.changes.lock();
        self.breakpoints.rcu(|all| all.iter().filter(|one| one.ends() > now).cloned().collect::<Vec<_>>());
        self.is_armed.store(!self.breakpoints.load().is_empty(), Relaxed);
    }

    /// These are all from now on. One that is there already has its lease renewed and is else as it was.
    pub fn set(&self, wanted: v1::SetBreakpoints) -> v1::Breakpoints {
        let _one = self.changes.lock();
        let before = self.breakpoints.load_full();
        let mut kept = Vec::new();
        let mut states = Vec::new();
        for one in wanted.breakpoints {
            let known = before.iter().find(|known| known.id.as_bytes()[..] == one.id[..]);
            let made = match known {
                _ if kept.len() == MOST_BREAKPOINTS => {
                    Err(format!("an agent has {MOST_BREAKPOINTS} breakpoints at most"))
                }
                Some(known) => {
                    known.renew(&one);
                    Ok(Arc::clone(known))
                }
                None => Breakpoint::new(&one).map(Arc::new),
            };
            let state = v1::BreakpointState { id: one.id, ..v1::BreakpointState::default() };
            states.push(match made {
                Ok(breakpoint) => {
                    let state = breakpoint.state(state);
                    kept.push(breakpoint);
                    state
                }
                Err(refused) => v1::BreakpointState { refused, ..state },
            });
        }
        let is_kept = |one: &Arc<Breakpoint>| kept.iter().any(|kept| Arc::ptr_eq(kept, one));
        let ended: Vec<Arc<Breakpoint>> = before.iter().filter(|one| !is_kept(one)).cloned().collect();
        let is_armed = !kept.is_empty();
        self.breakpoints.store(Arc::new(kept));
        self.is_armed.store(is_armed, Relaxed);
        ended.iter().for_each(|breakpoint| breakpoint.end(Instant::now()));
        v1::Breakpoints { states }
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// It is not there any more, or the edit cannot be.
    pub fn decide(&self, decide: v1::Decide) -> Result<v1::Decided, Refused> {
        self.table.decide(decide)
    }

    /// What pauses, and what became of the breakpoints.
    pub fn list(&self) -> v1::PausedList {
        let state = |breakpoint: &Arc<Breakpoint>| {
            let id = bytes::Bytes::copy_from_slice(breakpoint.id.as_bytes());
            breakpoint.state(v1::BreakpointState { id, ..v1::BreakpointState::default() })
        };
        v1::PausedList { states: self.breakpoints.load().iter().map(state).collect(), paused: self.table.list() }
    }

    /// A paused message as it is held.
    pub fn read(&self, id: &[u8]) -> Option<v1::Held> {
        self.table.read(Uuid::from_slice(id).ok()?)
    }

    /// Waits until there is something to tell the orchestrator.
    pub async fn has_news(&self) {
        self.table.has_news().await;
    }

    /// What pauses and what ended since this was asked last.
    pub fn news(&self) -> Vec<v1::agent_message::Message> {
        self.table.news()
    }

    /// Nobody hears the news any more. Whoever hears them next is told of all that pauses then; but the breakpoints do not
    /// wait for long.
    pub fn lost(&self) {
        let until = Instant::now() + GRACE;
        self.breakpoints.load().iter().for_each(|breakpoint| breakpoint.end(until));
        self.table.forget_told();
    }
}
