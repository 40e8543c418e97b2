//! Messages of WebSockets and server-sent events.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use weir_artifact::FailurePolicy;
use weir_host::{
    BodyMode, Close, Direction, FailureKind, Filter, Hooks, Host, Judged, Length, Message, Run, ServerEvent, Verdict,
};

use crate::{
    guest::{Guest, TRANSFORM, Wants, Word},
    support::*,
};

const YES: &str = "i32.const 1";

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

fn event(data: &str) -> Message {
    Message::Event(ServerEvent { data: data.to_owned(), ..ServerEvent::default() })
}

/// Sees messages, and answers so to each.
fn answering(words: &[Word]) -> Guest {
    let mut guest = Guest::messaging(YES, "");
    let action = guest.message_action(words);
    guest.message = Some([YES.to_owned(), action]);
    guest
}

fn replacing(with: &'static str) -> Guest {
    answering(&[Word::Number(1), Word::Number(0), Word::Text(with)])
}

/// A run whose upstream has answered an upgrade, with messages open.
fn opened(host: &Host, filters: impl IntoIterator<Item = Arc<Filter>>) -> Run {
    let mut run = begin(&worker(host, filters));
    open(run.request_head(true));
    set_response(&mut run, 101);
    open(run.response_head(true));
    assert!(run.may_see_messages());
    assert!(run.messages_open().unwrap());
    run
}

fn load(host: &Host, guest: &Guest, name: &str) -> Arc<Filter> {
    host.load(&guest.artifact(name)).unwrap()
}

fn load_with(host: &Host, guest: &Guest, policy: FailurePolicy) -> Arc<Filter> {
    let publish = |publication: &mut weir_artifact::Publication| {
        publication.on_failure = policy;
        publication.limits.buffer_bytes = 8;
        publication.limits.answer_bytes = 8;
    };
    host.load(&guest.publish("filter", publish)).unwrap()
}

#[test]
fn messages_of_the_client_meet_the_chain_in_order_and_those_of_the_upstream_in_reverse() {
    let lines = Arc::<Lines>::default();
    let host = host_with(&lines);
    let filters = ["first", "second", "third"].map(|name| {
        let mut guest = answering(&[Word::Number(0)]);
        guest.logs = true;
        let said = guest.text(name);
        let [_, action] = guest.message.take().unwrap();
        guest.message = Some([YES.to_owned(), format!("(call $log (i32.const 2) {said}) {action}")]);
        load(&host, &guest, name)
    });
    assert_eq!(filters[0].hooks(), Hooks { message: true, ..Hooks::default() });
    let mut run = opened(&host, filters);
    assert_eq!(run.message(Direction::Request, &text("hello")), Judged::Pass);
    assert_eq!(run.message(Direction::Response, &Message::Binary(vec![0xff])), Judged::Pass);
    let said: Vec<String> = lines.0.lock().unwrap().iter().map(|line| line.2.clone()).collect();
    assert_eq!(said, ["first", "second", "third", "third", "second", "first"]);
}

#[test]
fn a_filter_is_shown_what_the_one_before_it_made_and_what_was_dropped_goes_no_further() {
    let host = host();
    let mut judge = answering(&[Word::Number(2)]);
    let [_, drop] = judge.message.take().unwrap();
    let only_long = "(if (i32.ne (local.get $case) (i32.const 0)) (then unreachable))
                     (if (i32.ne (local.get $len) (i32.const 4)) (then unreachable))";
    judge.message = Some([YES.to_owned(), format!("{only_long} {drop}")]);
    let filters = [load(&host, &replacing("four"), "a"), load(&host, &judge, "b")];
    let never = load(&host, &Guest::messaging(YES, "unreachable"), "c");
    let mut run = opened(&host, filters.iter().cloned().chain([never]));
    assert_eq!(run.message(Direction::Request, &text("hello")), Judged::Drop);
    drop_run(run);
    let mut run = opened(&host, [filters[0].clone()]);
    assert_eq!(run.message(Direction::Response, &Message::Binary(vec![1])), Judged::Replace(text("four")));
    let receipt = run.receipts().next().unwrap();
    assert!(receipt.changes.any() && receipt.verdict == Verdict::Next, "{receipt:?}");
}

fn drop_run(run: Run) {
    assert!(run.receipts().all(|receipt| receipt.error.is_none()), "{:?}", run.receipts().collect::<Vec<_>>());
}

#[test]
fn who_does_not_want_them_is_not_shown_them_and_who_cannot_is_not_asked() {
    let host = host();
    let declines = load(&host, &Guest::messaging("i32.const 0", "unreachable"), "declines");
    let plain = load(&host, &Guest::default(), "plain");
    let mut run = begin(&worker(&host, [declines, plain.clone()]));
    open(run.request_head(true));
    set_response(&mut run, 101);
    open(run.response_head(true));
    assert!(!run.messages_open().unwrap() && !run.sees_messages());
    assert_eq!(run.message(Direction::Request, &text("hello")), Judged::Pass);
    assert!(!begin(&worker(&host, [plain])).may_see_messages());
}

