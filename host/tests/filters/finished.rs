//! What exchanges came to, and work by the clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use weir_artifact::FailurePolicy;
use weir_host::{DoneReason, FailureKind, Hooks, Run, Summary};

use crate::{
    guest::{Guest, Wants},
    support::*,
};

fn summary() -> Summary {
    Summary {
        request_bytes: 3,
        response_bytes: 1256,
        duration: Duration::from_micros(12_500),
        first_byte: Some(Duration::from_millis(11)),
        upstream_address: Some("198.51.100.4:443".parse().unwrap()),
    }
}

fn pass(run: &mut Run) {
    open(run.request_head(true));
    set_response(run, 200);
    open(run.response_head(true));
}

#[test]
fn every_exchange_is_told_once_and_nothing_can_be_changed() {
    let host = host();
    let mut guest = Guest::completing("");
    let change = guest.set(0, "x-late", "yes");
    guest.completed = Some(format!(
        "(if (f64.ne (local.get $in) (f64.const 3)) (then unreachable))
         (if (f64.ne (local.get $out) (f64.const 1256)) (then unreachable))
         (if (f64.ne (local.get $duration) (f64.const 12.5)) (then unreachable))
         (if (i32.ne (local.get $reason) (i32.const 0)) (then unreachable)) {change}"
    ));
    // it has asked for no hook
    let filter = host.load(&guest.artifact("told")).unwrap();
    assert_eq!(filter.hooks(), Hooks { completed: true, ..Hooks::default() });
    let worker = worker(&host, [filter.clone()]);
    let mut run = begin(&worker);
    pass(&mut run);
    run.complete(DoneReason::Complete, &summary());
    run.complete(DoneReason::Complete, &summary());
    let receipt = run.receipts().next().unwrap();
    assert!(receipt.error.is_none() && !receipt.changes.any(), "{receipt:?}");
    assert!(request_header(&run, "x-late").is_empty());
    drop(run);
    // `on-completed` and `on-done`
    assert_eq!(filter.stats().calls(), 2);
}

#[test]
fn who_is_not_told_so_meets_its_end_alone() {
    let host = host();
    let filter = host.load(&Guest::completing("unreachable").artifact("not-told")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut run = begin(&worker);
    pass(&mut run);
    // as when a worker ends in the middle of it
    drop(run);
    assert_eq!(filter.stats().failures_of(FailureKind::Trap), 0);
}

#[test]
fn a_trap_in_it_is_counted_and_the_next_exchange_meets_another_instance() {
    let host = host();
    let filter = host.load(&Guest::completing("unreachable").artifact("traps")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    for round in 1..=2 {
        let mut run = begin(&worker);
        pass(&mut run);
        run.complete(DoneReason::Complete, &summary());
        let failure = run.receipts().next().unwrap().error.unwrap().clone();
        assert_eq!((failure.kind, failure.phase), (FailureKind::Trap, "on-completed"));
        drop(run);
        assert_eq!(filter.stats().failures_of(FailureKind::Trap), round);
    }
    assert_eq!(filter.stats().instances_made(), 2 + 1, "one was made when it was loaded");
}

#[test]
fn one_that_failed_before_is_told_nothing() {
    let host = host();
    let mut guest = Guest::completing("unreachable");
    guest.wants = Wants { request_head: true, ..Wants::default() };
    guest.request_head = "unreachable".to_owned();
    let filter =
        host.load(&guest.publish("fails", |publication| publication.on_failure = FailurePolicy::Open)).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut run = begin(&worker);
    pass(&mut run);
    run.complete(DoneReason::Complete, &summary());
    assert_eq!(run.receipts().next().unwrap().error.unwrap().phase, "on-request-head");
    assert_eq!(filter.stats().failures_of(FailureKind::Trap), 1);
}

#[test]
fn an_instance_ticks_when_its_time_has_come_and_misses_are_not_made_up_for() {
    let host = host();
    let filter = host.load(&Guest::ticking(1, "").artifact("ticks")).unwrap();
    let (instances, _) = worker(&host, [filter.clone()]);
    let begin = Instant::now();
    assert_eq!(instances.tick(begin), None, "nobody is there");
    instances.prewarm(&filter).unwrap();
    let due = instances.tick(begin).unwrap();
    assert!(due >= begin + Duration::from_millis(100), "1 ms is too often");
    assert_eq!(filter.stats().calls(), 0);
    let late = due + Duration::from_secs(10);
    assert_eq!(instances.tick(late), Some(late + Duration::from_millis(100)));
    assert_eq!(filter.stats().calls(), 1);
    instances.retire(&[]);
    assert_eq!(instances.tick(late + Duration::from_secs(1)), None, "a version that is gone does not tick");
}

#[test]
fn a_tick_that_traps_ends_its_instance_and_is_told() {
    let lines = Arc::<Lines>::default();
    let host = host_with(&lines);
    let filter = host.load(&Guest::ticking(100, "unreachable").artifact("traps")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    worker.0.prewarm(&filter).unwrap();
    let late = Instant::now() + Duration::from_secs(1);
    let again = late + Duration::from_secs(5);
    assert_eq!(worker.0.tick(late), Some(again));
    assert_eq!(filter.stats().failures_of(FailureKind::Trap), 1);
    let said = lines.0.lock().unwrap().pop().unwrap().2;
    assert!(said.contains("on-tick"), "{said}");
    // another takes its place, though no exchange asks for one
    let made = filter.stats().instances_made();
    assert_eq!((worker.0.tick(late), filter.stats().instances_made()), (Some(again), made));
    assert!(worker.0.tick(again).is_some());
    assert_eq!((filter.stats().instances_made(), filter.stats().failures_of(FailureKind::Trap)), (made + 1, 1));
    assert_eq!(worker.0.tick(again), Some(again + Duration::from_secs(5)));
    assert_eq!(filter.stats().failures_of(FailureKind::Trap), 2);
    let mut run = begin(&worker);
    pass(&mut run);
}
