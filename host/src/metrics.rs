//! Numbers that filters count for their operators. Series are defined by guests, shared by all instances and generations of a
//! filter, and read by whoever serves `/metrics`. Counting takes no lock.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use weir_artifact::Name;

/// Most series of one filter, so that no filter floods whoever scrapes.
const SERIES: usize = 256;
const LABELS: usize = 8;
const BOUNDS: usize = 32;
/// Bytes of a name or of a label's value, and of a help text.
const NAME_BYTES: usize = 128;
const HELP_BYTES: usize = 256;

/// Bounds of histograms that name none: those that Prometheus' clients have, in seconds.
const DEFAULT_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

/// One series of a filter.
#[derive(Debug)]
pub struct Series {
    /// Without prefix.
    pub name: String,
    /// For people.
    pub help: String,
    /// In the order given.
    pub labels: Vec<(String, String)>,
    /// What it counts.
    pub kind: MetricKind,
    /// A counter's or gauge's value, a histogram's sum: the bits of an `f64`.
    value: AtomicU64,
    bounds: Vec<f64>,
    /// Values up to each bound and above the one before; the last is without bound.
    buckets: Vec<AtomicU64>,
}

/// Why a series is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidName,
    Conflict,
    TooMany,
}

/// What a guest asks for.
pub(crate) struct Definition {
    pub(crate) kind: MetricKind,
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) bounds: Vec<f64>,
}

/// The series of one filter, whatever its generation.
#[derive(Debug, Default)]
pub(crate) struct FilterMetrics {
    series: Mutex<Vec<Arc<Series>>>,
}

/// The series of all filters that have a generation.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    filters: Mutex<BTreeMap<Name, Weak<FilterMetrics>>>,
}

impl Metrics {
    /// A new generation of a filter goes on where the one before is.
    pub(crate) fn of(&self, name: &Name) -> Arc<FilterMetrics> {
        let mut filters = lock(&self.filters);
        if let Some(known) = filters.get(name).and_then(Weak::upgrade) {
            return known;
        }
        filters.retain(|_, metrics| metrics.strong_count() > 0);
        let new = Arc::default();
        filters.insert(name.clone(), Arc::downgrade(&new));
        new
    }

    /// The series of a filter. What is defined already, by this filter under these labels, is the same series.
    pub(crate) fn define(&self, of: &FilterMetrics, asked: Definition) -> Result<Arc<Series>, Refusal> {
        asked.check()?;
        // one name is one kind for all filters, else the text that is scraped would contradict itself
        let others: Vec<_> = lock(&self.filters).values().filter_map(Weak::upgrade).collect();
        if others.iter().any(|filter| filter.has_other_kind(&asked)) {
            return Err(Refusal::Conflict);
        }
        let mut series = lock(&of.series);
        let known = series.iter().find(|series| series.name == asked.name && series.labels == asked.labels);
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        if series.len() >= SERIES {
            return Err(Refusal::TooMany);
        }
        let new = Arc::new(Series::new(asked));
        series.push(Arc::clone(&new));
        Ok(new)
    }
}

impl FilterMetrics {
    pub(crate) fn list(&self) -> Vec<Arc<Series>> {
        lock(&self.series).clone()
    }

    fn has_other_kind(&self, asked: &Definition) -> bool {
        lock(&self.series).iter().any(|series| series.name == asked.name && series.kind != asked.kind)
    }
}

impl Definition {
    fn check(&self) -> Result<(), Refusal> {
        let fits = |name: &str| {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
            begins && name.len() <= NAME_BYTES && name.bytes().all(word) && !name.starts_with("__")
        };
        let ours = |name: &str| matches!(name, "filter" | "version" | "le" | "quantile");
        let label = |(name, value): &(String, String)| fits(name) && !ours(name) && value.len() <= NAME_BYTES;
        let twice = |at: usize| self.labels[..at].iter().any(|(name, _)| *name == self.labels[at].0);
        let labels = self.labels.iter().all(label) && !(0..self.labels.len()).any(twice);
        let ascend = self.bounds.windows(2).all(|pair| pair[0] < pair[1]) && self.bounds.iter().all(|b| b.is_finite());
        // whoever writes the text out does not escape the help: a line break in it would be another filter's line
        let help = self.help.len() <= HELP_BYTES && !self.help.contains(char::is_control);
        if !fits(&self.name) || !labels || !ascend || !help {
            return Err(Refusal::InvalidName);
        }
        if self.labels.len() > LABELS || self.bounds.len() > BOUNDS { Err(Refusal::TooMany) } else { Ok(()) }
    }
}

impl Series {
    fn new(asked: Definition) -> Self {
        let Definition { kind, name, help, labels, mut bounds } = asked;
        if kind == MetricKind::Histogram && bounds.is_empty() {
            bounds = DEFAULT_BOUNDS.to_vec();
        }
        let buckets = if kind == MetricKind::Histogram { bounds.len() + 1 } else { 0 };
        let buckets = (0..buckets).map(|_| AtomicU64::new(0)).collect();
        Self { name, help, labels, kind, value: AtomicU64::new(0.0_f64.to_bits()), bounds, buckets }
    }

