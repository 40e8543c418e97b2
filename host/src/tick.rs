//! Work by the clock: each instance that a worker keeps is called when its time has come. The agent's worker asks here when
//! that is; nothing here knows timers.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    FailureKind, Instances, Level, Warm,
    instance::Instance,
    instances::Shared,
    state::{Frozen, Hook},
};

/// More often nothing ticks.
const SHORTEST: Duration = Duration::from_millis(100);

/// How soon another instance takes the place of one that died of its clock.
const PAUSE: Duration = Duration::from_secs(5);

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
            let is_dead = instance.borrow().is_dead();
            let due = if is_dead { self.replace(&instance, now) } else { tick(&instance, now) };
            next = next.into_iter().chain(due).min();
        }
        next
    }

    /// Another in place of a dead one, when its time has come: whoever works by the clock may never see an exchange.
    fn replace(&self, dead: &Shared, now: Instant) -> Option<Instant> {
        let ticks = dead.borrow().ticks?;
        let filter = Arc::clone(dead.borrow().filter());
        if self.has_room(&filter) {
            return None;
        }
        if ticks.due > now {
            return Some(ticks.due);
        }
        // a trial of an open breaker is for an exchange, which can say how it ended
        let started = if filter.breaker().is_open() { None } else { Some(Warm::start(&filter)) };
        match started {
            Some(Ok(warm)) => {
                self.adopt(warm);
                return Some(now + SHORTEST);
            }
            Some(Err(error)) => filter.host().log().write(&filter, None, Level::Error, &error.to_string()),
            None => {}
        }
        let due = now + PAUSE;
        dead.borrow_mut().ticks = Some(Ticks { due, ..ticks });
        Some(due)
    }
}

/// When this one is due next; none: it has no clock.
fn tick(instance: &Shared, now: Instant) -> Option<Instant> {
    let mut instance = instance.borrow_mut();
    let mut ticks = instance.ticks?;
    if ticks.due > now {
        return Some(ticks.due);
    }
    call(&mut instance);
    ticks.due = now + if instance.is_dead() { PAUSE.max(ticks.interval) } else { ticks.interval };
    instance.ticks = Some(ticks);
    Some(ticks.due)
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
