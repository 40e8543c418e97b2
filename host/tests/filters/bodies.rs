//! Bodies: byte for byte through every mode, held heads, buffers and their bounds, trailers.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use weir_artifact::FailurePolicy;
use weir_host::{Direction, FailureKind, Filter, Host, Length, Run, Verdict};

use crate::{
    guest::{BUFFER, Guest, OBSERVE, TRANSFORM, Wants},
    support::*,
};

const FLIP: &str = "(call $flip (local.get $ptr) (local.get $len))";

fn wants(mode: u8) -> Wants {
    Wants { request_body: mode, response_body: mode, max_buffer: 1 << 20, ..Wants::default() }
}

fn load(host: &Host, name: &str, guest: &Guest) -> Arc<Filter> {
    host.load(&guest.artifact(name)).unwrap()
}

/// Turns the case of each byte.
fn flipper(host: &Host, name: &str, mode: u8) -> Arc<Filter> {
    load(host, name, &Guest { body: FLIP.to_owned(), ..Guest::new(wants(mode)) })
}

/// Holds the request head until `max_buffer` bytes, and signs on it when its turn comes.
fn holder(host: &Host, name: &str, max_buffer: u32, answer: &str) -> Arc<Filter> {
    let mut guest = Guest::new(Wants { request_head: true, request_body: TRANSFORM, max_buffer, ..Wants::default() });
    guest.request_head = format!("{} global.get {answer}", guest.append(0, "x-order", name));
    guest.body = FLIP.to_owned();
    load(host, name, &guest)
}

fn feed(run: &mut Run, text: &'static str) -> weir_host::Progress {
    run.chunk(Direction::Request, Bytes::from_static(text.as_bytes()))
}

