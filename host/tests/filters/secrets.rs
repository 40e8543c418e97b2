//! Secrets: a guest gets text that stands for one, if its publication says so, and that text is of one exchange.

use std::{collections::BTreeSet, sync::Arc};

use weir_artifact::{Name, Upstream};
use weir_host::{CallKind, DoneReason, Filter, Host, HostConfig, Placeholder, Run, SecretNames};

use crate::{
    guest::{Guest, Wants},
    support::*,
};

/// The agent has these.
struct Has(BTreeSet<Name>);

impl SecretNames for Has {
    fn has(&self, secret: &Name) -> bool {
        self.0.contains(secret)
    }
}

fn names(names: &[&str]) -> BTreeSet<Name> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn host_that_has(secrets: &[&str]) -> Host {
    let secrets = Some(Arc::new(Has(names(secrets))) as Arc<dyn SecretNames>);
    let log = Arc::new(Lines::default());
    Host::new(HostConfig { cache_dir: None, kv_dir: None, workers: 1, log, secrets }).unwrap()
}

/// Puts what stands for a secret into `x-secret`, twice, and what the first exchange got into `x-kept`; then calls `oracle` with
/// the latter in a field.
fn user(secret: &str) -> Guest {
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    let call = "i32 ".repeat(14);
    guest.imports.push_str(&format!(
        "(import \"weir:filter/secrets@0.1.0\" \"placeholder\" (func $placeholder (param i32 i32 i32 i32)))
         (import \"weir:filter/callout@0.1.0\" \"start\" (func $call (param {call})))\n"
    ));
    let name = guest.text(secret);
    let [field, kept] = ["x-secret", "x-kept"].map(|name| guest.text(name));
    let [oracle, get, path] = ["oracle", "GET", "/"].map(|text| guest.text(text));
    let none = guest.append(0, "x-secret", "none");
    let ask = format!("(call $placeholder (local.get $of) {name} (i32.const 0x320))");
    let put = format!(
        "(if (i32.load8_u (i32.const 0x320))
           (then (call $append-header (local.get $of) (i32.const 0) {field}
             (i32.load (i32.const 0x324)) (i32.load (i32.const 0x328)) (i32.const 0x300))
             (if (i32.eqz (global.get $has)) (then (global.set $has (i32.const 1))
               (memory.copy (i32.const 0x400) (i32.load (i32.const 0x324)) (i32.load (i32.const 0x328))))))
           (else {none}))"
    );
    let number = |text: &str| -> Vec<u32> {
        let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|part| part.len() > 1 && *part != "32");
        digits.map(|digits| digits.parse().unwrap()).collect()
    };
    // a list of one field: name, value
    let at = number(&field)[0];
    let list = [(0x500, at), (0x504, 8), (0x508, 0x400), (0x50c, 44)]
        .map(|(at, word)| format!("(i32.store (i32.const {at}) (i32.const {word}))"))
        .concat();
    guest.globals.push_str("(global $has (mut i32) (i32.const 0))");
    guest.request_head = format!(
        "{ask} {put} {ask} {put}
         (if (global.get $has) (then
           (call $append-header (local.get $of) (i32.const 0) {kept} (i32.const 0x400) (i32.const 44) (i32.const 0x300))
           {list}
           (call $call (local.get $of) {oracle} {get} {path} (i32.const 0x500) (i32.const 1) (i32.const 0) (i32.const 0)
             (i32.const 0) (i32.const 0) (i32.const 0x340))))
         (global.get $next)"
    );
    guest
}

fn load(host: &Host, name: &str, granted: &[&str]) -> Arc<Filter> {
    let artifact = user("key").publish(name, |publication| {
        publication.secrets = names(granted);
        publication.upstreams.insert("oracle".parse().unwrap(), Upstream::new("http://oracle.example"));
    });
    host.load(&artifact).unwrap()
}

