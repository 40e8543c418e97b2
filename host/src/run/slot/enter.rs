//! The way into its guest: a seat in an instance, a hook of the exchange, and those at its end.

use wasmtime::Store;

use super::{super::core::Core, Hooked, Slot, Standing};
use crate::{
    DoneReason, Failure, FailureKind, Filter, LoadFault, Summary,
    bindings::completed::exports::weir::filter::completed::Summary as GuestSummary,
    guest::Guest,
    state::{Hook, State},
};

impl Slot {
    /// Enters the guest. None: the filter failed, or is broken, and its policy lets the exchange go on without it.
    pub(in super::super) fn call<R>(
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
    pub(in super::super) fn admitted(&self, core: &Core) -> Result<(), Failure> {
        if self.standing == Standing::Refused {
            let reason = "it failed too often in a row".to_owned();
            return Err(self.filter(&core.chain).failure("breaker", FailureKind::BreakerOpen, reason));
        }
        Ok(())
    }

    /// `on-completed`, whether or not it met another hook. One that failed is told nothing.
    pub(in super::super) fn completed(&mut self, core: &mut Core, reason: DoneReason, summary: &Summary) {
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
    pub(in super::super) fn done(&mut self, core: &mut Core, reason: DoneReason) {
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
}

/// Why there is no instance for it.
pub(in super::super) fn not_seated(filter: &Filter, fault: &LoadFault) -> Failure {
    let mut kind = FailureKind::NoRoom;
    if !matches!(fault, LoadFault::NoRoom { .. }) {
        filter.breaker().failed();
        kind = FailureKind::Instantiate;
    }
    filter.failure(fault.phase(), kind, fault.to_string())
}
