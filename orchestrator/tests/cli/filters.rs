//! filters: list, show, roll back, remove; and agents.

use serde_json::json;
use weir_artifact::Statement;

use crate::{
    agent::{Agent, content},
    component,
    server::Server,
};

fn push(server: &Server, note: &str, arguments: &[&str]) {
    let file = server.file("block.wasm", component::filter(&["http"], note));
    server.run(&[&["push-filter", &file], arguments].concat()).ok();
}

#[test]
fn listed_for_people_and_programs() {
    let server = Server::with_key();
    assert_eq!(
        server.run(&["filters"]).ok(),
        "NAME  GROUP  VERSION  STATE  AGENTS  PRIORITY  ON FAILURE  MATCH  PUSHED (UTC)\n"
    );
    push(&server, "1", &["--match", &format!("path:/{}", "long/".repeat(50))]);
    push(&server, "1", &["--name", "other", "--group", "edge"]);
    let table = server.run(&["filters", "list"]).ok();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("block  default        1  active  -"), "{table}");
    let listed = server.run(&["filters", "--format", "json"]).json();
    assert_eq!((listed[0]["name"].as_str(), listed[1]["group"].as_str()), (Some("block"), Some("edge")));
    server.run(&["filters", "show", "nothing"]).fails(1, "group default has no filter nothing");
    server.run(&["filters", "logs", "blok"]).fails(1, "there is no filter blok; `orchestrator filters` lists them");
    assert_eq!(server.run(&["filters", "logs", "block"]).ok(), "");
}

#[test]
fn shown_with_agents_and_versions() {
    let server = Server::with_key();
    let _agent = Agent::join(&server, "edge-1", |_| Some(("compile", "out of memory")));
    let file = server.file("block.wasm", component::filter(&["http"], "1"));
    assert_eq!(server.run(&["push-filter", &file]).code, 1);
    let listed = server.run(&["filters"]).ok();
    assert!(listed.ends_with("\nblock is refused by edge-1: compile: out of memory\n"), "{listed}");
    let shown = server.run(&["filters", "show", "block"]).ok();
    assert!(shown.contains("on_failure     closed"), "{shown}");
    assert!(
        shown.contains("edge-1        1  refused ") && shown.contains("\nedge-1: compile: out of memory\n"),
        "{shown}"
    );
}

#[test]
fn rolled_back_to_what_it_was() {
    let server = Server::with_key();
    let _agent = Agent::join(&server, "edge-1", content);
    push(&server, "1", &["--config", r#"{"a":1}"#, "--match", "host:one"]);
    push(&server, "2", &["--config", r#"{"a":2}"#, "--match", "host:two"]);
    push(&server, "3", &["--config", r#"{"a":3}"#]);
    let told = server.run(&["filters", "rollback", "block"]).ok();
    assert!(
        told.starts_with("rolled block back from 3 to 2 in group default, revision 4\n  edge-1: active after"),
        "{told}"
    );
    let now = server.run(&["filters", "show", "block", "--format", "json"]).json();
    assert_eq!((&now["version"], &now["match"], &now["rollback"]), (&json!(2), &json!("host:two"), &json!(true)));
    // From there on down, and by number.
    server.run(&["filters", "rollback", "block"]).ok();
    server.run(&["filters", "rollback", "block"]).fails(1, "block 1 has no version below it");
    server.run(&["filters", "rollback", "block", "--to", "9"]).fails(1, "block has no version 9");
    server.run(&["filters", "rollback", "block", "--to", "3"]).ok();
    // A version once used is not used again.
    push(&server, "4", &[]);
    let now = server.run(&["filters", "show", "block", "--format", "json"]).json();
    assert_eq!((&now["version"], &now["config"], &now["rollback"]), (&json!(4), &json!({"a": 3}), &json!(false)));
}

#[test]
fn a_rollback_is_signed_only_from_what_a_known_key_signed() {
    let server = Server::with_key();
    push(&server, "1", &[]);
    push(&server, "2", &[]);
    let other = server.path("other-keys");
    let other = other.to_str().unwrap();
    server.run(&["keys", "generate", "--key-dir", other]).ok();
    let ran = server.run(&["filters", "rollback", "block", "--key-dir", other]);
    ran.fails(1, "block 1 was signed by key ");
}

#[test]
fn removed_and_brought_back() {
    let server = Server::with_key();
    let _agent = Agent::join(&server, "edge-1", content);
    push(&server, "1", &["--config", r#"{"a":1}"#]);
    let told = server.run(&["filters", "remove", "block"]).ok();
    assert!(told.starts_with("removed block from group default, revision 2\n  edge-1: done after"), "{told}");
    assert_eq!(server.run(&["filters", "show", "block", "--format", "json"]).json()["state"], "removed");
    server.run(&["filters", "remove", "block"]).fails(1, "block is removed from group default already");
    server.run(&["filters", "remove", "nothing"]).fails(1, "group default has no filter nothing");
    let told = server.run(&["filters", "rollback", "block"]).ok();
    assert!(told.contains("to 1 in group default"), "{told}");
    let now = server.run(&["filters", "show", "block", "--format", "json"]).json();
    assert_eq!((&now["state"], &now["config"]), (&json!("active"), &json!({"a": 1})));
}

#[test]
fn an_agent_that_refuses_a_removal_makes_it_fail() {
    let server = Server::with_key();
    let loyal = |statement: &Statement| {
        matches!(statement, Statement::Remove(_)).then_some(("signature", "signed by a key which is not trusted here"))
    };
    let _loyal = Agent::join(&server, "loyal", loyal);
    push(&server, "1", &[]);
    let ran = server.run(&["filters", "remove", "block"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let told = "  loyal: refused: signature: signed by a key which is not trusted here";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
}

#[test]
fn agents_are_listed() {
    let server = Server::with_key();
    let agent = Agent::join(&server, "edge-1", content);
    let table = server.run(&["agents"]).ok();
    assert!(
        table.starts_with("NAME    GROUP    STATE      REVISION  CONFIG  LISTEN          VERSION  SEEN (UTC)  ID\n"),
        "{table}"
    );
    assert!(table.contains("edge-1  default  connected         0  -       127.0.0.1:8080  0.1.0"), "{table}");
    let listed = server.run(&["agents", "--format", "json"]).json();
    assert_eq!(listed[0]["name"], "edge-1");
    drop(agent);
}
