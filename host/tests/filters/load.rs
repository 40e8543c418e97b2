//! What is not a filter, or not with this configuration, is refused with filter, phase and reason.

use weir_artifact::Limits;
use weir_host::{Host, HostConfig, HostError, LoadError, LoadFault};

use crate::{
    guest::{self, Guest, Wants},
    support::*,
};

fn refused(artifact: &weir_artifact::Artifact) -> LoadError {
    host().load(artifact).expect_err("refused")
}

fn check(artifact: &weir_artifact::Artifact, phase: &str, says: &str) {
    let error = refused(artifact);
    assert_eq!(error.phase(), phase, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("filter a version 1 refused in "), "{text}");
    assert!(text.contains(says), "{text}");
}

fn bytes(component: impl Into<Vec<u8>>) -> weir_artifact::Artifact {
    guest::artifact(component.into(), "a", |_| {})
}

#[test]
fn other_bytes() {
    check(&bytes("hello"), "parse", "not WebAssembly");
    check(&bytes(""), "parse", "not WebAssembly");
    check(&bytes("\0as"), "parse", "not WebAssembly");
    check(&bytes("\0asm\u{5}\0\0\0"), "parse", "not valid");
}

#[test]
fn a_core_module() {
    check(&bytes(Guest::default().core()), "parse", "core module");
}

#[test]
fn a_component_cut_short() {
    let whole = Guest::default().component();
    for kept in [8, 9, 100, whole.len() / 2, whole.len() - 1] {
        let error = refused(&bytes(&whole[..kept]));
        assert!(matches!(error.fault, LoadFault::Malformed(_) | LoadFault::MissingExport(_)), "{kept}: {error}");
    }
}

#[test]
fn another_world() {
    let core = wat::parse_str("(module (func (export \"run\")))").unwrap();
    let other = guest::encode(core, "package some:thing; world tool { export run: func(); }", "tool");
    check(&bytes(other), "world", "does not export weir:filter/lifecycle@0.1.0");
}

#[test]
fn another_version_of_the_contract() {
    let mut guest = Guest::default();
    guest.wit = guest.wit.replace("weir:filter@0.1.0", "weir:filter@0.2.0");
    check(&guest.artifact("a"), "world", "it speaks weir:filter/lifecycle@0.2.0, this agent weir:filter@0.1.0");
}

#[test]
fn a_later_patch_of_the_contract_fits() {
    let mut guest = Guest::default();
    guest.wit = guest.wit.replace("weir:filter@0.1.0", "weir:filter@0.1.7");
    host().load(&guest.artifact("a")).unwrap();
}

#[test]
fn an_import_that_nobody_offers() {
    let mut guest = Guest::default();
    let files = "interface files { open: func(); }\nworld filter {\n  import files;";
    guest.wit = guest.wit.replace("world filter {", files);
    guest.imports = "(import \"weir:filter/files@0.1.0\" \"open\" (func $open))".to_owned();
    guest.globals = "(func $go (call $open))".to_owned();
    check(&guest.artifact("a"), "world", "imports weir:filter/files@0.1.0, which no agent offers");
}

#[test]
fn a_capability_that_was_not_granted() {
    let guest = Guest { logs: true, ..Guest::default() };
    host().load(&guest.artifact("a")).unwrap();
    let ungranted = guest.publish("a", |publication| publication.grants.clear());
    check(&ungranted, "grants", "imports weir:filter/log@0.1.0, which its publication does not grant");
}

#[test]
fn code_that_is_not_valid() {
    let guest = Guest { done: "(drop (i32.const 123456789))".to_owned(), ..Guest::default() };
    let mut component = guest.component();
    let constant = [0x41, 0x95, 0x9a, 0xef, 0x3a];
    let at = component.windows(5).position(|window| window == constant).unwrap();
    component[at + 5] = 0xff;
    check(&bytes(component), "compile", "cannot be compiled");
}

#[test]
fn a_function_of_another_type() {
    let mut guest = Guest::default();
    guest.wit =
        guest.wit.replace("set-status: func(of: exchange, value: u16)", "set-status: func(of: exchange, value: u32)");
    check(&guest.artifact("a"), "link", "does not fit the contract");
}

#[test]
fn a_trap_while_it_starts() {
    let guest = Guest { start: "unreachable".to_owned(), ..Guest::default() };
    check(&guest.artifact("a"), "instantiate", "unreachable");
}

