//! The sums in Prometheus' text format. Reads counters wherever they are kept; writes nothing.

use std::{collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use weir_host::TIME_BOUNDS;

use super::custom;
use super::{BOUNDS, ENTRIES, FAILURES, OUTCOMES, PEERS, WAYS};
use crate::{memory, worker::Shared};

type Label<'a> = (&'static str, &'a str);

/// Everything that is counted, as one text.
pub fn text(shared: &Arc<Shared>) -> String {
    let mut registry = Registry::with_prefix("weir_agent");
    registry.register_collector(Box::new(Scrape(Arc::clone(shared))));
    let mut text = String::with_capacity(16 << 10);
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("a String takes any text");
    text
}

struct Scrape(Arc<Shared>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        self.connections(out)?;
        self.exchanges(out)?;
        self.recorder(out)?;
        self.interception(out)?;
        self.filters(out)
    }
}

impl Scrape {
    fn connections(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &self.0.stats;
        gauges(
            out,
            "build_info",
            "Always 1; the version is in the label.",
            [(vec![("version", env!("CARGO_PKG_VERSION"))], 1)],
        )?;
        counter(out, "connections", "Client connections accepted.", stats.sum(|s| &s.connections))?;
        counter(
            out,
            "connections_refused",
            "Client connections over the bound.",
            stats.sum(|s| &s.connections_refused),
        )?;
        gauge(out, "connections_active", "Client connections at this moment.", stats.connections_active())?;
        gauge(out, "tunnels_active", "Opaque tunnels and upgraded connections.", stats.level(|s| &s.tunnels_active))?;
        let handshakes =
            PEERS.map(|(peer, label)| (vec![("peer", label)], stats.sum(|s| &s.handshakes[peer as usize])));
        counters(out, "tls_handshakes", "TLS handshakes that succeeded.", handshakes)?;
        let failed =
            PEERS.map(|(peer, label)| (vec![("peer", label)], stats.sum(|s| &s.handshakes_failed[peer as usize])));
        counters(out, "tls_handshake_failures", "TLS handshakes that failed.", failed)
    }

    fn exchanges(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &self.0.stats;
        gauge(out, "exchanges_active", "Exchanges at this moment.", stats.exchanges_active())?;
        if let Some(bytes) = memory::allocated() {
            gauge(out, "allocated_bytes", "Asked of the allocator and not given back.", bytes)?;
        }
        let cells = ENTRIES.iter().flat_map(|entry| OUTCOMES.iter().map(move |outcome| (entry, outcome)));
        let exchanges = cells.filter_map(|(entry, (outcome, label))| {
            let count = stats.sum(|s| &s.exchanges[*entry as usize][*outcome as usize]);
            (count != 0).then(|| (vec![("entry", entry.as_str()), ("outcome", *label)], count))
        });
        counters(out, "exchanges", "Exchanges that are over, by the way in and the end.", exchanges)?;
        let bytes = WAYS.map(|(way, label)| (vec![("way", label)], stats.sum(|s| &s.bytes[way as usize])));
        counters(out, "bytes", "Bytes of bodies and tunnels.", bytes)?;
        let failures =
            (0..FAILURES.len()).map(|at| (vec![("kind", FAILURES[at])], stats.sum(|s| &s.upstream_failures[at])));
        counters(out, "upstream_failures", "Requests that got no response.", failures)?;

        let counts: Vec<u64> = (0..=BOUNDS.len()).map(|at| stats.sum(|s| &s.durations[at])).collect();
        let bounds = BOUNDS.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
        let seconds = stats.sum(|s| &s.duration_us) as f64 / 1e6;
        let name = "exchange_duration_seconds";
        let help = "From the request head to the end of the response.";
        out.encode_descriptor(name, help, None, MetricType::Histogram)?.encode_histogram::<[(&str, &str); 0]>(
            seconds,
            counts.iter().sum(),
            &buckets,
            None,
        )
    }

    fn recorder(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let recorder = &self.0.recorder;
        counter(out, "recorder_recorded", "Exchanges that found room in a queue.", recorder.recorded())?;
        counter(out, "recorder_delivered", "Exchanges that the orchestrator has committed.", recorder.delivered())?;
        counter(out, "recorder_dropped", "Exchanges that found no room, in memory or on disk.", recorder.dropped())?;
        let (recorded, dropped) = (recorder.others_recorded(), recorder.others_dropped());
        counter(out, "recorder_messages_recorded", "Messages and the like that found room in a queue.", recorded)?;
        counter(out, "recorder_messages_dropped", "Messages and the like that found no room.", dropped)?;
        gauge(
            out,
            "recorder_queued_bytes",
            "Queued, on their way to the disk, or sent and not acknowledged.",
            recorder.queued_bytes(),
        )?;
        gauge(out, "spool_bytes", "On disk until the orchestrator has them.", recorder.spool_bytes())
    }

