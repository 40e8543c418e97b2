//! Work by the clock: each instance that a worker keeps is called when its time has come. The agent's worker asks here when
//! that is; nothing here knows timers.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    FailureKind, Instances, Level,
    instance::Instance,
    instances::Shared,
    state::{Frozen, Hook},
};

/// More often nothing ticks.
const SHORTEST: Duration = Duration::from_millis(100);

/// An instance's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    interval: Duration,
    due: Instant,
}

impl Ticks {
    pub(crate) fn every(interval: Duration) -> Self {
        let interval = interval.max(SHORTEST);
        Self { interval, due: Instant::now() + interval }
    }
}

impl Instances {
    /// Calls the instances whose time has come, and says when the next one's is. What was missed, because the worker was
    /// busy, is not made up for.
    pub fn tick(self: &Rc<Self>, now: Instant) -> Option<Instant> {
        let mut next = None;
        for instance in self.kept() {
            let Some(due) = tick(&instance, now) else { continue };
            next = Some(next.map_or(due, |next: Instant| next.min(due)));
        }
        next
    }
}

/// When this one is due next; none: it has no clock, or is dead.
fn tick(instance: &Shared, now: Instant) -> Option<Instant> {
    let mut instance = instance.borrow_mut();
    let mut ticks = instance.ticks.filter(|_| !instance.is_dead())?;
    if ticks.due > now {
        return Some(ticks.due);
    }
    ticks.due = now + ticks.interval;
    instance.ticks = Some(ticks);
    call(&mut instance);
    Some(ticks.due).filter(|_| !instance.is_dead())
}

fn call(instance: &mut Instance) {
    let (mut nothing_lent, mut no_calls) = (None, None);
    let called = instance.call(0, Hook::Tick, Frozen::default(), &mut nothing_lent, &mut no_calls, |guest, store| {
        guest.tick().map_or(Ok(()), |hooks| hooks.weir_filter_tick().call_on_tick(store))
    });
    instance.tell();
    let Err(failure) = called else { return };
    let filter = instance.filter();
    filter.stats().failed(failure.kind);
    if failure.kind != FailureKind::InstanceLost {
        filter.breaker().failed();
    }
    filter.host().log().write(filter, None, Level::Error, &failure.to_string());
}
