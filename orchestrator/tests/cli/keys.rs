//! Keys stay on the publisher's machine, readable to nobody else, and the join token is made of them.

use std::os::unix::fs::PermissionsExt as _;

use weir_artifact::{JoinToken, PublisherKey, TrustedKey};

use crate::server::Server;

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_made_once_and_for_its_owner_only() {
    let server = Server::start();
    let told = server.run(&["keys", "generate"]).ok();
    let (secret, public) = (server.path("keys/publisher.key"), server.path("keys/publisher.pub"));
    assert_eq!((mode(&server.path("keys")), mode(&secret)), (0o700, 0o600));
    let text = std::fs::read_to_string(&secret).unwrap();
    let key = PublisherKey::from_text(&text).unwrap().public();
    assert_eq!(TrustedKey::from_text(&std::fs::read_to_string(public).unwrap()).unwrap(), key);
    assert!(told.contains(key.id().as_str()) && !told.contains(text.trim()), "{told}");
    server.run(&["keys", "generate"]).fails(1, "is there already and is not overwritten");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), text);
    let listed = server.run(&["keys", "list", "--format", "json"]).json();
    assert_eq!((&listed[0]["id"], &listed[0]["signs_here"]), (&key.id().as_str().into(), &true.into()));
    assert!(server.run(&["keys", "list"]).ok().contains("publisher.pub"));
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let server = Server::with_key();
    let secret = server.path("keys/publisher.key");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
    server.run(&["join-token"]).fails(1, "can be read by others (mode 640)");
}

#[test]
fn without_a_key_there_is_nobody_to_trust() {
    let server = Server::start();
    let ran = server.run(&["join-token"]);
    ran.fails(1, "`orchestrator keys generate` makes one");
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_join_token_is_the_servers_and_ours_together() {
    let server = Server::with_key();
    let colleague = PublisherKey::generate().public();
    server.file("keys/colleague.pub", colleague.to_text());
    let line = server.run(&["join-token", "--group", "edge", "--expires-in", "10m"]).ok();
    let token = JoinToken::from_text(&line).unwrap();
    assert_eq!(line, format!("{}\n", token.to_text()), "alone on one line");
    assert_eq!(token.group.as_str(), "edge");
    assert_eq!(token.publishers.len(), 2);
    assert!(token.publishers.contains(&colleague));
    let ca = std::fs::read_to_string(server.path("data/ca.pem")).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(ca.as_bytes()).unwrap();
    assert_eq!(token.ca, pem.contents);
}

#[test]
fn a_colleagues_key_is_endorsed() {
    let server = Server::with_key();
    let colleague = PublisherKey::generate().public();
    let file = server.file("colleague.pub", colleague.to_text());
    let told = server.run(&["keys", "endorse", &file]).ok();
    assert!(told.contains(colleague.id().as_str()) && told.contains("group default"), "{told}");
    let file = server.file("not-a-key.pub", "ssh-ed25519 AAAA");
    server.run(&["keys", "endorse", &file]).fails(1, "not a publisher's public key");
}

#[test]
fn a_token_that_is_not_taken_is_told_with_where_it_came_from() {
    let server = Server::start();
    server.run(&["agents", "--token", "wrong"]).fails(1, "does not take the token from --token or WEIR_TOKEN");
    server.run(&["agents", "--data-dir", "/nonexistent"]).fails(1, "/nonexistent/token");
    assert_eq!(server.run(&["agents", "--format", "json"]).json(), serde_json::json!([]));
}
