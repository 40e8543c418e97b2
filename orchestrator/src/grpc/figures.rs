//! What heartbeats tell of filters, within bounds: it is kept until the next one comes.

use weir_proto::v1::{FilterFigures, Heartbeat};

use super::bounded as text;

const FILTERS: usize = 1000;
/// Of one filter: kinds of failures, and buckets of times.
const PARTS: usize = 64;

/// What goes beyond the bounds is left out.
pub(super) fn bounded(mut heartbeat: Heartbeat) -> Heartbeat {
    heartbeat.filters.truncate(FILTERS);
    heartbeat.filters.iter_mut().for_each(bound);
    heartbeat.filters.shrink_to_fit();
    heartbeat
}

fn bound(figures: &mut FilterFigures) {
    figures.name = text(&figures.name, 64);
    figures.digest = text(&figures.digest, 80);
    figures.time_bounds_us.truncate(PARTS);
    figures.times.truncate(figures.time_bounds_us.len() + 1);
    let failures = std::mem::take(&mut figures.failures);
    figures.failures = failures.into_iter().take(PARTS).map(|(kind, count)| (text(&kind, 32), count)).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_tells_too_much_is_cut_short() {
        let failures = (0..1000).map(|kind| (format!("\n{kind:0>500}"), 1)).collect();
        let long = "\u{1f980}".repeat(100);
        let times = vec![1; 100_000];
        let figures = FilterFigures { name: long.clone(), digest: long, times, failures, ..FilterFigures::default() };
        let bounded = bounded(Heartbeat { filters: vec![figures; 1200], ..Heartbeat::default() });
        assert_eq!(bounded.filters.len(), FILTERS);
        let one = &bounded.filters[0];
        assert!(one.name.len() <= 64 && one.digest.len() <= 80, "{one:?}");
        assert_eq!(one.times.len(), 1, "a bucket without a bound is the last one");
        assert!(one.failures.len() <= PARTS);
        assert!(one.failures.keys().all(|kind| kind.len() <= 32 && !kind.contains('\n')));
    }
}
