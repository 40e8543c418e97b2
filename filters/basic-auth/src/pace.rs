//! How often slow work is done: a bucket that fills by time.

use weir_sdk::clock;

#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    left: f64,
    /// Milliseconds; none before the first.
    last: Option<f64>,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), left: per_second.into(), last: None }
    }

    /// There is time for one more; it counts.
    pub(crate) fn admits(&mut self) -> bool {
        self.admits_at(clock::monotonic_ms())
    }

    fn admits_at(&mut self, now: f64) -> bool {
        let passed = now - self.last.unwrap_or(now);
        self.last = Some(now);
        self.left = (self.left + passed / 1000.0 * self.per_second).min(self.per_second);
        let is_one_left = self.left >= 1.0;
        if is_one_left {
            self.left -= 1.0;
        }
        is_one_left
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn so_many_a_second() {
        let mut pace = Pace::new(3);
        let admitted = |pace: &mut Pace, now: f64| (0..10).filter(|_| pace.admits_at(now)).count();
        assert_eq!(admitted(&mut pace, 1000.0), 3);
        assert_eq!(admitted(&mut pace, 1100.0), 0);
        assert_eq!(admitted(&mut pace, 1400.0), 1);
        assert_eq!(admitted(&mut pace, 900_000.0), 3);
    }
}
