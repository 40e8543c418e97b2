//! What filters count themselves, in Prometheus' text format: one family for each name, whichever filters have it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use weir_host::{Filter, MetricKind, Series};

/// The series of these filters.
pub(super) fn encode<'a>(out: &mut DescriptorEncoder<'_>, filters: impl Iterator<Item = &'a Filter>) -> fmt::Result {
    let mut families: BTreeMap<String, Vec<(&str, Arc<Series>)>> = BTreeMap::new();
    for filter in filters {
        for series in filter.series() {
            families.entry(series.name.clone()).or_default().push((filter.name().as_str(), series));
        }
    }
    for (name, members) in &families {
        let Some((_, first)) = members.first() else { continue };
        let kind = match first.kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        let name = format!("filter_metric_{name}");
        let mut family = out.encode_descriptor(&name, &first.help, None, kind)?;
        for (filter, series) in members {
            let own = series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels: Vec<(&str, &str)> = std::iter::once(("filter", *filter)).chain(own).collect();
            value(family.encode_family(&labels)?, series)?;
        }
    }
    Ok(())
}

fn value(mut out: MetricEncoder<'_>, series: &Series) -> fmt::Result {
    match series.kind {
        MetricKind::Counter => ConstCounter::new(series.value()).encode(out),
        MetricKind::Gauge => ConstGauge::new(series.value()).encode(out),
        MetricKind::Histogram => {
            let buckets = series.buckets();
            let count = buckets.iter().map(|(_, count)| count).sum();
            out.encode_histogram::<[(&str, &str); 0]>(series.value(), count, &buckets, None)
        }
    }
}
