use std::collections::BTreeSet;

use wasmparser::{Parser, Payload};
use weir_wit::FILTER_WIT;

use crate::{EncodeError, encode, encode_for};

/// A module with every export of the contract, and these imports and functions.
fn module(more: &str) -> Vec<u8> {
    let hooks = [
        ("lifecycle", "validate-config", "i32 i32", "(result i32)"),
        ("lifecycle", "configure", "i32 i32", "(result i32)"),
        ("events", "on-request-head", "i32 i32", "(result i32)"),
        ("events", "on-response-head", "i32 i32", "(result i32)"),
        ("events", "on-body", "i32 i32 i32 i32 i32", "(result i32)"),
        ("events", "on-trailers", "i32 i32", "(result i32)"),
        ("events", "on-upstream-error", "i32 i32 i32 i32", "(result i32)"),
        ("events", "on-resume", "i32 i32 i32 i32 i32 i32 i32 i32 i32", "(result i32)"),
        ("events", "on-done", "i32 i32", ""),
    ];
    let mut text = format!("(module {more} (memory (export \"memory\") 1)\n");
    text += "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)\n";
    for (interface, name, parameters, result) in hooks {
        text += &format!(
            "(func (export \"weir:filter/{interface}@0.1.0#{name}\") (param {parameters}) {result} unreachable)\n"
        );
    }
    wat::parse_str(text + ")").unwrap()
}

/// What a component asks for beside `http`, which it needs for its types at least.
fn imports(component: &[u8]) -> BTreeSet<String> {
    let mut names = crate::imports(component).unwrap();
    assert!(names.remove("weir:filter/http@0.1.0"));
    names
}

const GO_ASKS: &str = r#"
    (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "adapter_monotonic_clock_set_paused" (func (param i32)))"#;

#[test]
fn what_a_runtime_asks_of_the_system_stays_inside() {
    assert_eq!(imports(&encode_for(&module(GO_ASKS), &without_sources()).unwrap()), BTreeSet::new());
}

#[test]
fn interfaces_are_imported_that_the_module_imports() {
    let log = r#"(import "weir:filter/log@0.1.0" "write" (func (param i32 i32 i32)))"#;
    assert_eq!(imports(&encode(&module(log)).unwrap()), BTreeSet::from(["weir:filter/log@0.1.0".to_owned()]));
    assert_eq!(imports(&encode(&module("")).unwrap()), BTreeSet::new());
}

#[test]
fn time_and_randomness_are_the_contracts_where_it_has_them() {
    let contract = without_sources()
        + "interface clock { now: func() -> f64; }\ninterface random { bytes: func(len: u32) -> list<u8>; }\n";
    let expected = ["weir:filter/clock@0.1.0", "weir:filter/random@0.1.0"].map(str::to_owned);
    assert_eq!(imports(&encode_for(&module(GO_ASKS), &contract).unwrap()), BTreeSet::from(expected));
    // and only where the guest wants them
    assert_eq!(imports(&encode_for(&module(""), &contract).unwrap()), BTreeSet::new());
}

#[test]
fn what_is_not_of_the_contract_is_seen() {
    let text = r#"(component
        (import "wasi:cli/environment@0.2.0" (instance))
        (component (import "weir:filter/log@0.1.0" (instance))))"#;
    let names = crate::imports(&wat::parse_str(text).unwrap()).unwrap();
    assert_eq!(names, BTreeSet::from(["wasi:cli/environment@0.2.0".to_owned()]));
}

/// The contract as it was before it had a clock and randomness, whether or not it has them now.
fn without_sources() -> String {
    let mut text = String::new();
    let mut is_source = false;
    for line in FILTER_WIT.lines() {
        let is_head = |name: &str| line.starts_with(&format!("interface {name} "));
        is_source |= is_head("clock") || is_head("random");
        if !is_source && !["import clock;", "import random;"].contains(&line.trim()) {
            text.push_str(line);
            text.push('\n');
        }
        is_source &= line != "}";
    }
    text
}

#[test]
fn every_function_of_preview1_is_there() {
    // wasi_snapshot_preview1.witx has 46
    let adapter = crate::null::adapter(&without_sources()).unwrap();
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(&adapter) {
        if let Payload::ExportSection(section) = payload.unwrap() {
            exports.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
        }
    }
    exports.retain(|name| !name.starts_with("adapter_"));
    assert_eq!(exports.len(), 46, "{exports:?}");
}

#[test]
fn faults_have_words() {
    let fault = |bytes: &[u8]| encode(bytes).unwrap_err();
    assert!(matches!(fault(b"#!/bin/sh"), EncodeError::NotAModule(_)));
    assert!(matches!(fault(b"\0asm\x0d\0\x01\0"), EncodeError::Component));
    assert!(matches!(fault(b"\0asm\x01\0\0\0"), EncodeError::NoExports(_)));
    let socket = module(r#"(import "env" "open_socket" (func))"#);
    assert!(matches!(fault(&socket), EncodeError::Import { name, .. } if name == "open_socket"));
    let wrong = module(r#"(import "weir:filter/http@0.1.0" "path" (func (param f64)))"#);
    let words = fault(&wrong).to_string();
    assert!(words.starts_with("the module does not fit the contract: ") && words.contains("path"), "{words}");
}
