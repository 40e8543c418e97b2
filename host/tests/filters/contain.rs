//! Guests that misbehave: each is stopped, named and counted, and others on the worker go on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use weir_artifact::{FailurePolicy, Isolation, Limits, Publication};
use weir_host::{Direction, DoneReason, Failure, FailureKind, Verdict};

use crate::{
    guest::{Guest, HEADS, TRANSFORM, Wants},
    support::*,
};

fn hook(request_head: &str) -> Guest {
    Guest { request_head: request_head.to_owned(), ..Guest::new(HEADS) }
}

/// The failure of a first exchange.
fn failure(guest: &Guest, adjust: impl FnOnce(&mut Publication)) -> Failure {
    let host = host();
    let filter = host.load(&guest.publish("a", adjust)).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let failure = failed(begin(&worker).request_head(true));
    assert_eq!((failure.filter.as_str(), failure.phase), ("a", "on-request-head"));
    assert_eq!(filter.stats().failures_of(failure.kind), 1);
    failure
}

/// Traps when the request has a header field `x-boom`.
fn grenade() -> Guest {
    let mut guest = Guest::new(HEADS);
    let name = guest.text("x-boom");
    guest.request_head =
        format!("(if (call $has (local.get $of) (i32.const 0) {name}) (then unreachable)) global.get $next");
    guest
}

#[test]
fn a_trap_is_the_end_of_its_instance_and_of_no_other() {
    let host = host();
    let filter = host.load(&grenade().artifact("a")).unwrap();
    let worker = worker(&host, [filter.clone(), host.load(&Guest::new(HEADS).artifact("b")).unwrap()]);
    let mut before = begin(&worker);
    open(before.request_head(true));
    let mut boom = begin(&worker);
    boom.exchange_mut().request.headers.insert("x-boom", "1".parse().unwrap());
    let failure = failed(boom.request_head(true));
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.reason.contains("unreachable"), "{failure}");
    drop(boom);
    set_response(&mut before, 200);
    assert_eq!(failed(before.response_head(true)).kind, FailureKind::InstanceLost);
    let mut after = begin(&worker);
    open(after.request_head(true));
    set_response(&mut after, 200);
    open(after.response_head(true));
    assert_eq!(filter.stats().failures_of(FailureKind::Trap), 1);
    assert_eq!(filter.stats().failures_of(FailureKind::InstanceLost), 1);
    drop((before, after));
    assert_eq!(filter.stats().instances(), 1);
}

#[test]
fn policy_open_goes_on_without_the_filter() {
    let host = host();
    let open_policy = |publication: &mut Publication| publication.on_failure = FailurePolicy::Open;
    let mut signer = Guest::new(HEADS);
    signer.request_head = format!("{} global.get $next", signer.set(0, "x-signed", "yes"));
    let filters = [host.load(&hook("unreachable").publish("a", open_policy)), host.load(&signer.artifact("b"))];
    let worker = worker(&host, filters.map(Result::unwrap));
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-signed"), ["yes"]);
    set_response(&mut run, 200);
    open(run.response_head(true));
    let receipt = run.receipts().next().unwrap();
    assert_eq!((receipt.verdict, receipt.error.unwrap().kind), (Verdict::Skipped, FailureKind::Trap));
}

#[test]
fn a_loop_is_broken_off_and_the_worker_goes_on() {
    let host = host();
    let limits = Limits { cpu_ms: 20, ..Limits::default() };
    let looping = hook("(loop $l (br $l)) unreachable").publish("a", |publication| publication.limits = limits);
    let worker = worker(&host, [host.load(&looping).unwrap()]);
    let begun = Instant::now();
    let failure = failed(begin(&worker).request_head(true));
    assert_eq!((failure.kind, failure.reason.as_str()), (FailureKind::Cpu, "it used more than 20 ms of CPU time"));
    assert!(begun.elapsed() < Duration::from_secs(10));
    let other = self::worker(&host, [host.load(&Guest::new(HEADS).artifact("b")).unwrap()]);
    open(begin(&other).request_head(true));
}

#[test]
fn memory_ends_at_its_limit() {
    let eat = "(loop $l (drop (call $alloc (i32.const 1000000))) (br $l)) unreachable";
    let failure = failure(&hook(eat), |publication| publication.limits.memory_bytes = 4 << 20);
    assert_eq!(failure.kind, FailureKind::Memory);
    assert!(failure.reason.contains("more than 4194304"), "{failure}");
}

