//! What heartbeats tell of filters: the figures that `/metrics` and `/filters` have of each.

use std::collections::HashMap;

use weir_host::{FilterStats, TIME_BOUNDS};
use weir_proto::v1::FilterFigures;

use crate::worker::Shared;

/// As many as an orchestrator takes of a group.
const MOST: usize = 1000;

/// Of each filter of the active chain, in its order.
pub(super) fn of(shared: &Shared) -> Vec<FilterFigures> {
    let generations: HashMap<_, _> = shared.host.generations().into_iter().collect();
    let filters = shared.active.list();
    let figures = filters.iter().take(MOST).map(|(filter, _)| FilterFigures {
        name: filter.name().to_string(),
        version: filter.version(),
        digest: filter.digest().to_string(),
        generations: generations.get(filter.name()).copied().unwrap_or_default(),
        ..counted(filter.stats())
    });
    figures.collect()
}

fn counted(stats: &FilterStats) -> FilterFigures {
    let failures = stats.failures().filter(|(_, count)| *count != 0);
    FilterFigures {
        calls: stats.calls(),
        exchanges: stats.exchanges(),
        time_us: u64::try_from(stats.time().as_micros()).unwrap_or(u64::MAX),
        times: stats.times().to_vec(),
        time_bounds_us: TIME_BOUNDS.to_vec(),
        bytes_in: stats.bytes_in(),
        bytes_out: stats.bytes_out(),
        instances: stats.instances(),
        memory_bytes: stats.memory(),
        log_lines: stats.log_lines(),
        log_suppressed: stats.log_suppressed(),
        failures: failures.map(|(kind, count)| (kind.to_owned(), count)).collect(),
        ..FilterFigures::default()
    }
}