#[test]
fn a_filter_closes_with_what_may_be_sent_and_nothing_else() {
    let host = host();
    let closing = |code: u32, reason: &'static str| {
        let guest = answering(&[Word::Number(3), Word::Number(code), Word::Text(reason)]);
        let mut run = opened(&host, [load(&host, &guest, "closing")]);
        let judged = run.message(Direction::Request, &text("hello"));
        let verdict = run.receipts().next().unwrap().verdict;
        (judged, verdict)
    };
    let close = Close { code: 4001, reason: "no".to_owned() };
    assert_eq!(closing(4001, "no"), (Judged::Close(close), Verdict::Aborted));
    let long: &str = Box::leak("x".repeat(124).into_boxed_str());
    for (code, reason) in [(999, ""), (1005, ""), (1006, ""), (1015, ""), (2999, ""), (5000, ""), (1000, long)] {
        match closing(code, reason) {
            (Judged::Failed(failure), Verdict::Failed) => assert_eq!(failure.kind, FailureKind::Contract, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn what_takes_the_place_of_a_message_has_its_form() {
    let host = host();
    let no = Word::Number(0);
    let an_event = |id: &'static str| {
        let head = [Word::Number(1), Word::Number(2), Word::Number(0), Word::Text(""), Word::Text("data")];
        head.into_iter().chain([Word::Number(1), Word::Text(id), Word::Number(1), Word::Number(7)]).collect::<Vec<_>>()
    };
    let made =
        ServerEvent { data: "data".to_owned(), id: Some("id".to_owned()), retry: Some(7), ..ServerEvent::default() };
    let mut run = opened(&host, [load(&host, &answering(&an_event("id")), "event")]);
    assert_eq!(run.message(Direction::Response, &event("x")), Judged::Replace(Message::Event(made)));
    let breach = |words: &[Word], message: Message| {
        let mut run = opened(&host, [load(&host, &answering(words), "breach")]);
        match run.message(Direction::Response, &message) {
            Judged::Failed(failure) => assert_eq!(failure.kind, FailureKind::Contract),
            other => panic!("{other:?}"),
        }
    };
    breach(&an_event("id"), text("x"));
    breach(&an_event("i\nd"), event("x"));
    breach(&[Word::Number(1), no, Word::Text("text")], event("x"));
}

#[test]
fn a_filter_that_fails_ends_it_or_steps_out() {
    let host = host();
    let cases: [(Guest, Message, FailureKind); 3] = [
        (Guest::messaging(YES, "unreachable"), text("hello"), FailureKind::Trap),
        (replacing("longer than 8"), text("hello"), FailureKind::AnswerTooLarge),
        (replacing("short"), text("longer than 8"), FailureKind::BufferOverflow),
    ];
    for (guest, message, kind) in cases {
        let mut run = opened(&host, [load_with(&host, &guest, FailurePolicy::Closed)]);
        assert_eq!(run.longest_message(), 8);
        match run.message(Direction::Request, &message) {
            Judged::Failed(failure) => assert_eq!((failure.kind, failure.phase), (kind, "on-message")),
            other => panic!("{other:?}"),
        }
        assert!(!run.sees_messages());
        let mut run = opened(&host, [load_with(&host, &guest, FailurePolicy::Open)]);
        assert_eq!(run.message(Direction::Request, &message), Judged::Pass, "{kind:?}");
        assert!(!run.sees_messages());
        assert_eq!(run.receipts().next().unwrap().verdict, Verdict::Skipped);
    }
}

#[test]
fn what_is_too_long_or_unreadable_fails_all_who_see_messages() {
    let host = host();
    for kind in [FailureKind::BufferOverflow, FailureKind::Unreadable] {
        let fail = |run: &mut Run| match kind {
            FailureKind::BufferOverflow => run.message_too_long(),
            _ => run.messages_unreadable("compressed"),
        };
        let mut run = opened(&host, [load_with(&host, &replacing("short"), FailurePolicy::Closed)]);
        assert_eq!(fail(&mut run).unwrap_err().kind, kind);
        let mut run = opened(&host, [load_with(&host, &replacing("short"), FailurePolicy::Open)]);
        fail(&mut run).unwrap();
        assert!(!run.sees_messages());
    }
}

#[test]
fn a_filter_that_fails_when_it_is_asked_ends_it_or_is_not_asked_again() {
    let host = host();
    for (policy, is_error) in [(FailurePolicy::Closed, true), (FailurePolicy::Open, false)] {
        let filter = load_with(&host, &Guest::messaging("unreachable", "unreachable"), policy);
        let mut run = begin(&worker(&host, [filter]));
        open(run.request_head(true));
        set_response(&mut run, 101);
        open(run.response_head(true));
        match run.messages_open() {
            Err(failure) => assert!(is_error && failure.phase == "on-open", "{failure}"),
            Ok(sees) => assert!(!is_error && !sees),
        }
    }
}

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
