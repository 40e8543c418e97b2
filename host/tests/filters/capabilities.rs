//! What filters may import beside `http` and `log`: metrics, the clock, random numbers.

use std::sync::Arc;

use weir_artifact::Capability;
use weir_host::{FailureKind, Filter, LoadFault, MetricKind};

use crate::{
    guest::{Guest, Wants},
    support::*,
};

fn heads() -> Wants {
    Wants { request_head: true, ..Wants::default() }
}

fn importing(interface: &str, functions: &[(&str, &str)]) -> Guest {
    let mut guest = Guest::new(heads());
    for (name, signature) in functions {
        let import = format!("\"weir:filter/{interface}@0.1.0\" \"{name}\"");
        guest.imports.push_str(&format!("(import {import} (func ${interface}-{name} {signature}))\n"));
    }
    guest
}

/// Counts requests, in a series that it defines in each hook anew.
fn counting(name: &str, then: &str) -> Guest {
    let define = "(param i32 i32 i32 i32 i32 i32 i32)";
    let numbers = "(param i32 f64)";
    let mut guest = importing("metrics", &[("counter", define), ("add", numbers), ("set", numbers)]);
    let (name, help) = (guest.text(name), guest.text("Requests."));
    // one label: `kind`, `x`
    let (key, value) = (guest.text("kind"), guest.text("x"));
    let place = |text: &str| text.replace(['(', ')'], "").replace("i32.const", "");
    let numbers: Vec<i32> =
        format!("{} {}", place(&key), place(&value)).split_whitespace().map(|number| number.parse().unwrap()).collect();
    let label: String = (0..)
        .zip(&numbers)
        .map(|(at, number)| format!("(i32.store (i32.const {}) (i32.const {number}))", 0x340 + 4 * at))
        .collect();
    guest.request_head = format!(
        "{label}
         (call $metrics-counter {name} {help} (i32.const 0x340) (i32.const 1) (i32.const 0x330))
         (if (i32.eqz (i32.load8_u (i32.const 0x330))) (then
           (call $metrics-add (i32.load (i32.const 0x334)) (f64.const 1.5)) {then}))
         global.get $next"
    );
    guest
}

fn values(filter: &Filter) -> Vec<(String, f64)> {
    filter.series().iter().map(|series| (series.name.clone(), series.value())).collect()
}

#[test]
fn what_a_filter_counts_outlives_its_version() {
    let host = host();
    let first = host.load(&counting("requests_seen", "").artifact("a")).unwrap();
    let worker = worker(&host, [first.clone()]);
    open(begin(&worker).request_head(true));
    open(begin(&worker).request_head(true));
    assert_eq!(values(&first), [("requests_seen".to_owned(), 3.0)]);
    let series = &first.series()[0];
    assert_eq!((series.kind, series.labels.clone()), (MetricKind::Counter, vec![("kind".to_owned(), "x".to_owned())]));
    assert_eq!(series.help, "Requests.");

    let artifact = counting("requests_seen", "").publish("a", |publication| publication.version = 2);
    let second = host.load(&artifact).unwrap();
    drop((worker, first));
    let worker = self::worker(&host, [second.clone()]);
    open(begin(&worker).request_head(true));
    assert_eq!(values(&second), [("requests_seen".to_owned(), 4.5)]);
}

#[test]
fn a_name_that_cannot_be_scraped_is_an_answer_and_no_trap() {
    let host = host();
    let filter = host.load(&counting("not a name", "").artifact("a")).unwrap();
    open(begin(&worker(&host, [filter.clone()])).request_head(true));
    assert!(filter.series().is_empty());
}

#[test]
fn a_number_of_no_series_or_of_another_kind_traps() {
    for wrong in ["(call $metrics-set (i32.const 0) (f64.const 1))", "(call $metrics-add (i32.const 7) (f64.const 1))"]
    {
        let host = host();
        let filter = host.load(&counting("requests", wrong).artifact("a")).unwrap();
        let failure = failed(begin(&worker(&host, [filter])).request_head(true));
        assert_eq!(failure.kind, FailureKind::Contract);
        assert!(failure.reason.contains("metric number"), "{failure}");
    }
}

#[test]
fn the_clock_and_random_numbers() {
    let host = host();
    let mut guest = importing("clock", &[("now", "(result f64)"), ("monotonic", "(result f64)")]);
    let random = importing("random", &[("bytes", "(param i32 i32)"), ("number", "(result i32)")]);
    guest.imports.push_str(&random.imports);
    // 2020 to 2100; time goes on; two times eight random bytes and two numbers are not the same
    guest.request_head = "(if (i32.or (f64.lt (call $clock-now) (f64.const 1.5778368e12))
               (f64.gt (call $clock-now) (f64.const 4.1024448e12))) (then unreachable))
           (if (f64.gt (call $clock-monotonic) (call $clock-monotonic)) (then unreachable))
           (call $random-bytes (i32.const 8) (i32.const 0x330)) (call $random-bytes (i32.const 8) (i32.const 0x338))
           (if (i64.eq (i64.load (i32.load (i32.const 0x330))) (i64.load (i32.load (i32.const 0x338))))
             (then unreachable))
           (if (i32.and (i32.eq (call $random-number) (call $random-number))
               (i32.eq (call $random-number) (call $random-number))) (then unreachable))
           global.get $next"
        .to_owned();
    open(begin(&worker(&host, [host.load(&guest.artifact("a")).unwrap()])).request_head(true));

    guest.request_head = "(call $random-bytes (i32.const 5000) (i32.const 0x330)) global.get $next".to_owned();
    let failure = failed(begin(&worker(&host, [host.load(&guest.artifact("b")).unwrap()])).request_head(true));
    assert_eq!(failure.kind, FailureKind::Contract);
    assert!(failure.reason.contains("5000 random bytes"), "{failure}");
}

#[test]
fn what_is_not_granted_is_not_there() {
    let host = host();
    for (interface, function, signature, capability) in [
        ("metrics", "add", "(param i32 f64)", Capability::Metrics),
        ("clock", "now", "(result f64)", Capability::Clock),
        ("random", "number", "(result i32)", Capability::Random),
    ] {
        let artifact = importing(interface, &[(function, signature)])
            .publish("a", |publication| assert!(publication.grants.remove(&capability)));
        match host.load(&artifact).map_err(|error| error.fault) {
            Err(LoadFault::NotGranted { grant, .. }) => assert_eq!(grant, interface),
            other => panic!("{interface}: {other:?}"),
        }
    }
    let all: Arc<Filter> = host.load(&importing("clock", &[("now", "(result f64)")]).artifact("a")).unwrap();
    assert!(all.series().is_empty());
}