#[test]
fn a_start_without_end() {
    let limits = Limits { startup_ms: 20, ..Limits::default() };
    let looping = Guest { start: "(loop $l (br $l))".to_owned(), ..Guest::default() };
    let artifact = looping.publish("a", |publication| publication.limits = limits.clone());
    check(&artifact, "instantiate", "more than 20 ms of CPU time");
    let looping = Guest { configure: "(loop $l (br $l)) unreachable".to_owned(), ..Guest::default() };
    check(&looping.publish("a", |publication| publication.limits = limits), "configure", "more than 20 ms of CPU time");
}

#[test]
fn more_memory_than_granted() {
    let guest = Guest { pages: 64, ..Guest::default() };
    let artifact = guest.publish("a", |publication| publication.limits.memory_bytes = 1 << 20);
    check(&artifact, "instantiate", "memory");
}

#[test]
fn problems_in_the_configuration_have_their_place() {
    let mut guest = Guest::default();
    let (pointer, message) = (guest.text("/hosts/0"), guest.text("not a host"));
    guest.validate = format!(
        "(i32.store (i32.const 0x80) (i32.const 0x90)) (i32.store (i32.const 0x84) (i32.const 1))
         {pointer} (local.set $b) (local.set $a)
         (i32.store (i32.const 0x90) (local.get $a)) (i32.store (i32.const 0x94) (local.get $b))
         {message} (local.set $b) (local.set $a)
         (i32.store (i32.const 0x98) (local.get $a)) (i32.store (i32.const 0x9c) (local.get $b))
         (i32.const 0x80)"
    );
    let error = refused(&guest.artifact("a"));
    let LoadFault::Config { problems } = &error.fault else { panic!("{error}") };
    assert_eq!((problems[0].pointer.as_str(), problems[0].message.as_str()), ("/hosts/0", "not a host"));
    check(&guest.artifact("a"), "validate-config", "at /hosts/0: not a host");
}

#[test]
fn what_a_guest_says_of_its_configuration_is_one_line_of_bounded_length() {
    let mut guest = Guest::default();
    let message = guest.text(&format!("bad\nINFO forged {}", "x".repeat(9000)));
    guest.validate = format!(
        "(i32.store (i32.const 0x80) (i32.const 0x90)) (i32.store (i32.const 0x84) (i32.const 1))
         {message} (local.set $b) (local.set $a)
         (i32.store (i32.const 0x98) (local.get $a)) (i32.store (i32.const 0x9c) (local.get $b))
         (i32.const 0x80)"
    );
    let error = refused(&guest.artifact("a"));
    for text in [error.reason(), error.to_string()] {
        assert!(text.contains("bad\\nINFO") && text.len() < 4 << 10 && !text.contains('\n'), "{text}");
    }
}

#[test]
fn a_configuration_that_is_declined() {
    let mut guest = Guest::default();
    let reason = guest.text("no such mode");
    guest.configure = format!(
        "(i32.store8 (i32.const 0xa0) (i32.const 1)) {reason} (local.set $b) (local.set $a)
         (i32.store (i32.const 0xa4) (local.get $a)) (i32.store (i32.const 0xa8) (local.get $b)) (i32.const 0xa0)"
    );
    check(&guest.artifact("a"), "configure", "no such mode");
}

#[test]
fn no_exchange_is_live_while_it_starts() {
    let configure = "(call $status (i32.const 65536) (i32.const 0x300)) (i32.const 0xa0)".to_owned();
    check(&Guest { configure, ..Guest::default() }.artifact("a"), "configure", "exchange number 65536");
}

#[test]
fn the_subscription_is_what_was_asked_within_the_limit() {
    let guest = Guest::new(Wants { request_body: guest::BUFFER, max_buffer: u32::MAX, ..Wants::default() });
    let filter = host().load(&guest.artifact("a")).unwrap();
    let subscription = filter.subscription();
    assert_eq!(subscription.max_buffer, Limits::default().buffer_bytes);
    assert!(!subscription.request_head && subscription.request_body == weir_host::BodyMode::Buffer);
}

#[test]
fn the_compile_cache_is_ours_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let start = || {
        let log = std::sync::Arc::new(Lines::default());
        Host::new(HostConfig { cache_dir: Some(path.clone()), kv_dir: None, workers: 1, log, secrets: None })
    };
    start().unwrap().load(&Guest::default().artifact("a")).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert!(std::fs::read_dir(&path).unwrap().next().is_some());
    start().unwrap().load(&Guest::default().artifact("a")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let Err(error) = start() else { panic!("others may write there") };
    assert!(matches!(error, HostError::Cache { .. }) && error.to_string().contains("mode 755"), "{error}");
}