    fn interception(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.0.interception.figures();
        gauge(out, "breakpoints", "Breakpoints that an orchestrator has set.", figures.breakpoints as u64)?;
        gauge(out, "paused", "Messages that pause at breakpoints at this moment.", figures.paused as u64)?;
        let ended = figures.ended.into_iter().map(|(end, count)| (vec![("end", end)], count));
        counters(out, "pauses", "Pauses at breakpoints that are over, by what ended them.", ended)?;
        counter(out, "pauses_passed", "Messages that passed a breakpoint, since too many paused.", figures.passed)
    }

    fn filters(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let generations = self.0.host.generations();
        let rows = generations.iter().map(|(name, live)| (vec![("filter", name.as_str())], *live));
        gauges(
            out,
            "filter_generations",
            "Generations that are loaded: more than 1 while exchanges use an older one.",
            rows,
        )?;

        let filters = self.0.active.list();
        let versions: BTreeMap<_, _> =
            filters.iter().map(|(f, _)| (f.name().clone(), f.version().to_string())).collect();
        let label = |name: &'static str, value| -> Label<'_> { (name, value) };
        let of = |filter: &weir_host::Filter| -> Vec<Label<'_>> {
            let (name, version) = versions.get_key_value(filter.name()).expect("made of the same list");
            vec![label("filter", name.as_str()), label("version", version)]
        };
        let rows = |value: fn(&weir_host::FilterStats) -> u64| {
            filters.iter().map(move |(filter, _)| (of(filter), value(filter.stats())))
        };
        counters(out, "filter_calls", "Calls into the guest.", rows(|s| s.calls()))?;
        counters(out, "filter_exchanges", "Exchanges that met a hook.", rows(|s| s.exchanges()))?;
        let micros = rows(|s| u64::try_from(s.time().as_micros()).unwrap_or(u64::MAX));
        counters(out, "filter_time_microseconds", "Time in hooks.", micros)?;
        counters(out, "filter_bytes_in", "Body bytes copied into the guest.", rows(|s| s.bytes_in()))?;
        counters(out, "filter_bytes_out", "Body bytes copied out of the guest.", rows(|s| s.bytes_out()))?;
        gauges(out, "filter_instances", "Live instances.", rows(|s| s.instances()))?;
        gauges(out, "filter_memory_bytes", "Linear memory of the live instances.", rows(|s| s.memory()))?;
        counters(out, "filter_instances_made", "Instances ever made.", rows(|s| s.instances_made()))?;
        counters(out, "filter_log_lines", "Log lines written.", rows(|s| s.log_lines()))?;
        counters(out, "filter_log_suppressed", "Log lines over the limit.", rows(|s| s.log_suppressed()))?;
        let failures = filters.iter().flat_map(|(filter, _)| {
            filter.stats().failures().map(|(kind, count)| {
                let mut labels = of(filter);
                labels.push(label("kind", kind));
                (labels, count)
            })
        });
        counters(out, "filter_failures", "Exchanges that the filter failed, by kind.", failures)?;
        let durations = filters.iter().map(|(filter, _)| (of(filter), &**filter));
        call_durations(out, durations)?;
        custom::encode(out, filters.iter().map(|(filter, _)| &**filter))
    }
}

/// Time of each call into a guest.
fn call_durations<'a>(
    out: &mut DescriptorEncoder<'_>,
    filters: impl Iterator<Item = (Vec<Label<'a>>, &'a weir_host::Filter)>,
) -> fmt::Result {
    let help = "Time of one call into the guest.";
    let mut family = out.encode_descriptor("filter_call_duration_seconds", help, None, MetricType::Histogram)?;
    for (labels, filter) in filters {
        let times = filter.stats().times();
        let bounds = TIME_BOUNDS.iter().map(|micros| f64::from(*micros) / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(times).collect();
        family.encode_family(&labels)?.encode_histogram::<[(&str, &str); 0]>(
            filter.stats().time().as_secs_f64(),
            times.iter().sum(),
            &buckets,
            None,
        )?;
    }
    Ok(())
}

fn counter(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(out.encode_descriptor(name, help, None, MetricType::Counter)?)
}

fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstGauge::new(signed(value)).encode(out.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counters<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = (Vec<Label<'a>>, u64)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauges<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = (Vec<Label<'a>>, u64)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        ConstGauge::new(signed(value)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
