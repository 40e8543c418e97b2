//! Components of the standard world, as anybody's toolchain may make them.

use std::time::{Duration, Instant};

use weir_artifact::{Limits, Publication};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::{guest, support::*};

/// The standard's interfaces.
const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/guests/middleware/wit");

const WORLD: &str = "package test:standard;
world standard {
  import wasi:clocks/monotonic-clock@0.3.2;
  export wasi:http/handler@0.3.2;
}";

/// A middleware that does this where it starts; `$wait` is `wait-for`, with the time in nanoseconds.
fn middleware(start: &str) -> Vec<u8> {
    let text = format!(
        "(module
           (import \"wasi:clocks/monotonic-clock@0.3.2\" \"wait-for\" (func $wait (param i64)))
           (memory (export \"memory\") 1)
           (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
           (func (export \"wasi:http/handler@0.3.2#handle\") (param i32) (result i32) unreachable)
           (func $start {start}) (start $start))"
    );
    let mut core = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    resolve.push_dir(WIT).unwrap();
    let package = resolve.push_str("test.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    wit_component::embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&core).unwrap().validate(true).encode().unwrap()
}

fn briefly(publication: &mut Publication) {
    publication.limits = Limits { startup_ms: 20, ..Limits::default() };
}

#[test]
fn one_that_waits_where_it_starts_is_refused() {
    let host = host();
    host.load(&guest::artifact(middleware(""), "a", briefly)).unwrap();
    let begun = Instant::now();
    let hour = middleware("(call $wait (i64.const 3600000000000))");
    let error = host.load(&guest::artifact(hour, "b", briefly)).expect_err("refused");
    assert_eq!(error.phase(), "instantiate", "{error}");
    assert!(begun.elapsed() < Duration::from_secs(600), "{error}");
    host.load(&guest::artifact(middleware(""), "c", briefly)).unwrap();
}