fn called_with(run: &mut Run) -> Vec<Placeholder> {
    let calls = run.take_calls();
    let [call] = &calls[..] else { panic!("one call: {calls:?}") };
    let CallKind::Request(request) = &call.kind else { panic!("{call:?}") };
    request.placeholders.clone()
}

#[test]
fn a_placeholder_cannot_be_guessed_and_is_of_one_exchange() {
    let host = host_that_has(&["key"]);
    let chain = worker(&host, [load(&host, "a", &["key"]), load(&host, "b", &["key"])]);
    let exchange = || {
        let mut run = begin(&chain);
        open(run.request_head(true));
        let placeholders = run.exchange().placeholders.clone();
        let texts: Vec<String> = placeholders.iter().map(|one| one.text.clone()).collect();
        let [a, b] = &texts[..] else { panic!("{texts:?}") };
        // each filter has its own, and the same whenever it asks
        assert_eq!(request_header(&run, "x-secret"), [a, a, b, b].map(String::as_str));
        assert!(texts.iter().all(|text| text.len() == 44 && text.starts_with("weir-secret-")), "{texts:?}");
        let of: Vec<&str> = placeholders.iter().map(|one| one.filter.as_str()).collect();
        assert_eq!((of, placeholders[0].secret.as_str()), (vec!["a", "b"], "key"));
        let kept = request_header(&run, "x-kept");
        let calls: Vec<String> = run
            .take_calls()
            .into_iter()
            .map(|call| match call.kind {
                CallKind::Request(request) => request.placeholders.into_iter().map(|one| one.text).collect(),
                CallKind::Timer(_) => String::new(),
            })
            .collect();
        run.finish(DoneReason::Complete);
        (texts, kept, calls)
    };
    let (first, kept, calls) = exchange();
    assert_eq!((&kept, &calls), (&first, &first), "in its own exchange it is what it is");
    let (second, kept, calls) = exchange();
    assert_eq!(kept, first, "the instance kept what the exchange before had");
    assert!(second.iter().all(|text| !first.contains(text)));
    assert_eq!(calls, ["", ""], "and it stands for nothing now");
}

#[test]
fn what_another_filter_was_given_is_nothing_in_a_call() {
    let host = host_that_has(&["key"]);
    let chain = worker(&host, [load(&host, "a", &["key"])]);
    let mut run = begin(&chain);
    let foreign = Placeholder { filter: "z".parse().unwrap(), secret: "key".parse().unwrap(), text: "weir".into() };
    run.exchange_mut().placeholders.push(foreign);
    open(run.request_head(true));
    let with = called_with(&mut run);
    assert_eq!(with.iter().map(|one| one.filter.as_str()).collect::<Vec<_>>(), ["a"], "`weir` is in the field as well");
}

#[test]
fn what_is_not_granted_or_not_there_is_none() {
    for (there, granted) in [(&["key"][..], &[][..]), (&["key"], &["other"]), (&[], &["key"]), (&["other"], &["key"])] {
        let host = host_that_has(there);
        let mut run = begin(&worker(&host, [load(&host, "a", granted)]));
        open(run.request_head(true));
        assert_eq!(request_header(&run, "x-secret"), ["none", "none"], "{there:?} {granted:?}");
        assert!(run.exchange().placeholders.is_empty());
    }
    // a host that was told of none
    let host = host();
    let mut run = begin(&worker(&host, [load(&host, "a", &["key"])]));
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-secret"), ["none", "none"]);
}

#[test]
fn the_import_has_to_be_granted() {
    let host = host_that_has(&["key"]);
    let refused = host.load(&user("key").publish("a", |publication| publication.grants.clear())).err().unwrap();
    assert_eq!(refused.phase(), "grants");
    let refused = host.load(&user("key").publish("a", |publication| {
        publication.grants.remove(&weir_artifact::Capability::Secrets);
    }));
    assert!(refused.err().unwrap().to_string().contains("publish it with the grant `secrets`"));
}