    /// A counter's or gauge's value, a histogram's sum.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.value.load(Relaxed))
    }

    /// A histogram's buckets: upper bound (the last has none: infinity) and how many values fell into it alone.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.buckets.iter().map(|count| count.load(Relaxed))).collect()
    }

    /// What is no number changes nothing; nor does what is negative, in a counter.
    pub(crate) fn add(&self, by: f64) {
        if by.is_finite() && (by >= 0.0 || self.kind == MetricKind::Gauge) {
            let more = |bits: u64| Some((f64::from_bits(bits) + by).to_bits());
            let _ = self.value.fetch_update(Relaxed, Relaxed, more);
        }
    }

    pub(crate) fn set(&self, value: f64) {
        if value.is_finite() {
            self.value.store(value.to_bits(), Relaxed);
        }
    }

    pub(crate) fn observe(&self, value: f64) {
        if value.is_finite() {
            let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
            self.buckets[at].fetch_add(1, Relaxed);
            let more = |bits: u64| Some((f64::from_bits(bits) + value).to_bits());
            let _ = self.value.fetch_update(Relaxed, Relaxed, more);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: MetricKind, name: &str, labels: &[(&str, &str)]) -> Definition {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Definition { kind, name: name.to_owned(), help: String::new(), labels, bounds: Vec::new() }
    }

    #[test]
    fn the_same_name_and_labels_are_the_same_series_of_every_generation() {
        let metrics = Metrics::default();
        let name: Name = "a".parse().unwrap();
        let (old, new) = (metrics.of(&name), metrics.of(&name));
        metrics.define(&old, asked(MetricKind::Counter, "hits", &[("kind", "x")])).unwrap().add(2.0);
        let again = metrics.define(&new, asked(MetricKind::Counter, "hits", &[("kind", "x")])).unwrap();
        again.add(0.5);
        again.add(-1.0);
        again.add(f64::NAN);
        assert_eq!(again.value(), 2.5);
        assert_eq!(old.list().len(), 1);
        drop((old, new, again));
        assert_eq!(metrics.of(&name).list().len(), 0, "with the last generation its series go");
    }

    #[test]
    fn a_name_is_one_kind_for_all_filters() {
        let metrics = Metrics::default();
        let (a, b) = (metrics.of(&"a".parse().unwrap()), metrics.of(&"b".parse().unwrap()));
        metrics.define(&a, asked(MetricKind::Counter, "hits", &[])).unwrap();
        assert_eq!(metrics.define(&b, asked(MetricKind::Gauge, "hits", &[])).unwrap_err(), Refusal::Conflict);
        assert!(metrics.define(&b, asked(MetricKind::Counter, "hits", &[])).is_ok());
    }

    #[test]
    fn what_nobody_could_scrape_is_refused() {
        let metrics = Metrics::default();
        let a = metrics.of(&"a".parse().unwrap());
        for name in ["", "1a", "a b", "a-b", "a\n", "é", "__a", "a:b"] {
            let refused = metrics.define(&a, asked(MetricKind::Gauge, name, &[])).unwrap_err();
            assert_eq!(refused, Refusal::InvalidName, "{name:?}");
        }
        for label in ["filter", "le", "1", "version"] {
            let refused = metrics.define(&a, asked(MetricKind::Gauge, "a", &[(label, "x")])).unwrap_err();
            assert_eq!(refused, Refusal::InvalidName, "{label}");
        }
        assert!(metrics.define(&a, asked(MetricKind::Gauge, "a", &[("b", "1"), ("b", "2")])).is_err());
        let mut forging = asked(MetricKind::Gauge, "a", &[]);
        forging.help = "x\nweir_agent_connections_total 0".to_owned();
        assert_eq!(metrics.define(&a, forging).unwrap_err(), Refusal::InvalidName);
        for at in 0..SERIES {
            metrics.define(&a, asked(MetricKind::Gauge, "many", &[("at", &at.to_string())])).unwrap();
        }
        assert_eq!(metrics.define(&a, asked(MetricKind::Gauge, "one", &[])).unwrap_err(), Refusal::TooMany);
    }

    #[test]
    fn histograms_count_by_size() {
        let metrics = Metrics::default();
        let a = metrics.of(&"a".parse().unwrap());
        let mut definition = asked(MetricKind::Histogram, "sizes", &[]);
        definition.bounds = vec![1.0, 10.0];
        let sizes = metrics.define(&a, definition).unwrap();
        for value in [0.5, 1.0, 5.0, 100.0, f64::INFINITY] {
            sizes.observe(value);
        }
        assert_eq!(sizes.buckets(), [(1.0, 2), (10.0, 1), (f64::INFINITY, 1)]);
        assert_eq!(sizes.value(), 106.5);
        let mut wrong = asked(MetricKind::Histogram, "wrong", &[]);
        wrong.bounds = vec![2.0, 1.0];
        assert_eq!(metrics.define(&a, wrong).unwrap_err(), Refusal::InvalidName);
    }
}