#[test]
fn chunks_are_replaced_as_they_pass() {
    let host = host();
    let worker = worker(&host, [flipper(&host, "a", TRANSFORM)]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    assert!(run.sees_body(Direction::Request));
    assert_eq!(run.length(Direction::Request), Length::Unknown);
    open(feed(&mut run, "ab"));
    assert_eq!(take(&mut run, Direction::Request), b"AB");
    assert_eq!(through(&mut run, Direction::Request, &[b"C"]), b"c");
    let stats = worker.1.filters()[0].stats();
    drop(run);
    assert_eq!((stats.bytes_in(), stats.bytes_out()), (3, 3));
}

#[test]
fn without_a_body_no_body_hook_runs() {
    let host = host();
    let guest = Guest { body: "unreachable".to_owned(), ..Guest::new(wants(TRANSFORM)) };
    let worker = worker(&host, [load(&host, "a", &guest)]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert!(!run.sees_body(Direction::Request) && run.is_drained(Direction::Request));
    assert_eq!(run.length(Direction::Request), Length::AsReceived);
    open(run.end(Direction::Request, None));
}

#[test]
fn a_body_that_nobody_asked_for_stays_out() {
    let host = host();
    let worker = worker(&host, [load(&host, "a", &Guest::new(Wants { request_head: true, ..Wants::default() }))]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    assert!(!run.sees_body(Direction::Request));
    assert_eq!(run.length(Direction::Request), Length::AsReceived);
}

#[test]
fn dropped_chunks_are_gone() {
    let host = host();
    let guest = Guest { body: "global.get $drop".to_owned(), ..Guest::new(wants(TRANSFORM)) };
    let worker = worker(&host, [load(&host, "a", &guest)]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    assert_eq!(through(&mut run, Direction::Request, &[b"a", b"b"]), b"");
    assert!(run.receipts().next().unwrap().changes.any());
}

#[test]
fn held_heads_move_on_one_after_the_other() {
    let host = host();
    let filters = [holder(&host, "a", 3, "$hold"), holder(&host, "b", 5, "$hold"), holder(&host, "c", 0, "$next")];
    let worker = worker(&host, filters);
    let mut run = begin(&worker);
    held(run.request_head(false));
    held(feed(&mut run, "abc"));
    assert_eq!(request_header(&run, "x-order"), ["a"]);
    // More than `a` may hold; `b` is shown what queued, and may hold a little more.
    held(feed(&mut run, "d"));
    assert_eq!(request_header(&run, "x-order"), ["a", "b"]);
    assert!(run.output(Direction::Request).is_none());
    open(feed(&mut run, "ef"));
    assert_eq!(request_header(&run, "x-order"), ["a", "b", "c"]);
    assert_eq!(run.length(Direction::Request), Length::Unknown);
    assert_eq!(take(&mut run, Direction::Request), b"ABCDEF");
    assert_eq!(through(&mut run, Direction::Request, &[b"g"]), b"G");
}

#[test]
fn a_body_that_ends_while_its_head_is_held_has_a_length() {
    let host = host();
    let worker = worker(&host, [holder(&host, "a", 100, "$hold"), holder(&host, "b", 100, "$hold")]);
    let mut run = begin(&worker);
    held(run.request_head(false));
    held(feed(&mut run, "abc"));
    open(run.end(Direction::Request, None));
    assert_eq!(run.length(Direction::Request), Length::Exact(3));
    assert!(run.sees_body(Direction::Request) && !run.is_drained(Direction::Request));
    assert_eq!(take(&mut run, Direction::Request), b"abc");
    assert!(run.is_drained(Direction::Request));
}

#[test]
fn body_hooks_may_change_a_held_head_and_no_sent_one() {
    let host = host();
    for (answer, outcome) in [("$hold", "k"), ("$next", "")] {
        let wants = Wants { request_head: true, request_body: OBSERVE, max_buffer: 100, ..Wants::default() };
        let mut guest = Guest::new(wants);
        guest.request_head = format!("global.get {answer}");
        guest.body = format!("{} global.get $next", guest.try_set(0, "x-sum", "1", 0));
        let worker = worker(&host, [load(&host, "a", &guest)]);
        let mut run = begin(&worker);
        let _held_or_open = run.request_head(false);
        open_or_held(feed(&mut run, "abc"));
        open(run.end(Direction::Request, None));
        let set = request_header(&run, "x-sum").len() == 1;
        assert_eq!(set, outcome == "k", "{answer}");
        assert_eq!(run.length(Direction::Request), Length::AsReceived);
    }
}

fn open_or_held(progress: weir_host::Progress) {
    assert!(is_open(&progress) || is_held(&progress), "{progress:?}");
}

#[test]
fn a_whole_body_comes_in_one_call() {
    let host = host();
    let worker = worker(&host, [flipper(&host, "a", BUFFER), flipper(&host, "b", OBSERVE - 1)]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    open(feed(&mut run, "ab"));
    assert_eq!(take(&mut run, Direction::Request), b"");
    assert_eq!(through(&mut run, Direction::Request, &[b"cd"]), b"ABCD");
    run.finish(weir_host::DoneReason::Complete);
    assert_eq!(worker.1.filters()[0].stats().calls(), 2);
}

#[test]
fn a_body_beyond_the_buffer_fails_by_policy() {
    let host = host();
    let guest = Guest { body: FLIP.to_owned(), ..Guest::new(Wants { max_buffer: 3, ..wants(BUFFER) }) };
    for (policy, passes) in [(FailurePolicy::Closed, false), (FailurePolicy::Open, true)] {
        let filter = host.load(&guest.publish("a", |publication| publication.on_failure = policy)).unwrap();
        let worker = worker(&host, [filter]);
        let mut run = begin(&worker);
        open(run.request_head(false));
        open(feed(&mut run, "abc"));
        let progress = feed(&mut run, "d");
        if passes {
            open(progress);
            assert_eq!(through(&mut run, Direction::Request, &[b"e"]), b"abcde");
            assert_eq!(run.receipts().next().unwrap().verdict, Verdict::Skipped);
        } else {
            let failure = failed(progress);
            assert_eq!(failure.kind, FailureKind::BufferOverflow);
            assert_eq!(
                failure.to_string(),
                "filter a version 1 failed in on-body: the body exceeds the 3 bytes that it may buffer"
            );
        }
    }
}

#[test]
fn large_bodies_of_one_client_do_not_stop_the_filter_for_others() {
    let host = host();
    let guest = Guest::new(Wants { max_buffer: 3, ..wants(BUFFER) });
    let filter = host.load(&guest.artifact("a")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    for _ in 0..30 {
        let mut run = begin(&worker);
        open(run.request_head(false));
        assert_eq!(failed(feed(&mut run, "abcd")).kind, FailureKind::BufferOverflow);
    }
    assert!(!filter.is_broken());
}

#[test]
fn observing_is_not_changing() {
    let host = host();
    for body in [FLIP, "global.get $drop"] {
        let guest = Guest { body: body.to_owned(), ..Guest::new(wants(OBSERVE)) };
        let worker = worker(&host, [load(&host, "a", &guest)]);
        let mut run = begin(&worker);
        open(run.request_head(false));
        assert_eq!(failed(feed(&mut run, "a")).kind, FailureKind::Contract);
    }
}

#[test]
fn a_filter_may_take_part_less_than_it_asked() {
    let host = host();
    for (mode, asked, outcome) in [(0, TRANSFORM, "k"), (1, BUFFER, "k"), (2, BUFFER, "f"), (3, OBSERVE, "f")] {
        let mut guest = Guest::new(Wants { request_head: true, request_body: asked, ..Wants::default() });
        guest.request_head = format!(
            "(call $set-body-mode (local.get $of) (i32.const 0) (i32.const {mode}) (i32.const 0x300))
             (call $note (local.get $of) (i32.const 0) (call $outcome)) (global.get $next)"
        );
        let worker = worker(&host, [load(&host, "a", &guest)]);
        let mut run = begin(&worker);
        open(run.request_head(false));
        assert_eq!(request_header(&run, "x-outcome"), [outcome], "{asked} to {mode}");
        assert_eq!(run.sees_body(Direction::Request), mode != 0);
    }
}

#[test]
fn trailers_are_shown_once_the_body_is_through() {
    let host = host();
    let mut guest = Guest::new(Wants { request_trailers: true, ..Wants::default() });
    guest.trailers = format!("{} global.get $next", guest.set(2, "x-sum", "checked"));
    let worker = worker(&host, [load(&host, "a", &guest), flipper(&host, "b", TRANSFORM)]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    assert!(run.sees_body(Direction::Request));
    open(feed(&mut run, "a"));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().unwrap());
    open(run.end(Direction::Request, Some(trailers)));
    assert_eq!(take(&mut run, Direction::Request), b"A");
    assert_eq!(run.exchange().request_trailers.as_ref().unwrap()["x-sum"], "checked");
    drop(run);
    assert_eq!(worker.1.filters()[0].stats().calls(), 2, "on-trailers and on-done");
}

#[test]
fn requests_and_responses_may_flow_at_once() {
    let host = host();
    let worker = worker(&host, [flipper(&host, "a", TRANSFORM)]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    open(feed(&mut run, "a"));
    set_response(&mut run, 200);
    open(run.response_head(false));
    open(run.chunk(Direction::Response, "x".into()));
    open(feed(&mut run, "b"));
    assert_eq!(take(&mut run, Direction::Response), b"X");
    assert_eq!(take(&mut run, Direction::Request), b"AB");
    assert_eq!(through(&mut run, Direction::Response, &[b"y"]), b"Y");
    assert_eq!(through(&mut run, Direction::Request, &[]), b"");
}

#[test]
fn two_bodies_are_buffered_apart() {
    let host = host();
    let worker = worker(&host, [flipper(&host, "a", BUFFER)]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    open(feed(&mut run, "ab"));
    set_response(&mut run, 200);
    open(run.response_head(false));
    assert_eq!(through(&mut run, Direction::Response, &[b"xy"]), b"XY");
    assert_eq!(through(&mut run, Direction::Request, &[b"c"]), b"ABC");
}

#[test]
fn a_body_that_is_broken_off_never_looks_whole() {
    let host = host();
    let wants = Wants { response_head: true, ..wants(TRANSFORM) };
    let guest = Guest { response_head: "global.get $respond".to_owned(), ..Guest::new(wants) };
    let worker = worker(&host, [load(&host, "a", &guest)]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    open(feed(&mut run, "half"));
    set_response(&mut run, 200);
    let response = responded(run.response_head(false));
    assert!(run.is_stopped(Direction::Request) && !run.is_drained(Direction::Request));
    run.respond_with(response.clone());
    open(run.response_head(false));
    assert_eq!(through(&mut run, Direction::Response, &[&response.body]), b"denied");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever takes part, and however the body is cut: what should not change does not.
    #[test]
    fn bodies_pass_byte_for_byte(
        body in proptest::collection::vec(any::<u8>(), 0..3000),
        cuts in proptest::collection::vec(1_usize..900, 1..20),
        holds in any::<[bool; 4]>(),
    ) {
        thread_local! {
            static WORKERS: Vec<(std::rc::Rc<weir_host::Instances>, Arc<weir_host::Chain>)> = {
                let host = host();
                let flip = |name, hold| {
                    let head = if hold { "global.get $hold" } else { "global.get $next" };
                    let wants = Wants { request_head: true, max_buffer: 1000, ..wants(TRANSFORM) };
                    load(&host, name, &Guest { body: FLIP.to_owned(), request_head: head.to_owned(), ..Guest::new(wants) })
                };
                let chains = |holds: usize| {
                    worker(&host, [
                        load(&host, "none", &Guest::new(Wants { request_head: true, ..Wants::default() })),
                        load(&host, "observe", &Guest::new(wants(OBSERVE))),
                        flip("flip", holds & 1 != 0),
                        flipper(&host, "flip-buffered", BUFFER),
                        flip("flip-twice", holds & 2 != 0),
                        load(&host, "pass", &Guest::new(wants(TRANSFORM))),
                        flip("flip-again", holds & 4 != 0),
                    ])
                };
                (0..8).map(chains).collect()
            };
        }
        let at = holds.iter().take(3).enumerate().map(|(bit, hold)| usize::from(*hold) << bit).sum::<usize>();
        WORKERS.with(|workers| {
            let mut run = begin(&workers[at]);
            open_or_held(run.request_head(false));
            let (mut out, mut rest) = (Vec::new(), &body[..]);
            for cut in cuts.iter().cycle() {
                let (chunk, behind) = rest.split_at((*cut).min(rest.len()));
                if chunk.is_empty() { break }
                open_or_held(run.chunk(Direction::Request, Bytes::copy_from_slice(chunk)));
                out.extend(take(&mut run, Direction::Request));
                rest = behind;
            }
            open(run.end(Direction::Request, None));
            out.extend(take(&mut run, Direction::Request));
            prop_assert!(run.is_drained(Direction::Request));
            prop_assert_eq!(&out, &body);
            Ok(())
        })?;
    }
}
