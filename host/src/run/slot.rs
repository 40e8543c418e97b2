//! One filter's part in one exchange: what it is, and what has become of it.

mod enter;
mod leave;

use std::sync::Arc;

use bytes::BytesMut;
use weir_artifact::FailurePolicy;

pub(super) use self::enter::not_seated;
use super::middleware::Part;
use crate::{
    Answer, BodyMode, Call, CallOutcome, Chain, Changes, Direction, Failure, Filter, Receipt, Subscription, Verdict,
    calls::Calls, clock, instances::Seat, middleware,
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
}
