//! What ends its part: its answers, and its failures by the policy that the exchange has for them.

use weir_artifact::FailurePolicy;

use super::{super::core::Core, Hooked, Slot, Standing};
use crate::{
    Answer, Failure, FailureKind, Verdict, bindings::weir::filter::http::LocalResponse as GuestResponse, convert,
    state::Hook,
};

impl Slot {
    /// It answers `wait`. False: it has nothing to wait for, and its policy lets the exchange go on without it.
    pub(in super::super) fn wait(&mut self, core: &mut Core, at: usize, hook: Hook) -> Hooked<bool> {
        if self.calls.as_ref().is_some_and(|calls| calls.has_any()) {
            return Ok(true);
        }
        self.breach(core, at, hook, "it waits, but has started nothing to wait for").map(|()| false)
    }

    pub(in super::super) fn respond(
        &mut self,
        core: &mut Core,
        at: usize,
        hook: Hook,
        response: GuestResponse,
    ) -> Hooked<()> {
        let limit = self.filter(&core.chain).publication().limits.answer_bytes as usize;
        if response.body.len() > limit {
            return self.oversized(core, at, hook, response.body.len(), limit);
        }
        match convert::local_response(response) {
            Err(reason) => self.breach(core, at, hook, &reason),
            Ok(_) if core.committed => Err(self.abort(core, at)),
            Ok(response) => {
                self.leave(core, at, Verdict::Responded);
                Err(Box::new(Answer::Respond(response)))
            }
        }
    }

    pub(in super::super) fn abort(&mut self, core: &mut Core, at: usize) -> Box<Answer> {
        self.leave(core, at, Verdict::Aborted);
        Box::new(Answer::Abort)
    }

    fn leave(&mut self, core: &mut Core, at: usize, verdict: Verdict) {
        self.standing = Standing::Out;
        self.verdict = verdict;
        core.answered = Some(at);
    }

    pub(in super::super) fn breach(&mut self, core: &mut Core, at: usize, hook: Hook, reason: &str) -> Hooked<()> {
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::Contract, reason.to_owned());
        self.fail(core, at, failure)
    }

    pub(in super::super) fn oversized(
        &mut self,
        core: &mut Core,
        at: usize,
        hook: Hook,
        bytes: usize,
        limit: usize,
    ) -> Hooked<()> {
        let reason = format!("its answer has {bytes} bytes, more than {limit}");
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::AnswerTooLarge, reason);
        self.fail(core, at, failure)
    }

    /// The failure policy. Ok: the exchange goes on without this filter.
    pub(in super::super) fn fail(&mut self, core: &mut Core, at: usize, failure: Failure) -> Hooked<()> {
        // What was decoded cannot be coded again: a broken coding is no case for going on.
        let can_go_on = !matches!(failure.kind, FailureKind::Coding(_));
        self.fail_where(core, at, failure, can_go_on)
    }

    /// As [`Self::fail`], where it may be that nothing could go on without it.
    pub(in super::super) fn fail_where(
        &mut self,
        core: &mut Core,
        at: usize,
        failure: Failure,
        can_go_on: bool,
    ) -> Hooked<()> {
        let filter = self.filter(&core.chain);
        filter.stats().failed(failure.kind);
        let open = self.policy == FailurePolicy::Open && can_go_on;
        self.failure = Some(Box::new(failure.clone()));
        self.calls = None;
        if open {
            self.standing = Standing::Out;
            self.verdict = Verdict::Skipped;
            return Ok(());
        }
        self.leave(core, at, Verdict::Failed);
        Err(Box::new(Answer::Failed(failure)))
    }

    /// A failure that nobody waits for any more.
    pub(in super::super) fn failed_unseen(&mut self, core: &Core, failure: Failure) {
        self.filter(&core.chain).stats().failed(failure.kind);
        self.failure.get_or_insert(Box::new(failure));
    }

    /// What the breaker makes of it.
    pub(in super::super) fn judge(&self, core: &Core, was_dead: bool) {
        let breaker = self.filter(&core.chain).breaker();
        match self.failure.as_deref().map(|failure| failure.kind) {
            // Its instance did not live to see the end: that is no sign that it would have come to a good one.
            None if was_dead => {}
            None => breaker.succeeded(),
            // Not of its own doing: another's trap, or what a peer sent. Were it counted, twenty large bodies of one client
            // would stop the filter for all.
            Some(
                FailureKind::InstanceLost
                | FailureKind::Coding(_)
                | FailureKind::BufferOverflow
                | FailureKind::Unreadable,
            ) => {}
            Some(_) => breaker.failed(),
        }
    }
}
