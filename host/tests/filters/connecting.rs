//! Tunnels: what a chain makes of them, and what becomes of one when a filter fails.

use std::sync::Arc;

use weir_artifact::{FailurePolicy, Isolation, Publication};
use weir_host::{
    ClientHello, Entry, FailureKind, Filter, Hooks, Passage, Redirect, Tunnel, on_client_hello, on_connect,
};

use crate::{guest::Guest, support::*};

const NEXT: u32 = 0;
const DENY: u32 = 1;
const REDIRECT: u32 = 2;
const INTERCEPT: u32 = 3;
const PASS_THROUGH: u32 = 4;

/// Answers with the target that it is shown.
const DENY_TARGET: &str =
    "(i32.store (i32.const 0x380) (i32.const 1)) (i32.store (i32.const 0x384) (local.get $target))
    (i32.store (i32.const 0x388) (local.get $target-len)) (i32.const 0x380)";

/// Every filter is asked, under the policy of its publication.
fn own_policy(filter: &weir_host::Filter, _now: &Tunnel) -> Option<weir_artifact::FailurePolicy> {
    Some(filter.publication().on_failure)
}

fn tunnel() -> Tunnel {
    let client_address = "192.0.2.7:51034".parse().unwrap();
    Tunnel { entry: Entry::Connect, client_address, user: Some("ann".to_owned()), target: "a.example:443".to_owned() }
}

/// Answers the same to both hooks.
fn says(case: u32, text: &str) -> Guest {
    let mut guest = Guest::connecting("", "");
    let answer = guest.decision(case, text);
    guest.connect = Some([answer.clone(), answer]);
    guest
}

fn load(guests: &[Guest], adjust: impl Fn(&mut Publication)) -> Vec<Arc<Filter>> {
    let host = host();
    let names = ["a", "b", "c"];
    guests.iter().zip(names).map(|(guest, name)| host.load(&guest.publish(name, &adjust)).unwrap()).collect()
}

fn connect(guests: &[Guest]) -> Passage {
    let filters = load(guests, |_| {});
    let (instances, chain) = worker(&host(), filters);
    on_connect(&instances, &chain, tunnel(), own_policy)
}

fn hello(guests: &[Guest]) -> Passage {
    let filters = load(guests, |_| {});
    let (instances, chain) = worker(&host(), filters);
    let hello = ClientHello { server_name: Some("a.example".to_owned()), alpn: vec!["h2".to_owned()] };
    on_client_hello(&instances, &chain, tunnel(), &hello, own_policy)
}

fn open_with(redirect: Option<(&str, &str)>, intercept: Option<bool>) -> Passage {
    let redirect = redirect.map(|(target, by)| Redirect { target: target.to_owned(), filter: by.parse().unwrap() });
    Passage::Open { redirect, intercept }
}

fn denied(by: &str, reason: &str) -> Passage {
    Passage::Denied { filter: by.parse().unwrap(), reason: reason.to_owned() }
}

#[test]
fn filters_are_asked_in_order_and_the_last_word_counts() {
    assert_eq!(connect(&[]), open_with(None, None));
    assert_eq!(connect(&[says(NEXT, "")]), open_with(None, None));
    assert_eq!(connect(&[says(INTERCEPT, ""), says(PASS_THROUGH, ""), says(NEXT, "")]), open_with(None, Some(false)));
    assert_eq!(connect(&[says(PASS_THROUGH, ""), says(INTERCEPT, "")]), open_with(None, Some(true)));
    let elsewhere = says(REDIRECT, "b.example:8443");
    let moved = open_with(Some(("b.example:8443", "a")), Some(true));
    assert_eq!(connect(&[elsewhere.clone(), says(INTERCEPT, "")]), moved);
    // a trap after it is never reached
    let trap = Guest::connecting("unreachable", "unreachable");
    assert_eq!(connect(&[says(DENY, "no"), trap.clone()]), denied("a", "no"));
    assert_eq!(hello(&[says(DENY, "no\n"), trap]), denied("a", "no\\n"));
    assert_eq!(connect(&[elsewhere, Guest::connecting(DENY_TARGET, "unreachable")]), denied("b", "b.example:8443"));
    assert_eq!(hello(&[says(INTERCEPT, "")]), open_with(None, Some(true)));
}

