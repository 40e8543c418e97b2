//! What filters keep and say: whose it is, and who may read it.

use std::sync::Arc;

use weir_artifact::Publication;
use weir_host::{Filter, Host, Tag, TagValue};

use crate::{
    guest::{Guest, Wants},
    support::*,
};

fn heads() -> Wants {
    Wants { request_head: true, ..Wants::default() }
}

fn load(host: &Host, name: &str, guest: &Guest, adjust: impl FnOnce(&mut Publication)) -> Arc<Filter> {
    host.load(&guest.publish(name, adjust)).unwrap()
}

/// Says `NAME = yes`; leaves what came of it, a letter, in `x-said`: k for ok, else the place of the error.
fn sayer(tag: &str) -> Guest {
    let mut guest = Guest::new(heads());
    let params = "(param i32 i32 i32 i32 i64 i32 i32)";
    guest.imports.push_str(&format!("(import \"weir:filter/tags@0.1.0\" \"set\" (func $say {params}))\n"));
    let (name, yes) = (guest.text(tag), guest.text("yes"));
    let at = yes.split(' ').nth(1).unwrap().trim_end_matches(')').to_owned();
    let (ok, bad) = (guest.append(0, "x-said", "ok"), guest.append(0, "x-said", "no"));
    guest.request_head = format!(
        "(call $say (local.get $of) {name} (i32.const 0) (i64.const {at}) (i32.const 3) (i32.const 0x320))
         (if (i32.load8_u (i32.const 0x320)) (then {bad}) (else {ok})) (global.get $next)"
    );
    guest
}

/// Puts what it reads of a tag into `x-read`.
fn reader(tag: &str) -> Guest {
    let mut guest = Guest::new(heads());
    let params = "(param i32 i32 i32 i32)";
    guest.imports.push_str(&format!("(import \"weir:filter/tags@0.1.0\" \"get\" (func $read {params}))\n"));
    let name = guest.text(tag);
    let field = guest.text("x-read");
    let (none, forbidden) = (guest.append(0, "x-read", "none"), guest.append(0, "x-read", "forbidden"));
    guest.request_head = format!(
        "(call $read (local.get $of) {name} (i32.const 0x320))
         (if (i32.load8_u (i32.const 0x320)) (then {forbidden}) (else
           (if (i32.load8_u (i32.const 0x328))
             (then (call $append-header (local.get $of) (i32.const 0) {field}
               (i32.load (i32.const 0x338)) (i32.load (i32.const 0x33c)) (i32.const 0x300)))
             (else {none}))))
         (global.get $next)"
    );
    guest
}

#[test]
fn a_tag_is_read_by_its_filter_and_by_those_who_may() {
    let host = host();
    let says = load(&host, "geo", &sayer("seen"), |_| {});
    let reads = |name: &str, tag: &str, grant: Option<&str>| {
        load(&host, name, &reader(tag), |publication| {
            publication.reads = grant.map(|it| it.parse().unwrap()).into_iter().collect()
        })
    };
    // in the order of their names, as they meet the request
    let chain = [
        Arc::clone(&says),
        reads("may", "geo.seen", Some("geo.seen")),
        reads("may-absent", "geo.unseen", Some("geo.*")),
        reads("may-all", "geo.seen", Some("geo.*")),
        reads("may-not", "geo.seen", None),
        reads("may-other", "geo.seen", Some("geo.unseen")),
        reads("own", "own.seen", None),
    ];
    let mut run = begin(&worker(&host, chain));
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-read"), ["yes", "none", "yes", "forbidden", "forbidden", "none"]);
    let expected = Tag { filter: "geo".parse().unwrap(), name: "seen".into(), value: TagValue::Text("yes".into()) };
    assert_eq!(run.exchange().tags, [expected]);
}

#[test]
fn no_filter_speaks_for_another() {
    let host = host();
    for name in ["other.seen", "", "Seen", "a b", &"x".repeat(65)] {
        let mut run = begin(&worker(&host, [load(&host, "geo", &sayer(name), |_| {})]));
        open(run.request_head(true));
        assert_eq!(request_header(&run, "x-said"), ["no"], "{name}");
        assert!(run.exchange().tags.is_empty());
    }
}

/// Counts in `n`, and says `x-count: again` if it is not the first.
fn counter() -> Guest {
    let mut guest = Guest::new(heads());
    let params = "(param i32 i32 f64 i32 f64 i32)";
    guest.imports.push_str(&format!("(import \"weir:filter/kv@0.1.0\" \"add\" (func $add {params}))\n"));
    let key = guest.text("n");
    let (first, again) = (guest.append(0, "x-count", "first"), guest.append(0, "x-count", "again"));
    // a result of f64: the case at 0, the sum at 8
    guest.request_head = format!(
        "(call $add {key} (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0x320))
         (if (i32.load8_u (i32.const 0x320)) (then (unreachable)))
         (if (f64.eq (f64.load (i32.const 0x328)) (f64.const 1)) (then {first}) (else {again}))
         (global.get $next)"
    );
    guest
}

#[test]
fn what_one_filter_keeps_no_other_sees() {
    let host = host();
    let chain = worker(&host, ["a", "b"].map(|name| load(&host, name, &counter(), |_| {})));
    let counts = || {
        let mut run = begin(&chain);
        open(run.request_head(true));
        request_header(&run, "x-count")
    };
    assert_eq!(counts(), ["first", "first"]);
    assert_eq!(counts(), ["again", "again"]);
    let next = worker(&host, [load(&host, "a", &counter(), |publication| publication.version = 2)]);
    let mut run = begin(&next);
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-count"), ["again"], "the next version goes on");
    host.forget(&"a".parse().unwrap());
    let mut run = begin(&next);
    open(run.request_head(true));
    assert_eq!(request_header(&run, "x-count"), ["first"]);
}
