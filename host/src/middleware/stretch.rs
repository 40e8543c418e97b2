//! CPU time of a guest that is polled: from where it begins to run to where it waits for something. Ticks of the engine
//! cut such a stretch in slices, between which others run on the same thread; their time is not the guest's.

use std::time::Duration;

use wasmtime::UpdateDeadline;

use crate::{clock, state::CpuLimit};

#[derive(Debug)]
pub(super) struct Stretch {
    limit: Duration,
    used: Duration,
    /// The thread's CPU time when the running slice began; taken with the first tick, so that short polls pay nothing.
    since: Option<Duration>,
    /// The slice before was cut off by a tick: this one belongs to the same stretch.
    goes_on: bool,
    ticked: bool,
}

impl Stretch {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, used: Duration::ZERO, since: None, goes_on: false, ticked: false }
    }

    /// The guest is polled.
    pub(super) fn enter(&mut self) {
        self.since = self.goes_on.then(clock::thread_cpu);
        self.ticked = false;
    }

    /// A tick while it runs.
    pub(super) fn tick(&mut self, now: Duration) -> Result<UpdateDeadline, CpuLimit> {
        self.used += now.saturating_sub(*self.since.get_or_insert(now));
        self.since = Some(now);
        self.ticked = true;
        if self.used >= self.limit { Err(CpuLimit(self.limit)) } else { Ok(give_way()) }
    }

    /// It runs on as soon as the worker lets it: slow is the machine, not the guest.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// It was polled, and does not run.
    pub(super) fn leave(&mut self) {
        self.goes_on = self.ticked;
        if !self.ticked {
            self.used = Duration::ZERO;
        }
    }
}

/// Back to the worker, which serves others first. wasmtime's own yield would only let other tasks of this guest run.
fn give_way() -> UpdateDeadline {
    UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn slices_of_one_stretch_add_up_to_the_limit() {
        let mut stretch = Stretch::new(10 * MS);
        stretch.enter();
        assert!(stretch.tick(100 * MS).is_ok());
        assert!(stretch.tick(105 * MS).is_ok());
        stretch.leave();
        stretch.enter();
        stretch.since = Some(200 * MS);
        assert!(stretch.tick(204 * MS).is_ok());
        assert!(stretch.tick(206 * MS).is_err());
    }

    #[test]
    fn one_that_waits_begins_anew() {
        let mut stretch = Stretch::new(10 * MS);
        for begin in [100, 200, 300] {
            stretch.enter();
            assert!(stretch.tick(begin * MS).is_ok());
            assert!(stretch.tick((begin + 8) * MS).is_ok());
            stretch.leave();
            stretch.enter();
            stretch.leave();
        }
    }
}
