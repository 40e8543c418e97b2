//! Hooks that wait: for timers and calls, at heads, chunks, ends and trailers, while others go on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use weir_artifact::{FailurePolicy, Upstream};
use weir_host::{
    Answer, CallKind, CallOutcome, CallResponse, Direction, DoneReason, FailureKind, Filter, Host, Progress, Run,
    UpstreamError,
};

use crate::{
    guest::{BUFFER, Guest, HEADS, NONE, TRANSFORM, Wants},
    support::*,
};

/// Starts a timer of 40 ms; what comes of it is dropped.
const TIMER: &str = "(call $timer (local.get $of) (i32.const 40) (i32.const 0x320))";

fn waiter(wants: Wants) -> Guest {
    let mut guest = Guest::new(wants);
    guest.imports.push_str("(import \"weir:filter/timer@0.1.0\" \"start\" (func $timer (param i32 i32 i32)))\n");
    guest
}

fn waiting(progress: Progress) {
    assert!(matches!(progress, Progress::Waiting), "{progress:?}");
}

/// Timers pass. How many there were.
fn elapse(run: &mut Run) -> usize {
    let calls = run.take_calls();
    for call in &calls {
        assert!(matches!(call.kind, CallKind::Timer(time) if time == Duration::from_millis(40)), "{call:?}");
        run.call_ended(call.id, CallOutcome::Elapsed);
    }
    calls.len()
}

fn head_waiter(host: &Host, resume: &str) -> Arc<Filter> {
    let mut guest = waiter(HEADS);
    guest.request_head = format!("{TIMER} (global.get $wait)");
    let set = guest.set(0, "x-waited", "yes");
    guest.resume = format!("{set} (global.get {resume})");
    host.load(&guest.artifact("waits")).unwrap()
}

#[test]
fn a_head_waits_and_others_on_the_same_instance_go_on() {
    let host = host();
    let filter = head_waiter(&host, "$next");
    let worker = worker(&host, [filter.clone()]);
    let (mut first, mut second) = (begin(&worker), begin(&worker));
    waiting(first.request_head(true));
    waiting(second.request_head(true));
    assert_eq!(filter.stats().instances(), 1, "both are on one");
    assert!(first.resume(Direction::Request).is_none(), "nothing has ended");
    assert_eq!((elapse(&mut second), elapse(&mut second)), (1, 0));
    open(second.resume(Direction::Request).unwrap());
    assert_eq!(request_header(&second, "x-waited"), ["yes"]);
    assert!(second.resume(Direction::Request).is_none() && first.is_waiting(Direction::Request));
    second.finish(DoneReason::Complete);
    assert_eq!(elapse(&mut first), 1);
    open(first.resume(Direction::Request).unwrap());
    set_response(&mut first, 200);
    open(first.response_head(true));
}

#[test]
fn what_is_resumed_may_answer_abort_or_wait_again() {
    let host = host();
    let resume = |answer: &str| {
        let worker = worker(&host, [head_waiter(&host, answer)]);
        let mut run = begin(&worker);
        waiting(run.request_head(true));
        elapse(&mut run);
        run.resume(Direction::Request).unwrap()
    };
    assert_eq!(responded(resume("$chunk-respond")).status, StatusCode::FORBIDDEN);
    assert!(matches!(resume("$chunk-abort"), Progress::Answer(Answer::Abort)));
    let again = failed(resume("$resume-wait"));
    assert_eq!((again.kind, again.phase), (FailureKind::Contract, "on-resume"));
    assert_eq!(failed(resume("$drop")).reason, "a head is no chunk to replace or drop");
}

#[test]
fn each_of_many_calls_resumes_once_and_there_is_an_end_of_them() {
    let host = host();
    let mut guest = waiter(HEADS);
    // 20 timers: the last four are refused
    let start = format!(
        "(local.set $a (i32.const 20)) (loop $more {TIMER}
        (local.set $a (i32.sub (local.get $a) (i32.const 1))) (br_if $more (local.get $a)))"
    );
    guest.request_head = format!("{start} (global.get $wait)");
    guest.globals = "(global $seen (mut i32) (i32.const 0))".to_owned();
    guest.resume = "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
        (select (global.get $next) (global.get $resume-wait) (i32.eq (global.get $seen) (i32.const 16)))"
        .to_owned();
    let worker = worker(&host, [host.load(&guest.artifact("many")).unwrap()]);
    let mut run = begin(&worker);
    waiting(run.request_head(true));
    assert_eq!(elapse(&mut run), 16);
    for _ in 0..15 {
        waiting(run.resume(Direction::Request).unwrap());
    }
    open(run.resume(Direction::Request).unwrap());
}

