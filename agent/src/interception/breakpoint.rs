//! One breakpoint. Enters: what the orchestrator sent; leaves: a checked query, bounds that the agent holds it to, and until
//! when it counts. Must not know what pauses by it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{request, response};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;
use weir_host::Connection;
use weir_proto::v1;
use weir_query::Moment;

use crate::filters::Matcher;

/// Bytes of a body that one may hold: with its heads it has to fit into a message.
pub(super) const MOST_BODY: u32 = 512 << 10;
/// An exchange pauses no longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Nobody has to renew a breakpoint less often.
const LONGEST_LEASE: Duration = Duration::from_secs(600);

pub struct Breakpoint {
    pub id: Uuid,
    request: Option<Matcher>,
    response: Option<Matcher>,
    /// of a body that are held; 0: the head alone
    pub body_bytes: usize,
    pub timeout: Duration,
    /// what ends a pause that nobody decides
    pub fails: bool,
    most: u32,
    until: watch::Sender<Instant>,
    paused: AtomicU32,
    paused_total: AtomicU64,
    passed_total: AtomicU64,
}

impl Breakpoint {
    /// # Errors
    /// It cannot be, for people.
    pub(super) fn new(wanted: &v1::Breakpoint) -> Result<Self, String> {
        let id = Uuid::from_slice(&wanted.id).map_err(|_| "its id has to be 16 bytes".to_owned())?;
        let matcher = |is_wanted: bool, moment, who| {
            let of = || Matcher::of_breakpoint(&wanted.query, moment, who);
            is_wanted.then(of).transpose().map_err(|error| error.to_string())
        };
        let request = matcher(wanted.at_request, Moment::Request, "a breakpoint at the request")?;
        let response = matcher(wanted.at_response, Moment::Response, "a breakpoint at the response")?;
        if request.is_none() && response.is_none() {
            return Err("it has to pause requests or responses".to_owned());
        }
        if wanted.body_bytes > MOST_BODY {
            return Err(format!("it may hold {MOST_BODY} bytes of a body at most"));
        }
        if wanted.timeout_ms == 0 || wanted.most == 0 || wanted.lease_ms == 0 {
            return Err("its timeout, its bound and its lease cannot be 0".to_owned());
        }
        Ok(Self {
            id,
            request,
            response,
            body_bytes: wanted.body_bytes as usize,
            timeout: millis(wanted.timeout_ms).min(LONGEST_PAUSE),
            fails: wanted.fails,
            most: wanted.most,
            until: watch::Sender::new(lease(wanted)),
            paused: AtomicU32::new(0),
            paused_total: AtomicU64::new(0),
            passed_total: AtomicU64::new(0),
        })
    }

    pub(super) fn pauses_responses(&self) -> bool {
        self.response.is_some()
    }

    pub(super) fn fits_request(&self, request: &request::Parts, connection: &Connection) -> bool {
        self.request.as_ref().is_some_and(|matcher| matcher.fits(request, connection))
    }

    pub(super) fn fits_response(
        &self,
        request: &request::Parts,
        response: &response::Parts,
        connection: &Connection,
    ) -> bool {
        self.response.as_ref().is_some_and(|matcher| matcher.fits_response(request, response, connection))
    }

    /// When it ends unless it is renewed.
    pub(super) fn ends(&self) -> Instant {
        *self.until.borrow()
    }

    pub(super) fn lease(&self) -> watch::Receiver<Instant> {
        self.until.subscribe()
    }

    pub(super) fn renew(&self, wanted: &v1::Breakpoint) {
        self.until.send_replace(lease(wanted));
    }

    /// It ends then at the latest.
    pub(super) fn end(&self, at: Instant) {
        self.until.send_if_modified(|until| {
            let is_earlier = at < *until;
            if is_earlier {
                *until = at;
            }
            is_earlier
        });
    }

    /// One more pauses, if there is room.
    pub(super) fn enter(&self) -> bool {
        let enter = |paused: u32| (paused < self.most).then_some(paused + 1);
        self.paused.fetch_update(Relaxed, Relaxed, enter).is_ok()
    }

    pub(super) fn leave(&self) {
        self.paused.fetch_sub(1, Relaxed);
    }

    pub(super) fn has_paused(&self) {
        self.paused_total.fetch_add(1, Relaxed);
    }

    pub(super) fn let_pass(&self) {
        self.passed_total.fetch_add(1, Relaxed);
    }

    pub(super) fn state(&self, state: v1::BreakpointState) -> v1::BreakpointState {
        v1::BreakpointState {
            paused_total: self.paused_total.load(Relaxed),
            passed_total: self.passed_total.load(Relaxed),
            ..state
        }
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

fn lease(wanted: &v1::Breakpoint) -> Instant {
    Instant::now() + millis(wanted.lease_ms).min(LONGEST_LEASE)
}
