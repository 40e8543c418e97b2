//! Writes what exchanges came to into the filter's log. In: finished exchanges; out: a line for each, and the sums of an
//! interval. It sees no head and no body on their way, so they do not wait for it.
#![forbid(unsafe_code)]

mod config;
mod line;
mod sums;

use std::{cell::RefCell, time::Duration};

use weir_sdk::{Completed, Done, Filter, Problems, Subscription, Summary, Tick, info};

use crate::{config::Config, line::Line, sums::Sums};

/// The filter.
#[derive(Debug)]
pub struct AccessLog {
    config: Config,
    sums: RefCell<Sums>,
}

/// Without sums nothing is to be done by the clock, and so seldom it costs nothing.
const SELDOM: Duration = Duration::from_secs(3600);

impl Filter for AccessLog {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if !config.lines && config.sums_ms.is_none() {
            problems.push("/lines", "neither lines nor sums: nothing would be written");
        }
        if config.sums_ms.is_some_and(|interval| !(1_000..=3_600_000).contains(&interval)) {
            problems.push("/sums_ms", "1000 to 3600000: a second to an hour");
        }
        problems.or(Self { config, sums: RefCell::default() })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new()
    }
}

impl Completed for AccessLog {
    fn completed(&self, exchange: &Done, summary: &Summary, (): &mut ()) {
        let status = exchange.status();
        if self.config.sums_ms.is_some() {
            self.sums.borrow_mut().add(status, summary);
        }
        let is_wanted = status.is_none_or(|status| status >= self.config.status_from);
        if self.config.lines && is_wanted {
            info!("{}", Line { exchange, summary, status, query: self.config.query });
        }
    }
}

impl Tick for AccessLog {
    fn interval(&self) -> Duration {
        self.config.sums_ms.map_or(SELDOM, |interval| Duration::from_millis(interval.into()))
    }

    fn tick(&self) {
        let sums = self.sums.take();
        if self.config.sums_ms.is_some() && sums.exchanges > 0 {
            info!("{sums}");
        }
    }
}

weir_sdk::export!(AccessLog, with Completed + Tick);

#[cfg(test)]
mod tests;
