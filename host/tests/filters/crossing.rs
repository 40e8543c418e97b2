//! Where two things meet: bodies of both directions, answers while others hold, many exchanges on few places, and names that
//! were chosen to collide.

use std::sync::Arc;

use weir_artifact::{FailurePolicy, Isolation};
use weir_host::{Direction, DoneReason, FailureKind, Filter};

use crate::{
    guest::{BUFFER, Guest, HEADS, TRANSFORM, Wants},
    support::*,
};

#[test]
fn what_was_buffered_goes_on_when_its_filter_fails_in_the_other_direction() {
    for (buffered, traps_in) in [(Direction::Request, Direction::Response), (Direction::Response, Direction::Request)] {
        let host = host();
        let wants = Wants { request_body: BUFFER, response_body: BUFFER, response_trailers: true, ..HEADS };
        let mut guest = Guest::new(Wants { max_buffer: 1 << 20, ..wants });
        // a body's one call with all of it comes at its end
        let origin = match traps_in {
            Direction::Request => "(i32.eqz (local.get $origin))",
            Direction::Response => "(local.get $origin)",
        };
        guest.body = format!("(if {origin} (then unreachable)) global.get $next");
        let open_policy = guest.publish("a", |publication| publication.on_failure = FailurePolicy::Open);
        let worker = worker(&host, [host.load(&open_policy).unwrap()]);
        let mut run = begin(&worker);
        open(run.request_head(false));
        set_response(&mut run, 200);
        open(run.response_head(false));
        open(run.chunk(buffered, "first".into()));
        assert_eq!(take(&mut run, buffered), b"");
        open(run.chunk(traps_in, "x".into()));
        open(run.end(traps_in, None));
        assert_eq!(take(&mut run, traps_in), b"x", "the policy is to go on without the filter");
        open(run.chunk(buffered, " second".into()));
        open(run.end(buffered, None));
        assert_eq!(take(&mut run, buffered), b"first second");
        assert!(run.is_drained(buffered));
    }
}

#[test]
fn a_local_response_has_nothing_of_the_body_that_it_replaces() {
    let host = host();
    // responses meet b first, then a, which gathers
    let mut gathers = Guest::new(Wants { response_body: BUFFER, max_buffer: 1 << 20, ..HEADS });
    gathers.response_head = "global.get $hold".to_owned();
    gathers.body = "(call $flip (local.get $ptr) (local.get $len))".to_owned();
    let mut answers = Guest::new(Wants { response_body: TRANSFORM, ..HEADS });
    answers.body = "(if (local.get $end) (then (return (global.get $chunk-respond)))) global.get $next".to_owned();
    let filters = [("a", &gathers), ("b", &answers)].map(|(name, guest)| host.load(&guest.artifact(name)).unwrap());
    let worker = worker(&host, filters);
    let mut run = begin(&worker);
    open(run.request_head(true));
    set_response(&mut run, 200);
    held(run.response_head(false));
    held(run.chunk(Direction::Response, "of the upstream".into()));
    let response = responded(run.end(Direction::Response, None));
    let body = response.body.clone();
    run.respond_with(response);
    held(run.response_head(false));
    held(run.chunk(Direction::Response, body));
    open(run.end(Direction::Response, None));
    assert_eq!(take(&mut run, Direction::Response), b"DENIED");
}

#[test]
fn traps_at_the_end_open_the_breaker_with_others_in_flight() {
    let host = host();
    let guest = Guest { done: "unreachable".to_owned(), ..Guest::new(HEADS) };
    let filter = host.load(&guest.artifact("a")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    for _ in 0..20 {
        let mut runs: Vec<_> = (0..3).map(|_| begin(&worker)).collect();
        for run in &mut runs {
            open(run.request_head(true));
        }
        runs.iter_mut().for_each(|run| run.finish(DoneReason::Complete));
    }
    assert!(filter.is_broken());
}

fn each_alone(host: &weir_host::Host, name: &str) -> Arc<Filter> {
    let artifact = Guest::new(HEADS).publish(name, |publication| publication.isolation = Isolation::Exchange);
    host.load(&artifact).unwrap()
}

#[test]
fn one_filter_does_not_take_all_the_room_there_is() {
    let host = host();
    let (greedy, other) = (each_alone(&host, "greedy"), each_alone(&host, "other"));
    let shared = host.load(&Guest::new(HEADS).artifact("shared")).unwrap();
    let crowd = worker(&host, [greedy.clone()]);
    let mut runs = Vec::new();
    let failure = loop {
        let mut run = begin(&crowd);
        let progress = run.request_head(true);
        runs.push(run);
        assert!(runs.len() < 1000, "there is an end of room");
        if !is_open(&progress) {
            break failed(progress);
        }
    };
    assert_eq!(failure.kind, FailureKind::NoRoom);
    for _ in 0..30 {
        assert_eq!(failed(begin(&crowd).request_head(true)).kind, FailureKind::NoRoom);
    }
    assert!(!greedy.is_broken(), "it is not to blame");
    open(begin(&worker(&host, [other])).request_head(true));
    open(begin(&worker(&host, [shared])).request_head(true));
    host.load(&Guest::new(HEADS).artifact("pushed")).unwrap();
    runs.truncate(runs.len() - 2);
    open(begin(&crowd).request_head(true));
}

#[test]
fn a_worn_instance_serves_on_where_there_is_no_room_for_a_new_one() {
    let host = host();
    let artifact = Guest::new(HEADS).publish("a", |publication| publication.limits.recycle_exchanges = 1);
    let filter = host.load(&artifact).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut runs: Vec<_> = (0..400).map(|_| begin(&worker)).collect();
    for run in &mut runs {
        open(run.request_head(true));
    }
    assert!(filter.stats().instances() < 200);
}

#[test]
fn a_head_has_so_many_lines_and_no_more() {
    let host = host();
    let mut guest = Guest::new(HEADS);
    let name = guest.text("x-many");
    let value = guest.text("v");
    guest.request_head = format!(
        "(loop $l
           (call $append-header (local.get $of) (i32.const 0) {name} {value} (i32.const 0x300))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $l (i32.lt_u (local.get $a) (i32.const 2000))))
         (if (i32.ne (call $outcome) (i32.const 2)) (then unreachable))
         global.get $next"
    );
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(run.exchange().request.headers.len(), 1000);
}

#[test]
fn a_value_that_takes_the_place_of_another_needs_only_its_own_room() {
    let host = host();
    let mut guest = Guest::new(HEADS);
    let long = "v".repeat(40_000);
    guest.pages = 8;
    let fill = guest.set(0, "x-long", &long);
    let again = guest.try_set(0, "x-long", &long, 0);
    guest.request_head = format!("{fill} {again} global.get $next");
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-outcome"), ["k"]);
}