#[test]
fn only_those_are_asked_that_export_it_and_whose_match_fits() {
    let filters = load(&[Guest::default(), says(DENY, "no")], |_| {});
    assert_eq!(filters[0].hooks(), Hooks::default());
    assert!(!filters[0].decides_tunnels() && filters[1].decides_tunnels());
    assert_eq!(filters[1].hooks().names().collect::<Vec<_>>(), ["connect"]);
    let (instances, chain) = worker(&host(), filters.clone());
    assert_eq!(on_connect(&instances, &chain, tunnel(), own_policy), denied("b", "no"));
    assert_eq!(
        on_connect(&instances, &chain, tunnel(), |filter, now| own_policy(filter, now)
            .filter(|_| filter.name().as_str() != "b")),
        open_with(None, None)
    );
    // an instance of its own for each exchange, and so for each tunnel
    let filters = load(&[says(DENY, "no")], |publication| publication.isolation = Isolation::Exchange);
    let (instances, chain) = worker(&host(), filters);
    assert_eq!(on_connect(&instances, &chain, tunnel(), own_policy), denied("a", "no"));
}

fn check_failure(guest: &Guest, asks: impl Fn(&[Arc<Filter>]) -> Passage, kind: FailureKind, words: &str) {
    let filters = load(std::slice::from_ref(guest), |publication| publication.limits.cpu_ms = 20);
    let Passage::Failed(failure) = asks(&filters) else { panic!("{words}: it goes on") };
    assert_eq!(failure.kind, kind, "{failure}");
    assert!(failure.to_string().contains(words), "{failure}");
    assert_eq!(filters[0].stats().failures_of(kind), 1);
    let open = load(std::slice::from_ref(guest), |publication| {
        publication.limits.cpu_ms = 20;
        publication.on_failure = FailurePolicy::Open;
    });
    assert_eq!(asks(&open), open_with(None, None), "{words}");
    assert_eq!(open[0].stats().failures_of(kind), 1);
}

fn ask_connect(filters: &[Arc<Filter>]) -> Passage {
    let (instances, chain) = worker(&host(), filters.to_vec());
    on_connect(&instances, &chain, tunnel(), own_policy)
}

fn ask_hello(filters: &[Arc<Filter>]) -> Passage {
    let (instances, chain) = worker(&host(), filters.to_vec());
    on_client_hello(&instances, &chain, tunnel(), &ClientHello::default(), own_policy)
}

#[test]
fn who_fails_fails_by_policy() {
    let trap = Guest::connecting("unreachable", "unreachable");
    check_failure(&trap, ask_connect, FailureKind::Trap, "failed in on-connect");
    check_failure(&trap, ask_hello, FailureKind::Trap, "failed in on-client-hello");
    let endless = "(loop $again (br $again)) unreachable";
    check_failure(&Guest::connecting(endless, endless), ask_connect, FailureKind::Cpu, "20 ms of CPU time");
    let number = "(call $status (i32.const 0) (i32.const 0x300)) unreachable";
    check_failure(&Guest::connecting(number, number), ask_connect, FailureKind::Contract, "exchange number 0");
    for target in ["b.example", "b.example:0", "b.example:x", "u@b.example:1", ":443", ""] {
        check_failure(&says(REDIRECT, target), ask_connect, FailureKind::Contract, "no host:port");
    }
    check_failure(&says(REDIRECT, "b.example:1"), ask_hello, FailureKind::Contract, "when the tunnel is open");
}

#[test]
fn one_that_fails_again_and_again_is_not_run_and_the_version_before_serves() {
    let trap = Guest::connecting("unreachable", "unreachable");
    let filters = load(std::slice::from_ref(&trap), |_| {});
    let (instances, chain) = worker(&host(), filters.clone());
    for _ in 0..20 {
        assert!(matches!(on_connect(&instances, &chain, tunnel(), own_policy), Passage::Failed(_)));
    }
    assert!(filters[0].is_broken());
    let Passage::Failed(failure) = on_connect(&instances, &chain, tunnel(), own_policy) else { panic!("it goes on") };
    assert_eq!(failure.kind, FailureKind::BreakerOpen);

    let host = host();
    let last_good = |publication: &mut Publication| publication.on_failure = FailurePolicy::LastGood;
    let good = host.load(&says(DENY, "no").publish("a", last_good)).unwrap();
    let bad = host.load(&trap.publish("a", last_good)).unwrap().with_fallback(&good);
    let (instances, chain) = worker(&host, [bad]);
    for _ in 0..20 {
        assert!(matches!(on_connect(&instances, &chain, tunnel(), own_policy), Passage::Failed(_)));
    }
    assert_eq!(on_connect(&instances, &chain, tunnel(), own_policy), denied("a", "no"));
}
