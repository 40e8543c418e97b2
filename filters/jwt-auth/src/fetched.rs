//! A key set as its issuer publishes it, asked for over an upstream that the publication names. It is kept while it is fresh;
//! one exchange at a time waits for a newer one, and what a token says makes nobody ask more often than that. Where there is none
//! yet, each exchange waits for its own answer.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use serde_json::Value;
use weir_sdk::{CallOutcome, CallRequest, Problems, warn};

use crate::{config::Remote, keys::Keys};

/// Milliseconds between two looks for a newer set, whatever tokens say of their keys.
const AGAIN_MS: f64 = 10_000.0;
/// Milliseconds after a failure in which nobody asks, where there is no set to go by.
const PAUSE_MS: f64 = 1_000.0;
/// Exchanges that ask at once, where there is no set to go by.
const MOST_ASKING: u32 = 64;
/// Bytes of a set: a hundred keys.
const LARGEST: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Fetched {
    upstream: String,
    path: String,
    refresh_ms: f64,
    stale_ms: f64,
    held: RefCell<Option<(Rc<Keys>, f64)>>,
    asked: Cell<f64>,
    failed: Cell<f64>,
    asking: Cell<u32>,
}

/// What an exchange is to do.
#[derive(Debug)]
pub(crate) enum Had {
    /// Go by these.
    Keys(Rc<Keys>),
    /// Ask the issuer, and wait.
    Ask,
    /// There are none.
    Nothing,
}

impl Fetched {
    pub(crate) fn new(remote: &Remote, problems: &mut Problems) -> Self {
        if !remote.path.starts_with('/') {
            problems.push("/jwks_from/path", "a path and query, such as `/.well-known/jwks.json`");
        }
        if !(10..=86_400).contains(&remote.refresh_s) {
            problems.push("/jwks_from/refresh_s", "10 to 86400 seconds");
        }
        if !(remote.refresh_s..=30 * 86_400).contains(&remote.stale_s) {
            problems.push("/jwks_from/stale_s", "not less than `refresh_s`, and 2592000 seconds at most");
        }
        Self {
            upstream: remote.upstream.clone(),
            path: remote.path.clone(),
            refresh_ms: f64::from(remote.refresh_s) * 1000.0,
            stale_ms: f64::from(remote.stale_s) * 1000.0,
            held: RefCell::default(),
            asked: Cell::new(f64::NEG_INFINITY),
            failed: Cell::new(f64::NEG_INFINITY),
            asking: Cell::new(0),
        }
    }

    /// For a token that names this key, or none. `has_asked`: for this exchange, so it goes by what there is.
    pub(crate) fn keys_for(&self, key_id: Option<&str>, now_ms: f64, has_asked: bool) -> Had {
        let held = self.held.borrow();
        let Some((keys, since)) = held.as_ref().filter(|(_, since)| now_ms - since < self.stale_ms) else {
            let waits = has_asked || now_ms - self.failed.get() < PAUSE_MS || self.asking.get() >= MOST_ASKING;
            return if waits { Had::Nothing } else { Had::Ask };
        };
        let is_due = now_ms - since >= self.refresh_ms || !keys.may_have(key_id);
        if is_due && !has_asked && now_ms - self.asked.get() >= AGAIN_MS {
            return Had::Ask;
        }
        Had::Keys(Rc::clone(keys))
    }

    /// What to ask, and whom.
    pub(crate) fn question(&self, now_ms: f64) -> (&str, CallRequest) {
        self.asked.set(now_ms);
        self.asking.set(self.asking.get() + 1);
        (&self.upstream, CallRequest::get(&*self.path).header("accept", "application/jwk-set+json, application/json"))
    }

    /// Who asked has left before there was an answer: somebody else may ask.
    pub(crate) fn given_up(&self) {
        self.asking.set(self.asking.get().saturating_sub(1));
        self.asked.set(f64::NEG_INFINITY);
    }

    /// What came of it. Where it is nothing good, the set before stays.
    pub(crate) fn heard(&self, outcome: Option<&CallOutcome>, now_ms: f64) {
        self.asking.set(self.asking.get().saturating_sub(1));
        match read(outcome) {
            Ok(keys) => {
                *self.held.borrow_mut() = Some((Rc::new(keys), now_ms));
                self.failed.set(f64::NEG_INFINITY);
            }
            Err(reason) => {
                self.failed.set(now_ms);
                warn!("no keys of `{}`: {reason}", self.upstream);
            }
        }
    }
}

fn read(outcome: Option<&CallOutcome>) -> Result<Keys, String> {
    let response = match outcome {
        Some(CallOutcome::Response(response)) => response,
        Some(CallOutcome::Failed(error)) => return Err(format!("it cannot be reached: {error:?}")),
        Some(CallOutcome::Elapsed) | None => return Err("it was not asked".to_owned()),
    };
    if response.status != 200 {
        return Err(format!("it answered {}", response.status));
    }
    if response.body.len() > LARGEST {
        return Err(format!("its answer has {} bytes", response.body.len()));
    }
    let set: Value =
        serde_json::from_slice(&response.body).map_err(|error| format!("its answer is no JSON: {error}"))?;
    Keys::published(&set)
}
