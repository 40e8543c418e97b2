//! What the parts of one HTTP/1 connection tell each other: the guard of its bytes, the service of its requests, and the
//! task that drives both. Enters: what each does; leaves: what the others wait for. Must not know bytes or requests.
//!
//! Atomic only because hyper asks `Send` of what can be upgraded: all of it happens in one task.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::exchange::Problem;

/// Where the guard is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// within a message, or past the last
    #[default]
    Message,
    /// between two messages
    Between,
    /// part of the next head is there
    Head,
    /// what came after a message waits until its exchange is over
    Held,
}

#[derive(Default)]
pub(super) struct Notes {
    passed: AtomicU64,
    over: AtomicU64,
    stage: AtomicU8,
    switched: AtomicBool,
    expired: AtomicBool,
    /// the reply, or part of it, has yet to leave
    sending: AtomicBool,
    refusal: OnceLock<Problem>,
}

impl Notes {
    /// Heads that the codec was given.
    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Relaxed)
    }

    /// It is given one more.
    pub(super) fn pass(&self) {
        self.passed.store(self.passed() + 1, Relaxed);
        self.set_stage(Stage::Message);
    }

    /// The exchange of the last one is over: the codec has its whole reply.
    pub(super) fn end(&self) {
        self.over.store(self.over.load(Relaxed) + 1, Relaxed);
    }

    /// No exchange is under way, so that the next head may be looked at.
    pub(super) fn is_free(&self) -> bool {
        self.over.load(Relaxed) == self.passed()
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        let stage = self.stage.load(Relaxed);
        [Stage::Between, Stage::Head, Stage::Held].into_iter().find(|one| *one as u8 == stage).unwrap_or_default()
    }

    /// What follows is another protocol.
    pub(super) fn switch(&self) {
        self.switched.store(true, Relaxed);
    }

    pub(super) fn has_switched(&self) -> bool {
        self.switched.load(Relaxed)
    }

    /// The time for the next head is over.
    pub(super) fn expire(&self) {
        self.expired.store(true, Relaxed);
    }

    pub(super) fn has_expired(&self) -> bool {
        self.expired.load(Relaxed)
    }

    pub(super) fn set_sending(&self, sending: bool) {
        self.sending.store(sending, Relaxed);
    }

    /// Whether it is the client that is waited for, and it has begun to speak.
    pub(super) fn awaits_head(&self) -> Option<bool> {
        let begun = match self.stage() {
            Stage::Between => false,
            Stage::Head => true,
            Stage::Message | Stage::Held => return None,
        };
        (self.is_free() && !self.sending.load(Relaxed)).then_some(begun)
    }

    /// Whether a request is on its way that the codec knows nothing of.
    pub(super) fn hides_head(&self) -> bool {
        self.is_free() && matches!(self.stage(), Stage::Head | Stage::Held)
    }

    /// The last head is none that may be served.
    pub(super) fn refuse(&self, problem: Problem) {
        // A connection is refused once: nothing after it counts.
        let _ = self.refusal.set(problem);
    }

    pub(super) fn refusal(&self) -> Option<&Problem> {
        self.refusal.get()
    }
}