#[test]
fn an_instance_that_dies_while_it_is_waited_in_fails_by_policy() {
    let host = host();
    for (policy, goes_on) in [(FailurePolicy::Open, true), (FailurePolicy::Closed, false)] {
        let mut guest = waiter(HEADS);
        guest.request_head = format!("{TIMER} (global.get $wait)");
        guest.response_head = "unreachable".to_owned();
        let artifact = guest.publish("dies", |publication| publication.on_failure = policy);
        let worker = worker(&host, [host.load(&artifact).unwrap()]);
        let (mut first, mut second) = (begin(&worker), begin(&worker));
        waiting(first.request_head(true));
        waiting(second.request_head(true));
        elapse(&mut second);
        open(second.resume(Direction::Request).unwrap());
        set_response(&mut second, 200);
        let _ = second.response_head(true);
        assert_eq!(elapse(&mut first), 1);
        match first.resume(Direction::Request).unwrap() {
            Progress::Open => assert!(goes_on),
            Progress::Answer(Answer::Failed(failure)) => {
                assert!(!goes_on && failure.kind == FailureKind::InstanceLost, "{failure}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Waits at every chunk and at the end, and turns the case of what it has.
fn body_waiter(host: &Host, name: &str, mode: u8) -> Arc<Filter> {
    let mut guest = waiter(Wants {
        request_body: mode,
        response_body: mode,
        request_trailers: true,
        max_buffer: 1 << 20,
        ..Wants::default()
    });
    guest.body = format!("{TIMER} (global.get $chunk-wait)");
    guest.trailers = format!("{TIMER} (global.get $chunk-wait)");
    host.load(&guest.artifact(name)).unwrap()
}

/// Carries a body as the agent does, with every wait.
fn carry(run: &mut Run, direction: Direction, chunks: &[Vec<u8>], trailers: Option<HeaderMap>) -> (Vec<u8>, usize) {
    let (mut out, mut waits) = (Vec::new(), 0);
    let mut settle = |run: &mut Run, mut progress: Progress, out: &mut Vec<u8>| {
        loop {
            out.extend(take(run, direction));
            match progress {
                Progress::Waiting => {
                    waits += elapse(run);
                    progress = run.resume(direction).unwrap();
                }
                Progress::Held | Progress::Open => return,
                Progress::Answer(answer) => panic!("{answer:?}"),
            }
        }
    };
    for chunk in chunks {
        let progress = run.chunk(direction, Bytes::from(chunk.clone()));
        settle(run, progress, &mut out);
    }
    let progress = run.end(direction, trailers);
    settle(run, progress, &mut out);
    assert!(run.is_drained(direction));
    (out, waits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bodies_come_through_waits_byte_for_byte(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
        modes in prop::collection::vec(prop::sample::select(vec![NONE, TRANSFORM, BUFFER]), 1..4),
        trailing in any::<bool>(),
    ) {
        thread_local! {
            static HOST: Host = host();
        }
        let host = HOST.with(Clone::clone);
        let filters = modes.iter().enumerate().map(|(at, mode)| body_waiter(&host, &format!("w{at}"), *mode));
        let worker = worker(&host, filters);
        let mut run = begin(&worker);
        open(run.request_head(false));
        let trailers = trailing.then(HeaderMap::new);
        let (out, waits) = carry(&mut run, Direction::Request, &chunks, trailers);
        prop_assert_eq!(out, chunks.concat());
        let full = chunks.iter().filter(|chunk| !chunk.is_empty()).count();
        let each = |mode: &u8| match *mode { NONE => 0, BUFFER => 1, _ => full + 1 } + usize::from(trailing);
        // a filter that buffers gives those behind it one chunk, or none, in place of many
        prop_assert!(waits <= modes.iter().map(each).sum());
        prop_assert!(waits >= modes.iter().filter(|mode| **mode != NONE).count());
    }
}

#[test]
fn a_chunk_that_waited_can_be_replaced_and_keeps_its_place() {
    let host = host();
    let mut guest = waiter(Wants { request_body: TRANSFORM, ..Wants::default() });
    let text = guest.text("#");
    guest.body =
        format!("(if (result i32) (local.get $end) (then (global.get $next)) (else {TIMER} (global.get $chunk-wait)))");
    guest.resume = format!("(call $resume-replace {text})");
    let worker = worker(&host, [host.load(&guest.artifact("marks")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    let chunks = [b"one".to_vec(), b"two".to_vec()];
    assert_eq!(carry(&mut run, Direction::Request, &chunks, None), (b"##".to_vec(), 2));
    assert!(run.receipts().next().unwrap().changes.any());
}

#[test]
fn a_head_that_waited_may_be_held_for_its_body() {
    let host = host();
    let mut guest = waiter(Wants { request_head: true, request_body: BUFFER, max_buffer: 100, ..Wants::default() });
    guest.request_head = format!("{TIMER} (global.get $wait)");
    guest.resume = "(global.get $resume-hold)".to_owned();
    let body = guest.set(0, "x-late", "yes");
    guest.body = format!("{body} (global.get $next)");
    let worker = worker(&host, [host.load(&guest.artifact("holds")).unwrap()]);
    let mut run = begin(&worker);
    waiting(run.request_head(false));
    elapse(&mut run);
    held(run.resume(Direction::Request).unwrap());
    held(run.chunk(Direction::Request, Bytes::from_static(b"all")));
    open(run.end(Direction::Request, None));
    assert_eq!(request_header(&run, "x-late"), ["yes"]);
    assert_eq!(take(&mut run, Direction::Request), b"all");
}

/// Asks `keys` for /k?a and puts the status of the answer, or 0, into its own.
fn caller(host: &Host, upstream: &str, path: &str) -> Arc<Filter> {
    let mut guest = Guest::new(HEADS);
    // of, upstream, method, path, headers, body, timeout; then where the outcome goes
    let params = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
    guest.imports.push_str(&format!("(import \"weir:filter/callout@0.1.0\" \"start\" (func $call {params}))\n"));
    let (name, method, path) = (guest.text(upstream), guest.text("GET"), guest.text(path));
    let none = "(i32.const 0) (i32.const 0)";
    let call = format!(
        "(call $call (local.get $of) {name} {method} {path} {none} {none} (i32.const 1) (i32.const 50) (i32.const 0x320))"
    );
    // 0x320: which of result's cases; 0x324: the call's number, or the error
    guest.request_head = format!(
        "{call} (if (result i32) (i32.load8_u (i32.const 0x320))
           (then (unreachable)) (else (global.get $wait)))"
    );
    let (ok, bad) = (guest.set(0, "x-answer", "200"), guest.set(0, "x-answer", "none"));
    guest.resume = format!(
        "(if (i32.and (i32.eq (local.get $outcome) (i32.const 1)) (i32.eq (local.get $c) (i32.const 200)))
           (then {ok}) (else {bad})) (global.get $next)"
    );
    let artifact = guest.publish("calls", |publication| {
        let upstream = Upstream { timeout_ms: 30, ..Upstream::new("https://keys.example:8443/base/") };
        publication.upstreams.insert("keys".parse().unwrap(), upstream);
    });
    host.load(&artifact).unwrap()
}

#[test]
fn a_call_is_a_request_to_a_named_upstream() {
    let host = host();
    let worker = worker(&host, [caller(&host, "keys", "/k?a")]);
    let answered = |outcome: CallOutcome| {
        let mut run = begin(&worker);
        waiting(run.request_head(true));
        let [call] = &run.take_calls()[..] else { panic!("one call") };
        let CallKind::Request(request) = &call.kind else { panic!("{call:?}") };
        assert_eq!(request.request.uri(), "https://keys.example:8443/base/k?a");
        assert_eq!((request.timeout, request.max_bytes), (Duration::from_millis(30), 1 << 20));
        let id = call.id;
        run.call_ended(id, outcome);
        open(run.resume(Direction::Request).unwrap());
        request_header(&run, "x-answer").concat()
    };
    let response = |status: u16| {
        CallOutcome::Response(CallResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
        })
    };
    assert_eq!(answered(response(200)), "200");
    assert_eq!(answered(response(404)), "none");
    assert_eq!(answered(CallOutcome::Failed(UpstreamError::Tls("expired".into()))), "none");
}

#[test]
fn what_cannot_be_called_is_refused_at_once() {
    let host = host();
    for (upstream, path) in [
        ("other", "/"),
        ("keys", "k"),
        ("keys", "*"),
        ("keys", "/a b"),
        ("keys", "/../x"),
        ("keys", "/a/%2E%2e/x?y"),
        ("keys", "/..%2fx"),
        ("keys", "/a\\..;v=1/x"),
        ("keys", "//\r\nx"),
        ("KEYS", "/"),
    ] {
        let worker = worker(&host, [caller(&host, upstream, path)]);
        let mut run = begin(&worker);
        let failure = failed(run.request_head(true));
        assert_eq!(failure.kind, FailureKind::Trap, "the guest's own, at the refusal: {upstream} {path}");
        assert!(run.take_calls().is_empty());
    }
}
