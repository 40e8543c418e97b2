//! One filter's part in one exchange: the way into its guest, and what its answers and failures end.

use std::sync::Arc;

use bytes::BytesMut;
use wasmtime::Store;
use weir_artifact::FailurePolicy;

use super::{core::Core, middleware::Part};
use crate::{
    Answer, BodyMode, Call, CallOutcome, Chain, Changes, Direction, DoneReason, Failure, FailureKind, Filter,
    LoadFault, Receipt, Subscription, Summary, Verdict,
    bindings::{
        completed::exports::weir::filter::completed::Summary as GuestSummary,
        weir::filter::http::LocalResponse as GuestResponse,
    },
    calls::Calls,
    clock, convert,
    guest::Guest,
    instances::Seat,
    middleware,
    state::{Hook, State},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It takes part.
    In,
    /// Its breaker is open and there is nothing to fall back to: it fails at its first hook.
    Refused,
    /// It failed, or ended the exchange: it meets no hook any more.
    Out,
}

/// One filter's part in one exchange.
pub(super) struct Slot {
    index: usize,
    /// What the exchange gets when it fails.
    policy: FailurePolicy,
    /// Its guest runs beside the exchange; then there is never a seat.
    pub(super) runs_beside: bool,
    /// That guest, once it has the exchange.
    pub(super) part: Option<Box<Part>>,
    substitute: Option<Arc<Filter>>,
    pub(super) subscription: Subscription,
    modes: [BodyMode; 2],
    /// The guest beside the exchange asked to be shown the body.
    shown: [bool; 2],
    pub(super) seat: Option<Seat>,
    /// What `buffer` has gathered, by direction: both bodies may be under way.
    pub(super) buffers: [BytesMut; 2],
    /// None as long as it has started none.
    calls: Option<Box<Calls>>,
    standing: Standing,
    verdict: Verdict,
    failure: Option<Box<Failure>>,
    met: bool,
    pub(super) changed: Changes,
    /// What its hooks took, in ticks of the clock.
    spent: u64,
    /// It answered `on-open` with true.
    pub(super) sees_messages: bool,
}

/// What a hook came to; the error ends the exchange's way.
pub(super) type Hooked<R> = Result<R, Box<Answer>>;

impl Slot {
    pub(super) fn new(index: usize, filter: &Filter, policy: FailurePolicy) -> Self {
        let asked = filter.subscription();
        let runs_beside = filter.runs_beside();
        let subscription = if runs_beside { middleware::reach(asked) } else { asked };
        Self {
            index,
            policy,
            runs_beside,
            part: None,
            substitute: None,
            shown: [Direction::Request, Direction::Response]
                .map(|at| asked.head(at) && asked.body(at) != BodyMode::None),
            modes: [subscription.request_body, subscription.response_body],
            subscription,
            seat: None,
            buffers: Default::default(),
            calls: None,
            standing: Standing::In,
            verdict: Verdict::Next,
            failure: None,
            met: false,
            changed: Changes::default(),
            spent: 0,
            sees_messages: false,
        }
    }

    pub(super) fn substituted(index: usize, substitute: Arc<Filter>, policy: FailurePolicy) -> Self {
        let slot = Self::new(index, &substitute, policy);
        Self { substitute: Some(substitute), ..slot }
    }

    pub(super) fn refused(index: usize, filter: &Filter, policy: FailurePolicy) -> Self {
        Self { standing: Standing::Refused, ..Self::new(index, filter, policy) }
    }

    pub(super) fn filter<'a>(&'a self, chain: &'a Chain) -> &'a Arc<Filter> {
        self.substitute.as_ref().unwrap_or(&chain.filters()[self.index])
    }

    /// How it takes part in this body.
    pub(super) fn mode(&self, direction: Direction) -> BodyMode {
        let takes_part = if self.runs_beside { self.is_tap(direction) } else { !self.is_out() };
        if takes_part { self.modes[direction.index()] } else { BodyMode::None }
    }

    /// Are the bodies of this direction to be decoded for it?
    pub(super) fn wants_decoded(&self, direction: Direction) -> bool {
        let shown =
            if self.runs_beside { self.shown[direction.index()] } else { self.mode(direction) != BodyMode::None };
        self.subscription.decoded && !self.is_out() && shown
    }

    pub(super) fn is_out(&self) -> bool {
        self.standing == Standing::Out
    }

