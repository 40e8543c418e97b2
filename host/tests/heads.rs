//! Heads: what filters read and change, in which order they meet, and what they may not touch.

mod guest;
mod support;

use guest::{Guest, Wants};
use support::*;
use weir_host::{Direction, DoneReason, Length, Verdict};

const HEADS: Wants = Wants {
    request_head: true,
    response_head: true,
    request_body: 0,
    request_trailers: false,
    response_body: 0,
    response_trailers: false,
    decoded: false,
    max_buffer: 0,
};

#[test]
fn a_header_is_set_and_the_original_is_kept() {
    let mut guest = Guest::new(HEADS);
    guest.request_head = format!("{} global.get $next", guest.set(0, "X-Seen", "yes"));
    let host = host();
    let filter = host.load(&guest.artifact("a")).unwrap();
    let worker = worker(&host, &[filter.clone()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-seen"), ["yes"]);
    let original = run.exchange().original_request.as_deref().unwrap();
    assert!(!original.headers.contains_key("x-seen"));
    assert_eq!(run.length(Direction::Request), Length::AsReceived);
    set_response(&mut run, 200);
    open(run.response_head(true));
    assert!(run.exchange().original_response.is_none());
    run.finish(DoneReason::Complete);
    let receipt = run.receipts().next().unwrap();
    assert_eq!((receipt.name.as_str(), receipt.verdict, receipt.changed), ("a", Verdict::Next, true));
    drop(run);
    assert_eq!((filter.stats().calls(), filter.stats().exchanges()), (3, 1));
    assert!(!filter.stats().time().is_zero());
}
