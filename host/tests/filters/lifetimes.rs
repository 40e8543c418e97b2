//! How long instances and generations live.

use std::sync::Arc;

use weir_host::{Chain, Direction, Filter, Host, Instances, Run};

use crate::{
    guest::{Guest, HEADS},
    support::*,
};

fn load(host: &Host, version: u64) -> Arc<Filter> {
    let mut guest = Guest::new(HEADS);
    guest.request_head = format!("{} global.get $next", guest.set(0, "x-version", &version.to_string()));
    guest.response_head = format!("{} global.get $next", guest.set(1, "x-version", &version.to_string()));
    host.load(&guest.publish("a", |publication| publication.version = version)).unwrap()
}

fn live(host: &Host) -> Vec<(String, u64)> {
    host.generations().into_iter().map(|(name, count)| (name.to_string(), count)).collect()
}

#[test]
fn an_exchange_keeps_its_generation_and_the_last_one_remains() {
    let host = host();
    let instances = Instances::new(&host);
    let mut chain = Arc::new(Chain::new(vec![load(&host, 1)]));
    let mut old = Run::begin(&instances, &chain, exchange(), |_| true);
    open(old.request_head(true));
    for version in 2..=20 {
        let filter = load(&host, version);
        instances.prewarm(&filter).unwrap();
        chain = Arc::new(Chain::new(vec![filter]));
        instances.retire(chain.filters());
        let mut run = Run::begin(&instances, &chain, exchange(), |_| true);
        open(run.request_head(true));
        assert_eq!(request_header(&run, "x-version"), [version.to_string()]);
        drop(run);
        assert_eq!(live(&host), [("a".to_owned(), 2)]);
    }
    set_response(&mut old, 200);
    open(old.response_head(true));
    assert_eq!(response_header(&old, "x-version"), ["1"]);
    drop(old);
    assert_eq!(live(&host), [("a".to_owned(), 1)]);
    drop(chain);
    instances.retire(&[]);
    assert_eq!(live(&host), []);
}

#[test]
fn a_generation_that_is_retired_before_its_first_hook_still_ends() {
    let host = host();
    let instances = Instances::new(&host);
    let filter = load(&host, 1);
    let chain = Arc::new(Chain::new(vec![filter.clone()]));
    let mut runs: Vec<_> = (0..3).map(|_| Run::begin(&instances, &chain, exchange(), |_| true)).collect();
    instances.retire(&[]);
    for run in &mut runs {
        open(run.request_head(true));
    }
    assert_eq!(filter.stats().instances(), 1, "exchanges of a retired generation share too");
    drop(runs);
    assert_eq!(filter.stats().instances(), 0);
    drop((chain, filter));
    assert_eq!(live(&host), []);
}

#[test]
fn a_warm_instance_waits_for_the_first_exchange() {
    let host = host();
    let filter = load(&host, 1);
    let worker = worker(&host, [filter.clone()]);
    worker.0.prewarm(&filter).unwrap();
    worker.0.prewarm(&filter).unwrap();
    let made = filter.stats().instances_made();
    assert_eq!(filter.stats().instances(), 1);
    open(begin(&worker).request_head(true));
    assert_eq!(filter.stats().instances_made(), made);
}

#[test]
fn instances_are_replaced_after_so_many_exchanges() {
    let host = host();
    let artifact = Guest::new(HEADS).publish("a", |publication| publication.limits.recycle_exchanges = 2);
    let filter = host.load(&artifact).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let made = filter.stats().instances_made();
    for _ in 0..5 {
        open(begin(&worker).request_head(true));
    }
    assert_eq!(filter.stats().instances_made() - made, 3);
    assert_eq!(filter.stats().instances(), 1);
}

#[test]
fn instances_are_replaced_when_they_have_grown() {
    let host = host();
    let mut guest = Guest::new(HEADS);
    guest.request_head = "(drop (memory.grow (i32.const 8))) (global.get $next)".to_owned();
    let artifact = guest.publish("a", |publication| publication.limits.recycle_bytes = 1 << 20);
    let filter = host.load(&artifact).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let made = filter.stats().instances_made();
    for _ in 0..6 {
        open(begin(&worker).request_head(true));
    }
    assert_eq!(filter.stats().instances_made() - made, 3, "1 and 8 and 8 pages are more than 16");
}

#[test]
fn a_guest_that_starts_large_is_not_replaced_each_time() {
    let host = host();
    let guest = Guest { pages: 40, ..Guest::new(HEADS) };
    let artifact = guest.publish("a", |publication| publication.limits.recycle_bytes = 1 << 20);
    let filter = host.load(&artifact).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let made = filter.stats().instances_made();
    for _ in 0..5 {
        open(begin(&worker).request_head(true));
    }
    assert_eq!(filter.stats().instances_made() - made, 1);
}

#[test]
fn exchanges_beyond_an_instances_share_get_another() {
    let host = host();
    let artifact = Guest::new(HEADS).publish("a", |publication| publication.limits.exchanges_per_instance = 2);
    let filter = host.load(&artifact).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut runs: Vec<_> = (0..5).map(|_| begin(&worker)).collect();
    for run in &mut runs {
        open(run.request_head(true));
    }
    assert_eq!(filter.stats().instances(), 3);
    drop(runs);
    open(begin(&worker).request_head(true));
}

#[test]
fn what_is_not_asked_for_costs_no_call() {
    let host = host();
    let filter = host.load(&Guest::default().artifact("a")).unwrap();
    let worker = worker(&host, [filter.clone()]);
    let mut run = begin(&worker);
    open(run.request_head(false));
    assert!(!run.sees_body(Direction::Request));
    set_response(&mut run, 200);
    open(run.response_head(false));
    assert_eq!(run.receipts().count(), 0);
    drop(run);
    assert_eq!((filter.stats().calls(), filter.stats().exchanges(), filter.stats().instances()), (0, 0, 0));
}