    /// It has changed a body, before it failed perhaps.
    pub(super) fn has_changed_body(&self) -> bool {
        let bodies = Changes::body(Direction::Request) | Changes::body(Direction::Response);
        self.changed.has(bodies | Changes::MESSAGES)
    }

    /// Another response takes the place of the one that it may have seen some of.
    pub(super) fn meets_another_response(&mut self) {
        let response = Direction::Response.index();
        self.buffers[response].clear();
        self.modes[response] = self.subscription.response_body;
    }

    /// `on-completed`, whether or not it met another hook. One that failed is told nothing.
    pub(super) fn completed(&mut self, core: &mut Core, reason: DoneReason, summary: &Summary) {
        let wants = self.filter(&core.chain).hooks().completed;
        if !wants || self.failure.is_some() || self.standing == Standing::Refused {
            return;
        }
        let summary = GuestSummary::new(reason, summary);
        let told = self.seat(core).and_then(|()| {
            let Some(seat) = &self.seat else { unreachable!("taken above") };
            let mut instance = seat.instance.borrow_mut();
            let (lent, calls) = (&mut core.lent, &mut self.calls);
            let called = instance.call(seat.number, Hook::Completed, core.frozen, lent, calls, |guest, store| {
                let Some(hooks) = guest.completed() else { return Ok(()) };
                hooks.weir_filter_completed().call_on_completed(store, seat.number, &summary)
            });
            self.spent += instance.spent();
            called
        });
        if let Err(failure) = told {
            self.filter(&core.chain).stats().failed(failure.kind);
            self.failure = Some(Box::new(failure));
        }
    }

    /// `on-done`, once, if it met the exchange.
    pub(super) fn done(&mut self, core: &mut Core, reason: DoneReason) {
        if self.runs_beside {
            return self.middleware_done(core);
        }
        let Some(seat) = self.seat.take() else { return };
        let mut instance = seat.instance.borrow_mut();
        let was_dead = instance.is_dead();
        if !was_dead {
            let (lent, calls) = (&mut core.lent, &mut self.calls);
            let called = instance.call(seat.number, Hook::Done, core.frozen, lent, calls, |guest, store| {
                guest.weir_filter_events().call_on_done(store, seat.number, reason.into())
            });
            self.spent += instance.spent();
            if let Err(failure) = called {
                self.filter(&core.chain).stats().failed(failure.kind);
                self.failure.get_or_insert(Box::new(failure));
            }
        }
        drop(instance);
        self.judge(core, was_dead);
    }