#[test]
fn an_answer_with_more_fields_than_a_head_can_have() {
    let mut guest = hook(
        "(i32.store (i32.const 0x188) (i32.const 0x10000)) (i32.store (i32.const 0x18c) (i32.const 30000))
         (loop $l
           (memory.copy (i32.add (i32.const 0x10000) (i32.shl (local.get $a) (i32.const 4))) (i32.const 0x280)
             (i32.const 16))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $l (i32.lt_u (local.get $a) (i32.const 30000))))
         global.get $respond",
    );
    guest.pages = 16;
    let failure = failure(&guest, |_| {});
    assert_eq!(failure.kind, FailureKind::Contract);
    assert!(failure.reason.contains("330000 bytes of fields"), "{failure}");
}

#[test]
fn a_failure_is_told_in_one_line_whatever_the_guest_wrote() {
    let mut guest = hook("global.get $respond");
    let (at, name) = (0x1000, format!("bad\nname {}", "x".repeat(9000)));
    guest.text(&name);
    guest.request_head = format!(
        "(i32.store (i32.const 0x280) (i32.const {at})) (i32.store (i32.const 0x284) (i32.const {}))
         global.get $respond",
        name.len()
    );
    let failure = failure(&guest, |_| {});
    assert!(failure.reason.len() < 4 << 10 && !failure.reason.contains('\n'), "{failure}");
}

#[test]
fn a_stack_has_an_end() {
    let mut guest = hook("(call $deep) unreachable");
    guest.globals = "(func $deep (call $deep))".to_owned();
    let failure = failure(&guest, |_| {});
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.reason.contains("stack"), "{failure}");
}

#[test]
fn an_endless_log_is_cut_and_counted() {
    let lines = Arc::new(Lines::default());
    let host = host_with(&lines);
    let mut guest = Guest { logs: true, ..Guest::new(HEADS) };
    let text = guest.text("line\none");
    guest.request_head = format!(
        "(local.set $a (i32.const 10000))
         (loop $l (call $log (i32.const 2) {text})
           (br_if $l (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))
         global.get $next"
    );
    let artifact = guest.publish("a", |publication| publication.limits.log_lines_per_second = 5);
    let filter = host.load(&artifact).unwrap();
    let worker = worker(&host, [filter.clone()]);
    open(begin(&worker).request_head(true));
    let stats = filter.stats();
    assert_eq!(stats.log_lines() + stats.log_suppressed(), 10_000);
    // The seconds of the limiter may turn once or more while the guest writes.
    assert!(stats.log_lines() >= 5 && stats.log_lines() <= 50, "{} lines", stats.log_lines());
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines[0].0, Some(exchange().id));
    assert_eq!(lines[0].2, "line\\none");
}

#[test]
fn another_exchanges_number_traps() {
    let stale =
        failure(&hook("(call $status (i32.add (local.get $of) (i32.const 1)) (i32.const 0x300)) unreachable"), |_| {});
    assert_eq!(stale.kind, FailureKind::Contract);
    assert!(stale.reason.contains("is not the one whose hook runs"), "{stale}");
}

#[test]
fn a_number_is_dead_after_its_exchange() {
    let host = host();
    let mut guest = hook(
        "(if (global.get $kept) (then (call $status (global.get $kept) (i32.const 0x300))))
         (global.set $kept (local.get $of)) (global.get $next)",
    );
    guest.globals = "(global $kept (mut i32) (i32.const 0))".to_owned();
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    open(begin(&worker).request_head(true));
    assert_eq!(failed(begin(&worker).request_head(true)).kind, FailureKind::Contract);
}

#[test]
fn answers_that_do_not_fit_the_hook() {
    assert_eq!(failure(&hook("global.get $wait"), |_| {}).kind, FailureKind::Contract);
    let odd_status = "(i32.store16 (i32.const 0x184) (i32.const 42)) (global.get $respond)";
    assert_eq!(failure(&hook(odd_status), |_| {}).kind, FailureKind::Contract);
    assert_eq!(failure(&hook("(i32.const -8)"), |_| {}).kind, FailureKind::Trap);
    let large = "(i32.store (i32.const 0x194) (i32.const 5000)) (global.get $respond)";
    let limit = |publication: &mut Publication| publication.limits.answer_bytes = 1000;
    assert_eq!(failure(&hook(large), limit).kind, FailureKind::AnswerTooLarge);
}

