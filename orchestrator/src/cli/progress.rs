//! How far long work has come, for people: one line that is written over again, and only where somebody looks.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::units;

const EVERY: Duration = Duration::from_millis(200);

/// Bytes of something, or things.
pub(crate) struct Progress {
    amount: fn(u64) -> String,
    doing: &'static str,
    /// Of how many, where that is known.
    of: Option<u64>,
    done: u64,
    told: Option<Instant>,
    shows: bool,
}

impl Progress {
    pub(crate) fn new(doing: &'static str, of: Option<u64>) -> Self {
        Self { amount: units::size, doing, of, done: 0, told: None, shows: io::stderr().is_terminal() }
    }

    /// Of exchanges.
    pub(crate) fn of_exchanges(doing: &'static str, of: Option<u64>) -> Self {
        Self { amount: |count| units::counted(count, "exchange"), ..Self::new(doing, of) }
    }

    /// Where stdout is the terminal, the work itself is to be seen.
    pub(crate) fn unless_on_stdout(mut self, on_stdout: bool) -> Self {
        self.shows &= !(on_stdout && io::stdout().is_terminal());
        self
    }

    pub(crate) fn add(&mut self, more: usize) {
        self.done += more as u64;
        if !self.shows || self.told.is_some_and(|told| told.elapsed() < EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let of = self.of.filter(|of| *of > 0);
        let share = of.map(|of| format!(" ({} %)", self.done.saturating_mul(100) / of)).unwrap_or_default();
        // Whoever closed stderr does not want to know.
        let _ = write!(io::stderr(), "\r\x1b[K{} {}{share}", self.doing, (self.amount)(self.done));
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.told.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
