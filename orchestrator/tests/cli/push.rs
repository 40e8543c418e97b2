//! push-filter: what is signed, what is taken over, what is refused before anything is sent, and what agents say.

use serde_json::{Value, json};
use weir_artifact::{PublisherKey, Statement};

use crate::{
    agent::{Agent, content},
    component,
    server::Server,
};

fn shown(server: &Server, name: &str) -> Value {
    server.run(&["filters", "show", name, "--format", "json"]).json()
}

#[test]
fn a_first_push_has_defaults_and_grants_what_it_imports() {
    let server = Server::with_key();
    let file = server.file("block.wasm", component::filter(&["http", "log"], "1"));
    let told = server.run(&["push-filter", &file]).ok();
    assert!(told.contains("pushed block 1 to group default, revision 1"), "{told}");
    assert!(
        told.contains("meets every exchange; priority 0, on failure closed, isolation shared; grants log"),
        "{told}"
    );
    assert!(told.contains("no agent of group default is connected"), "{told}");
    let shown = shown(&server, "block");
    assert_eq!((&shown["version"], &shown["config"], &shown["grants"]), (&json!(1), &json!({}), &json!(["log"])));
    let year = shown["expires"].as_str().unwrap()[..4].parse::<i32>().unwrap();
    assert_eq!(year - shown["published"].as_str().unwrap()[..4].parse::<i32>().unwrap(), 1);
}

