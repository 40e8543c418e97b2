//! Counting in a window that slides: the window before counts for as much of it as still lies within the last
//! `window` milliseconds. Never more than the limit in aligned windows, and smooth between them.

/// Where a moment lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// Number of the window since the epoch.
    pub(crate) index: u64,
    /// How much of it is over, 0 to 1.
    pub(crate) passed: f64,
}

impl Place {
    /// `now` and `window` in milliseconds.
    pub(crate) fn of(now: f64, window: f64) -> Self {
        let windows = (now.max(0.0) / window).max(0.0);
        Self { index: windows as u64, passed: windows.fract() }
    }
}

/// Requests that count now: `before` those of the window before, `current` of this one.
pub(crate) fn used(place: Place, before: f64, current: f64) -> f64 {
    before * (1.0 - place.passed) + current
}

/// Milliseconds until one more fits, when `before` and `current` are used and nobody else comes.
pub(crate) fn wait(place: Place, before: f64, current: f64, limit: f64, window: f64) -> f64 {
    let to_end = (1.0 - place.passed) * window;
    let room = limit - current - 1.0;
    if room >= 0.0 && before > 0.0 {
        // the share of the window before that still may count
        let from = 1.0 - room / before;
        return ((from - place.passed) * window).clamp(0.0, to_end);
    }
    // then the current window is the one before, and fades in its turn
    let faded = if current > 0.0 { (1.0 - (limit - 1.0).max(0.0) / current).max(0.0) } else { 0.0 };
    to_end + faded * window
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_window_before_fades() {
        let place = Place::of(90_000.0, 60_000.0);
        assert_eq!(place, Place { index: 1, passed: 0.5 });
        assert_eq!(used(place, 10.0, 3.0), 8.0);
    }

    proptest! {
        /// After the wait there is room, and a little before there is none.
        #[test]
        fn who_waits_as_told_gets_through(
            passed in 0.0..1.0_f64,
            (limit, before, current) in (1_u32..100).prop_flat_map(|limit| (Just(limit), 0..=limit, 0..=limit)),
        ) {
            let (before, current, limit, window) = (f64::from(before), f64::from(current), f64::from(limit), 1000.0);
            if used(Place { index: 7, passed }, before, current) + 1.0 <= limit {
                return Ok(());
            }
            let place = Place { index: 7, passed };
            let waited = wait(place, before, current, limit, window);
            let at = |milliseconds: f64| {
                let passed = passed + milliseconds / window;
                match passed < 1.0 {
                    true => used(Place { index: 7, passed }, before, current),
                    false => used(Place { index: 8, passed: passed - 1.0 }, current, 0.0),
                }
            };
            prop_assert!(at(waited + 0.001) + 1.0 <= limit + 0.001);
            prop_assert!(waited < 0.01 || at(waited - 0.01) + 1.0 > limit - 0.01);
        }
    }
}
