//! The agent's part in a native build, for what belongs to no exchange: metrics that [`crate::testing::metric`] reads, the
//! machine's clock, random numbers.

use std::{
    cell::RefCell,
    hash::{BuildHasher as _, RandomState},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::metrics::{Kind, MetricError};

/// One series of this thread's filters.
struct Series {
    name: String,
    labels: Vec<(String, String)>,
    kind: &'static str,
    value: f64,
}

thread_local! {
    static SERIES: RefCell<Vec<Series>> = const { RefCell::new(Vec::new()) };
    static BEGIN: Instant = Instant::now();
}

pub(crate) fn cpu_ms() -> u32 {
    50
}

pub(crate) fn memory_bytes() -> f64 {
    f64::from(64 << 20)
}

pub(crate) fn buffer_bytes() -> u32 {
    1 << 20
}

pub(crate) fn answer_bytes() -> u32 {
    4 << 20
}

pub(crate) fn define_metric(
    kind: Kind<'_>,
    name: &str,
    _help: &str,
    labels: &[(&str, &str)],
) -> Result<u32, MetricError> {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(bounds) if bounds.windows(2).any(|pair| pair[0] >= pair[1]) => {
            return Err(MetricError::InvalidName);
        }
        Kind::Histogram(_) => "histogram",
    };
    if !is_name(name) || !labels.iter().all(|(name, _)| is_name(name) && *name != "filter") {
        return Err(MetricError::InvalidName);
    }
    let labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    SERIES.with_borrow_mut(|series| {
        if series.iter().any(|known| known.name == name && known.kind != kind) {
            return Err(MetricError::Conflict);
        }
        let known = series.iter().position(|known| known.name == name && known.labels == labels);
        let at = known.unwrap_or_else(|| {
            series.push(Series { name: name.to_owned(), labels, kind, value: 0.0 });
            series.len() - 1
        });
        u32::try_from(at).map_err(|_| MetricError::TooMany)
    })
}

pub(crate) fn add_metric(metric: u32, by: f64) {
    change(metric, &["counter", "gauge"], |series| {
        if by.is_finite() && (by >= 0.0 || series.kind == "gauge") {
            series.value += by;
        }
    });
}

pub(crate) fn set_metric(metric: u32, value: f64) {
    change(metric, &["gauge"], |series| series.value = value);
}

pub(crate) fn observe_metric(metric: u32, value: f64) {
    change(metric, &["histogram"], |series| series.value += value);
}

/// A counter's or gauge's value, a histogram's sum.
pub(crate) fn metric(name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let same = |own: &[(String, String)]| own.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq(labels.iter().copied());
    SERIES.with_borrow(|series| {
        series.iter().find(|series| series.name == name && same(&series.labels)).map(|series| series.value)
    })
}

#[allow(clippy::panic, reason = "the agent traps a filter that does this")]
fn change(metric: u32, kinds: &[&str], to: impl FnOnce(&mut Series)) {
    SERIES.with_borrow_mut(|series| match series.get_mut(metric as usize) {
        Some(series) if kinds.contains(&series.kind) => to(series),
        _ => panic!("metric number {metric} is no {}", kinds.join(" or ")),
    });
}

fn is_name(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    begins && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

pub(crate) fn monotonic() -> f64 {
    BEGIN.with(|begin| begin.elapsed().as_secs_f64() * 1000.0)
}

/// Random enough for a test: the keys of a hasher are the system's random bytes.
pub(crate) fn random_bytes(count: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < count as usize {
        bytes.extend(RandomState::new().hash_one(bytes.len()).to_le_bytes());
    }
    bytes.truncate(count as usize);
    bytes
}

pub(crate) fn random_number() -> u32 {
    random_bytes(4).iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