#[test]
fn every_setting_is_signed() {
    let server = Server::with_key();
    let file = server.file("x.wasm", component::filter(&["http"], "1"));
    let config = server.file("config.json", r#"{ "status": 451 }"#);
    let config = format!("@{config}");
    let told = server.run(&[
        "push-filter",
        &file,
        "--name",
        "block",
        "--version",
        "7",
        "--match",
        "host:*.example.com -method:GET",
        "--priority",
        "-5",
        "--config",
        &config,
        "--on-failure",
        "last-good",
        "--isolation",
        "exchange",
        "--grant",
        "log",
        "--limit",
        "cpu_ms=20",
        "--limit",
        "memory_bytes=1048576",
        "--expires-in",
        "30d",
        "--format",
        "json",
        "--group",
        "edge",
    ]);
    let told = told.json();
    assert_eq!((&told["version"], &told["group"], &told["grants"]), (&json!(7), &json!("edge"), &json!(["log"])));
    let shown = server.run(&["filters", "show", "block", "--group", "edge", "--format", "json"]).json();
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let statement = STANDARD.decode(shown["versions"][0]["statement"].as_str().unwrap()).unwrap();
    let Statement::Publish(signed) = Statement::parse(&statement).unwrap() else { panic!("a publication") };
    assert_eq!(signed.matching, "host:*.example.com -method:GET");
    assert_eq!((signed.priority, signed.config.as_str()), (-5, r#"{ "status": 451 }"#));
    assert_eq!(json!([signed.on_failure, signed.isolation]), json!(["last-good", "exchange"]));
    assert_eq!((signed.limits.cpu_ms, signed.limits.memory_bytes), (20, 1 << 20));
}

#[test]
fn an_upgrade_takes_settings_over_and_version_goes_up() {
    let server = Server::with_key();
    let one = server.file("block.wasm", component::filter(&["http"], "1"));
    server.run(&["push-filter", &one, "--match", "host:a", "--priority", "3", "--config", r#"{"a":1}"#]).ok();
    let two = server.file("block.wasm", component::filter(&["http"], "2"));
    server.run(&["push-filter", &two, "--priority", "4"]).ok();
    let shown_two = shown(&server, "block");
    assert_eq!((&shown_two["version"], &shown_two["match"]), (&json!(2), &json!("host:a")));
    assert_eq!((&shown_two["priority"], &shown_two["config"]), (&json!(4), &json!({"a": 1})));
    server.run(&["push-filter", &two, "--fresh"]).ok();
    let fresh = shown(&server, "block");
    assert_eq!((&fresh["version"], &fresh["match"], &fresh["priority"]), (&json!(3), &json!(""), &json!(0)));
}

#[test]
fn an_upgrade_that_wants_more_needs_a_word() {
    let server = Server::with_key();
    let modest = server.file("block.wasm", component::filter(&["http"], "1"));
    server.run(&["push-filter", &modest]).ok();
    let greedy = server.file("block.wasm", component::filter(&["http", "log"], "2"));
    server
        .run(&["push-filter", &greedy])
        .fails(1, "filter block: grants: it imports log, which version 1 did not have");
    assert_eq!(shown(&server, "block")["version"], 1, "nothing was sent");
    server.run(&["push-filter", &greedy, "--grant", "log"]).ok();
    assert_eq!(shown(&server, "block")["grants"], json!(["log"]));
    // Now it has it.
    let again = server.file("block.wasm", component::filter(&["http", "log"], "3"));
    server.run(&["push-filter", &again]).ok();
}

#[test]
fn what_can_be_no_filter_is_refused_with_name_phase_and_reason() {
    let server = Server::with_key();
    let good = component::filter(&["http"], "1");
    for (bytes, says) in [
        (b"#!/bin/sh\n".to_vec(), "filter bad: parse: "),
        (b"\0asm\x01\0\0\0".to_vec(), "core module"),
        (good[..good.len() - 3].to_vec(), "filter bad: parse: "),
        (b"\0asm\x0d\0\x01\0".to_vec(), "filter bad: world: "),
        (component::filter(&["http", "wasi:io/poll@0.2.0"], ""), "filter bad: world: "),
        (vec![0; (64 << 20) + 1], "more than 64 MiB"),
    ] {
        let file = server.file("bad.wasm", bytes);
        server.run(&["push-filter", &file]).fails(1, says);
    }
    assert_eq!(server.run(&["filters", "--format", "json"]).json(), json!([]));
}

#[test]
fn arguments_are_checked_before_anything_is_sent() {
    let server = Server::with_key();
    let file = server.file("block.wasm", component::filter(&["http"], "1"));
    for (arguments, says) in [
        (
            ["--match", "hots:a"],
            "--match: query, column 1: there is no field `hots`: did you mean `host`?\n  hots:a\n  ^",
        ),
        (["--match", "host:a status:200"], "--match: query, column 8: `status` is not known when the request arrives"),
        (["--match", "body~x"], "--match: query, column 1: `body` is not known when the request arrives"),
        (["--match", "host:a login"], "--match: query, column 8: a word without a field says too little here"),
        (["--config", "{"], "--config is not JSON"),
        (["--limit", "cpu_ms=0"], "limits.cpu_ms is 0"),
        (["--limit", "cpu=1"], "--limit cpu=1: unknown field `cpu`"),
        (["--limit", "cpu_ms"], "expected KEY=VALUE"),
        (["--version", "0"], "0 is not in 1.."),
        (["--grant", "files"], "there is log"),
        (["--on-failure", "ignore"], "possible values: closed, open, last-good"),
    ] {
        server.run(&[&["push-filter", &file], &arguments[..]].concat()).fails(2, says);
    }
    let file = server.file("My Filter.wasm", component::filter(&["http"], "1"));
    server.run(&["push-filter", &file]).fails(2, "give one with --name");
    server.run(&["push-filter", "/nonexistent.wasm"]).fails(1, "/nonexistent.wasm");
    assert_eq!(server.run(&["filters", "--format", "json"]).json(), json!([]));
}

#[test]
fn a_version_that_is_not_new_is_refused_by_the_server() {
    let server = Server::with_key();
    let file = server.file("block.wasm", component::filter(&["http"], "1"));
    server.run(&["push-filter", &file, "--version", "5"]).ok();
    server
        .run(&["push-filter", &file, "--version", "5"])
        .fails(1, "refused it (409): Conflict: version 5 is not above 5");
}

#[test]
fn settings_signed_by_nobody_known_here_are_not_taken_over() {
    let server = Server::with_key();
    let file = server.file("block.wasm", component::filter(&["http"], "1"));
    server.run(&["push-filter", &file]).ok();
    // Another machine: the same server, another publisher.
    let other = server.path("other-keys");
    let other = other.to_str().unwrap();
    server.run(&["keys", "generate", "--key-dir", other]).ok();
    let ran = server.run(&["push-filter", &file, "--key-dir", other]);
    ran.fails(1, "put that publisher's .pub file there, or start anew with --fresh");
    std::fs::copy(server.path("keys/publisher.pub"), server.path("other-keys/colleague.pub")).unwrap();
    server.run(&["push-filter", &file, "--key-dir", other]).ok();
}

#[test]
fn agents_that_run_it_are_told_one_by_one() {
    let server = Server::with_key();
    let _one = Agent::join(&server, "edge-1", content);
    let _two = Agent::join(&server, "edge-2", content);
    let file = server.file("block.wasm", component::filter(&["http"], "1"));
    let told = server.run(&["push-filter", &file]).ok();
    for agent in ["  edge-1: active after ", "  edge-2: active after "] {
        assert!(told.contains(agent), "{told}");
    }
    let told = server.run(&["push-filter", &file, "--format", "json"]).json();
    assert_eq!(told["agents"].as_array().unwrap().len(), 2);
    let told = server.run(&["push-filter", &file, "--no-wait"]).ok();
    assert!(!told.contains("edge-1"), "{told}");
}

#[test]
fn an_agent_that_refuses_makes_it_fail_with_phase_and_reason() {
    let server = Server::with_key();
    let _willing = Agent::join(&server, "willing", content);
    let _picky = Agent::join(&server, "picky", |_| Some(("configure", "/status: not a number")));
    let file = server.file("block.wasm", component::filter(&["http"], "1"));
    let ran = server.run(&["push-filter", &file]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    assert!(ran.stdout.contains("  willing: active after "), "{}", ran.stdout);
    assert!(ran.stdout.contains("  picky: refused: configure: /status: not a number"), "{}", ran.stdout);
    let ran = server.run(&["push-filter", &file, "--format", "json"]);
    assert_eq!(ran.code, 1);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let picky = told["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "picky").unwrap();
    assert_eq!((&picky["done"], &picky["phase"]), (&json!(false), &json!("configure")));
}

#[test]
fn a_stranger_does_not_know_the_secret() {
    // What reaches the server is checked there against the key it names: here only that the key never travels.
    let server = Server::with_key();
    let file = server.file("block.wasm", component::filter(&["http"], "1"));
    server.run(&["push-filter", &file]).ok();
    let secret = std::fs::read_to_string(server.path("keys/publisher.key")).unwrap();
    assert!(PublisherKey::from_text(&secret).is_ok());
    let secret = secret.trim().rsplit(':').next().unwrap().as_bytes().to_vec();
    for entry in std::fs::read_dir(server.path("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}
