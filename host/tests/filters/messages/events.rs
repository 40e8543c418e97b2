//! Server-sent events: passed on byte for byte, replaced, dropped and ended, whatever their coding.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use weir_artifact::FailurePolicy;
use weir_host::{BodyMode, Direction, FailureKind, Filter, Host, Length, Run};

use super::{YES, answering, load, load_with};
use crate::{
    guest::{Guest, TRANSFORM, Wants, Word},
    support::*,
};

/// A run at the head of a stream of events.
fn streaming(host: &Host, filters: impl IntoIterator<Item = Arc<Filter>>, coding: Option<&str>) -> Run {
    let mut run = begin(&worker(host, filters));
    open(run.request_head(true));
    let mut response = Response::builder().status(200).header("content-type", "Text/Event-Stream; charset=utf-8");
    if let Some(coding) = coding {
        response = response.header("content-encoding", coding);
    }
    run.exchange_mut().response = Some(response.body(()).unwrap().into_parts().0);
    open(run.response_head(false));
    run
}

const EVENTS: &[&[u8]] = &[b"\xef\xbb\xbf: hi\r\n\r\nid: 1\rdata: on", b"e\r\r", b"data: two\n\ndata: thr", b"ee"];

fn feed(run: &mut Run, chunks: &[&[u8]]) -> String {
    String::from_utf8(through(run, Direction::Response, chunks)).unwrap()
}

#[test]
fn untouched_events_pass_byte_for_byte() {
    let host = host();
    let mut run = streaming(&host, [load(&host, &answering(&[Word::Number(0)]), "passes")], None);
    assert!(!run.sees_body(Direction::Response));
    run.events_open().unwrap();
    assert!(run.sees_body(Direction::Response));
    assert_eq!(run.length(Direction::Response), Length::Unknown);
    assert_eq!(feed(&mut run, EVENTS).as_bytes(), EVENTS.concat());
    // what is no stream of events, and who does not export the interface
    let mut run = begin(&worker(&host, [load(&host, &Guest::messaging("unreachable", "unreachable"), "not-asked")]));
    open(run.request_head(true));
    set_response(&mut run, 200);
    open(run.response_head(false));
    run.events_open().unwrap();
    assert!(!run.sees_body(Direction::Response));
}

#[test]
fn events_are_replaced_dropped_and_ended() {
    let host = host();
    let first_only = |words: &[Word]| {
        let mut guest = answering(words);
        let pass = guest.message_action(&[Word::Number(0)]);
        let [_, action] = guest.message.take().unwrap();
        guest.globals = "(global $seen (mut i32) (i32.const 0))".to_owned();
        let count = "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))";
        let choose = format!("({action}) ({pass}) (i32.eq (global.get $seen) (i32.const 2))");
        guest.message = Some([YES.to_owned(), format!("{count} (select {choose})")]);
        load(&host, &guest, "second")
    };
    let replace = [Word::Number(1), Word::Number(2), Word::Number(1), Word::Text("type"), Word::Text("a\nb")];
    let mut run = streaming(&host, [first_only(&replace)], None);
    run.events_open().unwrap();
    let chunks: &[&[u8]] = &[b"data: 1\n\ndata: 2\n\ndata: 3\n\n"];
    assert_eq!(feed(&mut run, chunks), "data: 1\n\nevent: type\ndata: a\ndata: b\n\ndata: 3\n\n");
    let mut run = streaming(&host, [first_only(&[Word::Number(2)])], None);
    run.events_open().unwrap();
    assert_eq!(feed(&mut run, chunks), "data: 1\n\ndata: 3\n\n");
    let mut run = streaming(&host, [first_only(&[Word::Number(3), Word::Number(1000), Word::Text("")])], None);
    run.events_open().unwrap();
    open(run.chunk(Direction::Response, Bytes::from_static(chunks[0])));
    assert_eq!(take(&mut run, Direction::Response), b"data: 1\n\n");
    assert!(run.is_drained(Direction::Response) && run.has_closed_events(), "the client sees a whole end");
}

