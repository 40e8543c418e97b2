//! tokens, users and audit: who may, and who did.

use std::{io::Write as _, process::Stdio};

use serde_json::json;

use crate::server::Server;

#[test]
fn a_token_is_made_used_and_revoked_by_the_end_of_its_id() {
    let server = Server::start();
    let token = server.run(&["tokens", "create", "ci", "--role", "viewer", "--expires-in", "365d"]).ok();
    let token = token.trim();
    assert!(token.starts_with("weir-token-") && !token.contains(char::is_whitespace), "{token}");
    let other = server.run(&["tokens", "create", "other", "--role", "operator", "--area", "metrics,agents"]).ok();
    server
        .run(&["traffic", "--token", other.trim()])
        .fails(1, "this is of the area traffic; your token is for agents, metrics");
    assert_eq!(server.run(&["agents", "--format", "json", "--token", other.trim()]).json(), json!([]));
    server.run(&["tokens", "create", "no", "--role", "viewer", "--area", "all"]).fails(2, "possible values: traffic");
    assert_eq!(server.run(&["traffic", "--format", "json", "--token", token]).json(), json!([]));
    server.run(&["tokens", "--token", token]).fails(1, "this is for admin; your role is viewer");
    let listed = server.run(&["tokens", "--format", "json"]).json();
    let ci = listed.as_array().unwrap().iter().find(|item| item["name"] == "ci").unwrap();
    let id = ci["id"].as_str().unwrap();
    let table = server.run(&["tokens"]).ok();
    let row = table.lines().find(|line| line.starts_with("ci ")).unwrap();
    // In more than a year: the year says so.
    assert!(row.contains(&ci["expires"].as_str().unwrap()[..10]) && row.ends_with(id), "{table}");
    assert_eq!(row.split_whitespace().nth(2), Some("all"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("other ") && line.contains(" agents,metrics ")), "{table}");
    server.run(&["tokens", "revoke", "nothing"]).fails(1, "no token's id ends with `nothing`");
    let end = &id[id.len() - 8..];
    assert_eq!(server.run(&["tokens", "revoke", end]).ok().trim(), format!("revoked {id}"));
    server.run(&["traffic", "--token", token]).fails(1, "does not take the token from --token or WEIR_TOKEN");
    assert!(!server.run(&["tokens"]).ok().contains("ci "));
}

#[test]
fn a_join_token_is_listed_and_revoked_by_the_end_of_its_id() {
    let server = Server::with_key();
    let line = server.run(&["join-token", "--group", "edge", "--expires-in", "2h"]).ok();
    let listed = server.run(&["join-tokens", "--format", "json"]).json();
    let made = &listed[0];
    assert_eq!(
        (&made["state"], &made["group"], &made["created_by"]),
        (&json!("open"), &json!("edge"), &json!("admin"))
    );
    assert!(!listed.to_string().contains(line.trim()));
    let id = made["id"].as_str().unwrap();
    server.run(&["join-tokens", "revoke", "nothing"]).fails(1, "no join token's id ends with `nothing`");
    assert_eq!(server.run(&["join-tokens", "revoke", &id[id.len() - 8..]]).ok().trim(), format!("revoked {id}"));
    let table = server.run(&["join-tokens", "list"]).ok();
    let row = table.lines().find(|row| row.ends_with(id)).unwrap();
    assert!(row.contains("edge") && row.contains("revoked") && row.contains("admin"), "{table}");
    let viewer = server.run(&["tokens", "create", "eyes", "--role", "viewer"]).ok();
    server.run(&["join-tokens", "--token", viewer.trim()]).fails(1, "this is for operator");
}

#[test]
fn a_password_comes_in_by_stdin_and_is_in_no_answer() {
    let server = Server::start();
    let add = |password: &str| {
        let mut command = server.command(&["users", "add", "ann", "--role", "operator"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    let (code, said) = add("short\n");
    assert!(code == 1 && said.contains("at least 12 characters"), "{said}");
    assert_eq!(add("correct horse battery\nmore"), (0, "added ann (operator)\n".to_owned()));
    let users = server.run(&["users", "--format", "json"]).json();
    assert_eq!((&users[0]["name"], &users[0]["role"]), (&json!("ann"), &json!("operator")));
    server.run(&["users", "remove", "ann"]).ok();
    server.run(&["users", "remove", "ann"]).fails(1, "(404)");
    let trail = server.run(&["audit", "--format", "json"]).json();
    assert!(!trail.to_string().contains("horse"));
    let did: Vec<&str> = trail.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let (add, remove) = ("POST /api/v1/users", "DELETE /api/v1/users/{name}");
    assert_eq!(did, [remove, remove, add, add], "the newest first");
    let table = server.run(&["audit", "-n", "1", "--actor", "admin"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() == 2 && lines[1].contains("DELETE  /api/v1/users/ann") && lines[1].contains("404"), "{table}");
    assert_eq!(server.run(&["audit", "--actor", "nobody", "--format", "json"]).json(), json!([]));
}
