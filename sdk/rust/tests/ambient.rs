//! Metrics, the clock and random numbers in a native build.
#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

use weir_sdk::{
    clock,
    metrics::{Counter, Gauge, Histogram, MetricError},
    random,
    testing::metric,
};

#[test]
fn what_a_filter_counts_can_be_looked_at() {
    let hits = Counter::new("hits", "Hits.", &[("kind", "x")]).unwrap();
    hits.add(2.0);
    hits.add(-1.0);
    assert_eq!(Counter::new("hits", "Hits.", &[("kind", "x")]).unwrap(), hits);
    assert_eq!(metric("hits", &[("kind", "x")]), Some(2.0));
    assert_eq!(metric("hits", &[]), None);
    let level = Gauge::new("level", "", &[]).unwrap();
    level.set(5.0);
    level.add(-1.5);
    assert_eq!(metric("level", &[]), Some(3.5));
    Histogram::new("sizes", "", &[], &[1.0, 2.0]).unwrap().observe(1.5);
    assert_eq!(metric("sizes", &[]), Some(1.5));
}

#[test]
fn what_cannot_be_scraped_is_refused() {
    assert_eq!(Counter::new("not a name", "", &[]), Err(MetricError::InvalidName));
    assert_eq!(Counter::new("fine", "", &[("filter", "x")]), Err(MetricError::InvalidName));
    Counter::new("one", "", &[]).unwrap();
    assert_eq!(Gauge::new("one", "", &[]), Err(MetricError::Conflict));
    assert_eq!(Histogram::new("down", "", &[], &[2.0, 1.0]), Err(MetricError::InvalidName));
}

#[test]
fn time_goes_on_and_chance_is_chance() {
    assert!(clock::now_ms() > 1.5e12);
    let before = clock::monotonic_ms();
    assert!(clock::monotonic_ms() >= before);
    assert_eq!(random::bytes(37).len(), 37);
    assert_ne!(random::bytes(16), random::bytes(16));
    assert!((0..4).any(|_| random::number() != random::number()));
}
