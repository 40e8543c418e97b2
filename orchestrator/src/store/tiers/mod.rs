//! System metrics that are kept for longer: samples of some seconds are folded into minutes and hours, each exactly once, in small
//! steps. What is asked for over a time is read from the tier that fits.

mod fold;
mod history;
mod summary;
#[cfg(test)]
mod tests;

pub(crate) use history::{History, Point, TIERS};
pub(crate) use summary::{Range, Summary};

/// A length of time for which there is one row of each agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Samples,
    Minutes,
    Hours,
}

impl Tier {
    fn table(self) -> &'static str {
        match self {
            Self::Samples => "system_metrics",
            Self::Minutes => "metrics_minutes",
            Self::Hours => "metrics_hours",
        }
    }

    /// Microseconds; of samples as many as there are mostly.
    pub(crate) fn us(self) -> u64 {
        match self {
            Self::Samples => 5_000_000,
            Self::Minutes => 60_000_000,
            Self::Hours => 3_600_000_000,
        }
    }

    /// The beginning of the time in which this one lies.
    fn begin(self, at_us: u64) -> u64 {
        at_us - at_us % self.us()
    }
}
