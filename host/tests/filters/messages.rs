//! Messages of WebSockets and server-sent events: who is shown them, and what becomes of them.

mod events;

use std::sync::Arc;

use weir_artifact::FailurePolicy;
use weir_host::{Close, Direction, FailureKind, Filter, Hooks, Host, Judged, Message, Run, ServerEvent, Verdict};

use crate::{
    guest::{Guest, Word},
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