#[test]
fn events_too_long_end_the_response_or_pass_unseen() {
    let host = host();
    let guest = Guest::messaging(YES, "unreachable");
    let whole: &[&[u8]] = &[b"data: longer\n\ndata: next\n\n"];
    let begun: &[&[u8]] = &[b"data: lo", b"nger", b"\n\ndata: next\n\n"];
    for chunks in [whole, begun] {
        let mut run = streaming(&host, [load_with(&host, &guest, FailurePolicy::Open)], None);
        run.events_open().unwrap();
        assert_eq!(feed(&mut run, chunks).as_bytes(), chunks.concat());
        let mut run = streaming(&host, [load_with(&host, &guest, FailurePolicy::Closed)], None);
        run.events_open().unwrap();
        for chunk in chunks.iter().take(2) {
            open(run.chunk(Direction::Response, Bytes::from_static(chunk)));
            assert!(take(&mut run, Direction::Response).is_empty());
        }
        match run.answer() {
            Some(weir_host::Answer::Failed(failure)) => assert_eq!(failure.kind, FailureKind::BufferOverflow),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn coded_events_are_read_and_travel_on_without_their_coding() {
    let host = host();
    let filter = || load(&host, &answering(&[Word::Number(0)]), "passes");
    let plain = b"data: one\n\ndata: two\n\n";
    let mut run = streaming(&host, [filter()], Some("gzip"));
    run.events_open().unwrap();
    assert!(response_header(&run, "content-encoding").is_empty());
    let coded = crate::decoded::gzip(plain);
    let (begin, end) = coded.split_at(coded.len() / 2);
    assert_eq!(feed(&mut run, &[begin, end]).as_bytes(), plain);
    // what nobody here can undo
    let mut run = streaming(&host, [filter()], Some("dcb"));
    assert_eq!(run.events_open().unwrap_err().kind, FailureKind::Unreadable);
    let mut run = streaming(&host, [filter()], Some("gzip"));
    run.events_open().unwrap();
    open(run.chunk(Direction::Response, Bytes::from_static(b"data: not gzip\n\n")));
    assert!(take(&mut run, Direction::Response).is_empty());
    match run.answer() {
        Some(weir_host::Answer::Failed(failure)) => {
            assert_eq!(failure.kind, FailureKind::Coding(Direction::Response));
        }
        other => panic!("{other:?}"),
    }
}

/// Few coded bytes are many events, and none of them is seen by a client that could be slow.
#[test]
fn events_that_are_dropped_leave_others_their_turn() {
    let host = host();
    let mut run = streaming(&host, [load(&host, &answering(&[Word::Number(2)]), "drops")], Some("gzip"));
    run.events_open().unwrap();
    open(run.chunk(Direction::Response, crate::decoded::gzip(&b"data:\n\n".repeat(10_000)).into()));
    open(run.end(Direction::Response, None));
    let mut turns = 0;
    while !run.is_drained(Direction::Response) {
        assert_eq!(run.output(Direction::Response), None);
        assert!(run.pauses(Direction::Response) || run.is_drained(Direction::Response));
        turns += 1;
    }
    assert!(turns > 10_000 / 512, "{turns}");
}

#[test]
fn events_are_judged_as_body_hooks_have_left_them() {
    let host = host();
    let mut flips = Guest::new(Wants { response_body: TRANSFORM, ..Wants::default() });
    flips.body = "(call $flip (local.get $ptr) (local.get $len))".to_owned();
    let flips = load(&host, &flips, "flips");
    assert_eq!(flips.subscription().response_body, BodyMode::Transform);
    let judge = "(if (i32.ne (i32.load8_u (local.get $data)) (i32.const 97)) (then unreachable))";
    let mut sees = answering(&[Word::Number(0)]);
    let [_, action] = sees.message.take().unwrap();
    sees.message = Some([YES.to_owned(), format!("{judge} {action}")]);
    let sees = load(&host, &sees, "sees");
    for filters in [[flips.clone(), sees.clone()], [sees, flips]] {
        let mut run = streaming(&host, filters, None);
        run.events_open().unwrap();
        let sent: Vec<u8> = b"data: a\n\n".iter().map(|byte| byte ^ 0x20).collect();
        assert_eq!(feed(&mut run, &[&sent]), "data: a\n\n");
    }
}
