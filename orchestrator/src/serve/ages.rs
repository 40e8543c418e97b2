//! The time by which what is kept grows old. A clock that was set forward by mistake would have all of it deleted at once: it is not
//! believed for an hour, so that there is time to set it right. Pure but for what it logs.

use std::time::{Duration, Instant};

/// What a clock may gain between two looks; more is a jump.
const JUMP: Duration = Duration::from_secs(15 * 60);
/// For how long it is not believed.
const HELD: Duration = Duration::from_secs(60 * 60);

/// A clock that does not jump ahead.
pub(super) struct Ages {
    /// The time that was believed, and when.
    us: u64,
    at: Instant,
    jumped: Option<Instant>,
}

impl Ages {
    pub(super) fn new(at: Instant, us: u64) -> Self {
        Self { us, at, jumped: None }
    }

    /// The time that is believed, where the clock says `us`.
    pub(super) fn now(&mut self, at: Instant, us: u64) -> u64 {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let due = self.us.saturating_add(micros(at.saturating_duration_since(self.at)));
        let ahead = us.saturating_sub(due);
        let since = *self.jumped.get_or_insert(at);
        if ahead <= micros(JUMP) {
            if since != at {
                tracing::info!("the clock is where it was before it jumped");
            }
        } else if since == at {
            tracing::error!(
                ahead_s = ahead / 1_000_000,
                "the clock jumped ahead: for an hour nothing is deleted for an age that it would have by that; set the clock right"
            );
            return due;
        } else if at.saturating_duration_since(since) < HELD {
            return due;
        }
        *self = Self::new(at, us);
        us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600 * 1_000_000;
    const NOW: u64 = 20_000 * DAY;
    const MINUTE: u64 = 60_000_000;

    /// By minutes since the beginning: what the clock says, and what is believed.
    fn check(says: &[(u64, u64, u64)]) {
        let begin = Instant::now();
        let mut ages = Ages::new(begin, NOW);
        for (minutes, clock, expect) in says {
            let at = begin + Duration::from_secs(minutes * 60);
            assert_eq!(ages.now(at, *clock), *expect, "after {minutes} minutes");
        }
    }

    #[test]
    fn a_clock_that_goes_is_believed() {
        let at = |minutes: u64| NOW + minutes * MINUTE;
        check(&[(1, at(1), at(1)), (2, at(10), at(10)), (3, at(3), at(3)), (60, at(60), at(60))]);
    }

    #[test]
    fn one_that_jumps_ahead_is_not_until_it_stays_there() {
        let at = |minutes: u64| NOW + minutes * MINUTE;
        let far = |minutes: u64| at(minutes) + 400 * DAY;
        check(&[(1, far(1), at(1)), (30, far(30), at(30)), (40, at(40), at(40)), (100, far(100), at(100))]);
        check(&[(1, far(1), at(1)), (60, far(60), at(60)), (61, far(61), far(61)), (62, far(62), far(62))]);
    }
}
