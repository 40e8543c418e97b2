//! Numbers for the operator, in the agent's `/metrics` as `weir_agent_filter_metric_NAME` with the label `filter`.
//!
//! ```
//! use weir_sdk::metrics::{Counter, MetricError};
//!
//! struct Counted {
//!     denied: Counter,
//! }
//!
//! fn new() -> Result<Counted, MetricError> {
//!     Ok(Counted { denied: Counter::new("denied", "Requests that were denied.", &[("why", "host")])? })
//! }
//! # let counted = new().unwrap();
//! counted.denied.add(1.0);
//! ```
//!
//! A series is shared by all instances of the filter and goes on over its versions. Define it once, where the filter is made.
//! The publication has to grant `metrics`.

use std::fmt;

use crate::imports;

/// Why a series is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricError {
    /// Not a name of a metric or label, a label twice or one of the agent's own, or bounds that do not ascend.
    InvalidName,
    /// The name is in use for another kind of metric.
    Conflict,
    /// The filter has as many series as it may, or the series too many labels or bounds.
    TooMany,
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidName => "a name or a bound is not valid",
            Self::Conflict => "the name is in use for another kind of metric",
            Self::TooMany => "there are too many series, labels or bounds",
        })
    }
}

impl std::error::Error for MetricError {}

/// What a series counts, beside its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind<'a> {
    Counter,
    Gauge,
    Histogram(&'a [f64]),
}

/// A number that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(u32);

impl Counter {
    /// The series of this name and these labels.
    ///
    /// # Errors
    /// It cannot be defined.
    pub fn new(name: &str, help: &str, labels: &[(&str, &str)]) -> Result<Self, MetricError> {
        imports::define_metric(Kind::Counter, name, help, labels).map(Self)
    }

    /// Adds; what is negative or no finite number counts nothing.
    pub fn add(self, by: f64) {
        imports::add_metric(self.0, by);
    }
}

/// A number that goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge(u32);

impl Gauge {
    /// As [`Counter::new`].
    ///
    /// # Errors
    /// It cannot be defined.
    pub fn new(name: &str, help: &str, labels: &[(&str, &str)]) -> Result<Self, MetricError> {
        imports::define_metric(Kind::Gauge, name, help, labels).map(Self)
    }

    /// Adds; a negative number takes away.
    pub fn add(self, by: f64) {
        imports::add_metric(self.0, by);
    }

    /// Puts this value in place of what there was.
    pub fn set(self, value: f64) {
        imports::set_metric(self.0, value);
    }
}

/// Counts values by size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram(u32);

impl Histogram {
    /// As [`Counter::new`]. `bounds` ascend, at most 32; none are 0.005 to 10, for seconds.
    ///
    /// # Errors
    /// It cannot be defined.
    pub fn new(name: &str, help: &str, labels: &[(&str, &str)], bounds: &[f64]) -> Result<Self, MetricError> {
        imports::define_metric(Kind::Histogram(bounds), name, help, labels).map(Self)
    }

    /// Counts a value.
    pub fn observe(self, value: f64) {
        imports::observe_metric(self.0, value);
    }
}