    /// What the breaker makes of it.
    pub(super) fn judge(&self, core: &Core, was_dead: bool) {
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

    pub(super) fn receipt<'a>(&'a self, chain: &'a Chain) -> Option<Receipt<'a>> {
        let filter = self.filter(chain);
        let met = self.met || self.failure.is_some();
        met.then(|| Receipt {
            name: filter.name(),
            version: filter.version(),
            digest: filter.digest(),
            verdict: self.verdict,
            error: self.failure.as_deref(),
            changes: self.changed,
            took: clock::duration(self.spent + self.part.as_ref().map_or(0, |part| part.wire().busy())),
        })
    }

    /// Enters the guest. None: the filter failed, or is broken, and its policy lets the exchange go on without it.
    pub(super) fn call<R>(
        &mut self,
        core: &mut Core,
        at: usize,
        hook: Hook,
        enter: impl FnOnce(&Guest, &mut Store<State>, u32) -> wasmtime::Result<R>,
    ) -> Hooked<Option<R>> {
        let called = self.seat(core).and_then(|()| {
            let Some(seat) = &self.seat else { unreachable!("taken above") };
            let mut instance = seat.instance.borrow_mut();
            let (lent, calls) = (&mut core.lent, &mut self.calls);
            let called = instance
                .call(seat.number, hook, core.frozen, lent, calls, |guest, store| enter(guest, store, seat.number));
            self.spent += instance.spent();
            called
        });
        match called {
            Ok((answer, effects)) => {
                self.changed |= effects.changed;
                core.has_new_calls |= self.calls.as_ref().is_some_and(|calls| calls.has_new());
                if let (Some(mode), Some(direction)) = (effects.narrowed, hook.head()) {
                    self.modes[direction.index()] = mode;
                }
                Ok(Some(answer))
            }
            Err(failure) => self.fail(core, at, failure).map(|()| None),
        }
    }

    fn seat(&mut self, core: &Core) -> Result<(), Failure> {
        if self.seat.is_none() {
            self.admitted(core)?;
            let filter = self.filter(&core.chain);
            let seat = core.instances.seat(filter).map_err(|fault| not_seated(filter, &fault))?;
            self.seat = Some(seat);
            self.met = true;
        }
        Ok(())
    }

    /// Not if its breaker is open.
    pub(super) fn admitted(&self, core: &Core) -> Result<(), Failure> {
        if self.standing == Standing::Refused {
            let reason = "it failed too often in a row".to_owned();
            return Err(self.filter(&core.chain).failure("breaker", FailureKind::BreakerOpen, reason));
        }
        Ok(())
    }

    pub(super) fn meets(&mut self) {
        self.met = true;
    }

    pub(super) fn has_changed(&mut self, changes: Changes) {
        self.changed |= changes;
    }

    /// Its guest beside the exchange has taken so long.
    pub(super) fn has_spent(&mut self, ticks: u64) {
        self.spent += ticks;
    }

    /// It answers, and takes part in its own answer.
    pub(super) fn has_responded(&mut self) {
        self.verdict = Verdict::Responded;
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// A failure that nobody waits for any more.
    pub(super) fn failed_unseen(&mut self, core: &Core, failure: Failure) {
        self.filter(&core.chain).stats().failed(failure.kind);
        self.failure.get_or_insert(Box::new(failure));
    }

    /// For the agent.
    pub(super) fn take_calls(&mut self, at: usize, into: &mut Vec<Call>) {
        into.extend(self.calls.iter_mut().flat_map(|calls| calls.take_new(at)));
        into.extend(self.part.iter().flat_map(|part| part.wire().take_calls(at)));
    }

    pub(super) fn call_ended(&mut self, number: u8, outcome: CallOutcome) {
        // none: the filter failed meanwhile
        if let Some(calls) = &mut self.calls {
            calls.ended(number, outcome);
        } else if let Some(part) = &self.part {
            part.wire().call_ended(number, outcome);
        }
    }

    /// Is there reason for what waits to go on? One that takes no part any more has nothing to say.
    pub(super) fn can_resume(&self) -> bool {
        self.is_out() || self.calls.as_ref().is_some_and(|calls| calls.has_ended())
    }

    pub(super) fn take_ended_call(&mut self) -> Option<(u32, CallOutcome)> {
        self.calls.as_mut()?.take_ended()
    }

    /// It answers `wait`. False: it has nothing to wait for, and its policy lets the exchange go on without it.
    pub(super) fn wait(&mut self, core: &mut Core, at: usize, hook: Hook) -> Hooked<bool> {
        if self.calls.as_ref().is_some_and(|calls| calls.has_any()) {
            return Ok(true);
        }
        self.breach(core, at, hook, "it waits, but has started nothing to wait for").map(|()| false)
    }

    pub(super) fn respond(&mut self, core: &mut Core, at: usize, hook: Hook, response: GuestResponse) -> Hooked<()> {
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

    pub(super) fn abort(&mut self, core: &mut Core, at: usize) -> Box<Answer> {
        self.leave(core, at, Verdict::Aborted);
        Box::new(Answer::Abort)
    }

    fn leave(&mut self, core: &mut Core, at: usize, verdict: Verdict) {
        self.standing = Standing::Out;
        self.verdict = verdict;
        core.answered = Some(at);
    }

    pub(super) fn breach(&mut self, core: &mut Core, at: usize, hook: Hook, reason: &str) -> Hooked<()> {
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::Contract, reason.to_owned());
        self.fail(core, at, failure)
    }

    pub(super) fn oversized(
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
    pub(super) fn fail(&mut self, core: &mut Core, at: usize, failure: Failure) -> Hooked<()> {
        // What was decoded cannot be coded again: a broken coding is no case for going on.
        let can_go_on = !matches!(failure.kind, FailureKind::Coding(_));
        self.fail_where(core, at, failure, can_go_on)
    }

    /// As [`Self::fail`], where it may be that nothing could go on without it.
    pub(super) fn fail_where(&mut self, core: &mut Core, at: usize, failure: Failure, can_go_on: bool) -> Hooked<()> {
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
}

/// Why there is no instance for it.
pub(super) fn not_seated(filter: &Filter, fault: &LoadFault) -> Failure {
    let mut kind = FailureKind::NoRoom;
    if !matches!(fault, LoadFault::NoRoom { .. }) {
        filter.breaker().failed();
        kind = FailureKind::Instantiate;
    }
    filter.failure(fault.phase(), kind, fault.to_string())
}