#[test]
fn a_chunk_has_a_bound_too() {
    for bytes in [5_000, 600_000] {
        let host = host();
        let guest = Guest {
            pages: 20,
            body: format!("(call $replace (i32.const 0x1000) (i32.const {bytes}))"),
            ..Guest::new(Wants { request_body: TRANSFORM, ..Wants::default() })
        };
        let artifact = guest.publish("a", |publication| publication.limits.answer_bytes = 1000);
        let worker = worker(&host, [host.load(&artifact).unwrap()]);
        let mut run = begin(&worker);
        open(run.request_head(false));
        let failure = failed(run.chunk(Direction::Request, "x".into()));
        assert_eq!(failure.kind, FailureKind::AnswerTooLarge, "{bytes}: {failure}");
    }
}

#[test]
fn a_version_that_always_fails_is_not_run_again_and_again() {
    let host = host();
    for (policy, passes) in [(FailurePolicy::Closed, false), (FailurePolicy::Open, true)] {
        let artifact = hook("unreachable").publish("a", |publication| publication.on_failure = policy);
        let filter = host.load(&artifact).unwrap();
        let worker = worker(&host, [filter.clone()]);
        for _ in 0..20 {
            assert!(!filter.is_broken());
            assert_eq!(is_open(&begin(&worker).request_head(true)), passes);
        }
        assert!(filter.is_broken());
        let calls = filter.stats().calls();
        let mut run = begin(&worker);
        assert_eq!(is_open(&run.request_head(true)), passes, "the breaker does not weaken the policy");
        assert_eq!(run.receipts().next().unwrap().error.unwrap().kind, FailureKind::BreakerOpen);
        assert_eq!(filter.stats().calls(), calls);
    }
}

#[test]
fn a_broken_version_gives_way_to_the_last_good_one() {
    let host = host();
    let version = |guest: &Guest, version| {
        let artifact = guest.publish("a", |publication| {
            (publication.version, publication.on_failure) = (version, FailurePolicy::LastGood);
        });
        host.load(&artifact).unwrap()
    };
    let good = version(&Guest::new(HEADS), 1);
    let bad = version(&hook("unreachable"), 2).with_fallback(&good);
    let worker = worker(&host, [bad.clone()]);
    for _ in 0..20 {
        assert_eq!(failed(begin(&worker).request_head(true)).version, 2);
    }
    let mut run = begin(&worker);
    open(run.request_head(true));
    run.finish(DoneReason::Complete);
    assert_eq!(run.receipts().next().unwrap().version, 1);
    // The one after falls back to the good one, too, and not to the broken one.
    let next = version(&hook("unreachable"), 3).with_fallback(&bad);
    let worker = self::worker(&host, [next]);
    for _ in 0..20 {
        assert_eq!(failed(begin(&worker).request_head(true)).version, 3);
    }
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(run.receipts().next().unwrap().version, 1);
}

#[test]
fn a_trap_at_the_end_harms_nobody_but_counts() {
    let host = host();
    let guest = Guest { done: "unreachable".to_owned(), ..Guest::new(HEADS) };
    let filter = host.load(&guest.artifact("a")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    run.finish(DoneReason::Complete);
    run.finish(DoneReason::Complete);
    drop(run);
    assert_eq!(filter.stats().failures_of(FailureKind::Trap), 1);
    open(begin(&worker).request_head(true));
}

#[test]
fn a_fresh_instance_for_each_exchange_knows_of_no_other() {
    let host = host();
    let mut guest =
        hook("(if (global.get $met) (then unreachable)) (global.set $met (i32.const 1)) (global.get $next)");
    guest.globals = "(global $met (mut i32) (i32.const 0))".to_owned();
    let filter = host.load(&guest.publish("a", |publication| publication.isolation = Isolation::Exchange)).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut runs: Vec<_> = (0..5).map(|_| begin(&worker)).collect();
    for run in &mut runs {
        open(run.request_head(true));
    }
    assert_eq!(filter.stats().instances(), 5);
    drop(runs);
    assert_eq!(filter.stats().instances(), 0);
}
