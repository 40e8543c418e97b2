//! Heads: what filters read and change, in which order they meet, and what they may not touch.

use std::sync::Arc;

use weir_host::{Answer, Direction, DoneReason, Filter, Host, Length, Progress, UpstreamError, Verdict};

use crate::{
    guest::{Guest, HEADS, Wants},
    support::*,
};

/// Appends its name to `x-order` on both heads.
fn signer(host: &Host, name: &str, priority: i32) -> Arc<Filter> {
    let mut guest = Guest::new(HEADS);
    guest.request_head = format!("{} global.get $next", guest.append(0, "x-order", name));
    guest.response_head = format!("{} global.get $next", guest.append(1, "x-order", name));
    host.load(&guest.publish(name, |publication| publication.priority = priority)).unwrap()
}

/// What `x-outcome` says after a request head.
fn outcomes(build: impl FnOnce(&mut Guest) -> String) -> String {
    let mut guest = Guest::new(HEADS);
    guest.request_head = format!("{} global.get $next", build(&mut guest));
    let host = host();
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    request_header(&run, "x-outcome").concat()
}

#[test]
fn a_header_is_set_and_the_change_is_known() {
    let mut guest = Guest::new(HEADS);
    guest.request_head = format!("{} global.get $next", guest.set(0, "X-Seen", "yes"));
    let host = host();
    let filter = host.load(&guest.artifact("a")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-seen"), ["yes"]);
    assert!(run.exchange().original_method.is_some(), "it is known to be changed");
    assert_eq!(run.length(Direction::Request), Length::AsReceived);
    set_response(&mut run, 200);
    open(run.response_head(true));
    assert!(run.exchange().original_response.is_none());
    run.finish(DoneReason::Complete);
    let receipt = run.receipts().next().unwrap();
    assert_eq!((receipt.name.as_str(), receipt.verdict, receipt.changes.any()), ("a", Verdict::Next, true));
    drop(run);
    assert_eq!((filter.stats().calls(), filter.stats().exchanges()), (3, 1));
    assert!(!filter.stats().time().is_zero());
}

#[test]
fn requests_go_up_in_priority_and_responses_down() {
    let host = host();
    let worker = worker(&host, [signer(&host, "b", 0), signer(&host, "c", -1), signer(&host, "a", 0)]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-order"), ["c", "a", "b"]);
    set_response(&mut run, 200);
    open(run.response_head(true));
    assert_eq!(response_header(&run, "x-order"), ["b", "a", "c"]);
}

#[test]
fn filters_that_do_not_apply_are_not_met() {
    let host = host();
    let (instances, chain) = worker(&host, [signer(&host, "a", 0), signer(&host, "b", 0)]);
    let mut run = weir_host::Run::begin(&instances, &chain, exchange(), |filter| filter.name().as_str() == "b");
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-order"), ["b"]);
    assert_eq!(run.receipts().count(), 1);
}

#[test]
fn a_local_response_passes_the_filters_entered_before() {
    let host = host();
    let mut guest = Guest::new(HEADS);
    guest.request_head = "global.get $respond".to_owned();
    guest.response_head = "unreachable".to_owned();
    let deny = host.load(&guest.artifact("m")).unwrap();
    let worker = worker(&host, [signer(&host, "a", 0), signer(&host, "b", 0), deny, signer(&host, "z", 0)]);
    let mut run = begin(&worker);
    let response = responded(run.request_head(true));
    assert_eq!((response.status.as_u16(), &response.body[..]), (403, &b"denied"[..]));
    run.respond_with(response.clone());
    open(run.response_head(false));
    assert_eq!(response_header(&run, "x-order"), ["b", "a"]);
    assert_eq!(response_header(&run, "x-filter"), ["yes"]);
    assert!(run.exchange().original_response.is_none(), "nothing came from an upstream");
    assert_eq!(through(&mut run, Direction::Response, &[&response.body]), b"denied");
    run.finish(DoneReason::FilterAnswered);
    let verdicts: Vec<_> = run.receipts().map(|receipt| (receipt.name.as_str(), receipt.verdict)).collect();
    assert_eq!(verdicts, [("a", Verdict::Next), ("b", Verdict::Next), ("m", Verdict::Responded)]);
}

#[test]
fn an_answer_to_a_response_keeps_the_upstreams() {
    let host = host();
    let mut guest = Guest::new(HEADS);
    guest.response_head = "global.get $respond".to_owned();
    let worker =
        worker(&host, [signer(&host, "a", 0), host.load(&guest.artifact("m")).unwrap(), signer(&host, "z", 0)]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    set_response(&mut run, 200);
    let response = responded(run.response_head(false));
    run.respond_with(response);
    open(run.response_head(false));
    assert_eq!(status(&run), 403);
    assert_eq!(response_header(&run, "x-order"), ["a"]);
    assert_eq!(run.exchange().original_response.as_ref().unwrap().status, 200);
}

#[test]
fn once_the_response_is_committed_an_answer_aborts() {
    let host = host();
    let mut guest = Guest::new(Wants { response_body: 1, ..HEADS });
    guest.body = "global.get $chunk-respond".to_owned();
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    for committed in [false, true] {
        let mut run = begin(&worker);
        open(run.request_head(true));
        set_response(&mut run, 200);
        open(run.response_head(false));
        if committed {
            run.response_committed();
        }
        match run.chunk(Direction::Response, "x".into()) {
            Progress::Answer(Answer::Abort) if committed => {}
            Progress::Answer(Answer::Respond(response)) if !committed => assert_eq!(response.status, 403),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_upstream_error_can_be_answered() {
    let host = host();
    let mut guest = Guest::new(HEADS);
    // tls is the fifth case; its reason lies at $ptr
    guest.upstream_error =
        "(if (result i32) (i32.eq (local.get $error) (i32.const 4)) (then (global.get $respond)) (else (global.get $next)))"
            .to_owned();
    let worker = worker(&host, [signer(&host, "a", 0), host.load(&guest.artifact("m")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    open(run.upstream_error(UpstreamError::Refused));
    let mut run = begin(&worker);
    open(run.request_head(true));
    let response = responded(run.upstream_error(UpstreamError::Tls("expired".to_owned())));
    run.respond_with(response);
    open(run.response_head(false));
    assert_eq!(response_header(&run, "x-order"), ["a"]);
}

#[test]
fn host_is_the_authority() {
    let mut guest = Guest::new(HEADS);
    guest.request_head = format!("{} global.get $next", guest.try_set(0, "Host", "other.example:8080", 0));
    let host = host();
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(run.exchange().request.uri, "http://other.example:8080/path?query");
    assert_eq!(request_header(&run, "host"), ["other.example:8080"]);
    assert!(run.exchange().original_method.is_some(), "it is known to be changed");
}

#[test]
fn fields_of_the_agent_are_forbidden() {
    for name in [
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Transfer-Encoding",
        "Content-Length",
        "TE",
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
        "Proxy-Authenticate",
        "Proxy-Authorization",
    ] {
        assert_eq!(outcomes(|guest| guest.try_set(0, name, "1", 0)), "f", "{name}");
    }
}

#[test]
fn what_is_not_valid_changes_nothing() {
    let set = |name: &'static str, value: &'static str| outcomes(move |guest| guest.try_set(0, name, value, 0));
    assert_eq!(set("x y", "1"), "i");
    assert_eq!(set("x", "a\r\ny: b"), "i");
    assert_eq!(set("x", "\u{100}"), "i");
    assert_eq!(set("host", "a b"), "i");
    assert_eq!(set("x", "caf\u{e9}"), "k");
    let control =
        |function: &'static str, value: &'static str| outcomes(move |guest| guest.try_control(function, value));
    assert_eq!(control("set-method", "P UT"), "i");
    assert_eq!(control("set-method", "CONNECT"), "f");
    assert_eq!(control("set-method", "PUT"), "k");
    assert_eq!(control("set-path", "/a b"), "i");
    assert_eq!(control("set-path", "/a?b"), "k");
    assert_eq!(control("set-authority", "user@host"), "i");
}

#[test]
fn a_head_does_not_outgrow_its_bound() {
    let big = |guest: &mut Guest| {
        guest.pages = 2;
        let name = guest.text("x-big");
        format!(
            "(memory.fill (i32.const 0x8000) (i32.const 97) (i32.const 0x10000))
             (call $note (local.get $of) (i32.const 0)
               (call $set (local.get $of) (i32.const 0) {name} (i32.const 0x8000) (i32.const 0x10000)))"
        )
    };
    assert_eq!(outcomes(big), "t");
}

#[test]
fn parts_that_are_not_there_or_are_sent() {
    assert_eq!(outcomes(|guest| guest.try_set(1, "x", "1", 0)), "a");
    assert_eq!(outcomes(|guest| guest.try_set(2, "x", "1", 0)), "a");
    let mut guest = Guest::new(HEADS);
    guest.response_head = format!("{} global.get $next", guest.try_set(0, "x", "1", 1));
    let host = host();
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    set_response(&mut run, 200);
    open(run.response_head(true));
    assert_eq!(response_header(&run, "x-outcome"), ["z"]);
}

#[test]
fn proxy_credentials_are_not_shown() {
    let mut guest = Guest::new(HEADS);
    let name = guest.text("Proxy-Authorization");
    guest.request_head =
        format!("(if (call $has (local.get $of) (i32.const 0) {name}) (then unreachable)) global.get $next");
    let host = host();
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    let mut run = begin(&worker);
    run.exchange_mut().request.headers.insert("proxy-authorization", "Basic secret".parse().unwrap());
    open(run.request_head(true));
}

#[test]
fn an_exchange_can_let_go_of_the_buffers_that_its_heads_were_read_into() {
    let mut exchange = exchange();
    let read = bytes::Bytes::from("http://example.com/a?b value".to_owned());
    let shared = |range| read.slice(range);
    exchange.request.uri = http::Uri::from_maybe_shared(shared(0..22)).unwrap();
    exchange.request.headers.insert("x-read", http::HeaderValue::from_maybe_shared(shared(23..28)).unwrap());
    set_shared_response(&mut exchange, shared(23..28));
    assert!(!read.is_unique());
    let before = (exchange.request.uri.clone().to_string(), exchange.request.headers.clone().len());
    exchange.compact();
    assert!(read.is_unique());
    assert_eq!((exchange.request.uri.to_string(), exchange.request.headers.len()), before);
    assert_eq!(exchange.request.headers["x-read"], "value");
    assert_eq!(exchange.response.unwrap().headers["x-read"], "value");
}

fn set_shared_response(exchange: &mut weir_host::Exchange, value: bytes::Bytes) {
    let value = http::HeaderValue::from_maybe_shared(value).unwrap();
    exchange.response = Some(http::Response::builder().header("x-read", value).body(()).unwrap().into_parts().0);
}
