//! Latency: how much of it an exchange gets.

use std::time::Duration;

use weir_sdk::{Problems, random};

use crate::config::DelayConfig;

/// The longest that a timer runs, milliseconds.
const MOST: u32 = 60_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Delay {
    least: u32,
    jitter: u32,
}

impl Delay {
    pub(crate) fn new(at: &str, config: DelayConfig, problems: &mut Problems) -> Self {
        let DelayConfig { ms, jitter_ms } = config;
        if ms.saturating_add(jitter_ms) > MOST {
            problems.push(at, format!("ms and jitter_ms together are at most {MOST}"));
        }
        if ms == 0 && jitter_ms == 0 {
            problems.push(at, "that is no delay");
        }
        Self { least: ms, jitter: jitter_ms }
    }

    /// For one exchange.
    pub(crate) fn draw(self) -> Duration {
        let more = match self.jitter {
            0 => 0,
            // the high half of the product: every value as likely as any other, but for one in 2^32
            most => (u64::from(random::number()) * (u64::from(most) + 1)) >> 32,
        };
        Duration::from_millis(u64::from(self.least) + more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_within_its_bounds() {
        let mut problems = Problems::new();
        let delay = Delay::new("/d", DelayConfig { ms: 5, jitter_ms: 3 }, &mut problems);
        for _ in 0..1000 {
            assert!((5..=8).contains(&delay.draw().as_millis()));
        }
        assert!(problems.or(()).is_ok());
    }
}
