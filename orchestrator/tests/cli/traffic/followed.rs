//! As it comes: from as far back as asked, over a restart of the server, until somebody has enough.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;
use uuid::{NoContext, Timestamp, Uuid};

use super::{exchange, recorded};
use crate::agent::{Agent, content};

#[test]
fn followed_as_they_come() {
    let (server, agent) = recorded();
    let mut child = server
        .command(&["traffic", "status:2xx", "--follow", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["host"], "a.example.com", "what was there");
    agent.record(vec![exchange(10, "late.example.com", "/", 204), exchange(11, "other.example.com", "/", 500)]);
    assert_eq!(next()["host"], "late.example.com");
    // One that began before those already told: it ended later.
    agent.record(vec![exchange(0, "slow.example.com", "/", 200)]);
    assert_eq!(next()["host"], "slow.example.com");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn followed_over_a_restart_of_the_server_and_ended_by_ctrl_c() {
    let (mut server, agent) = recorded();
    let mut child = server
        .command(&["traffic", "host:late.example.com", "--follow", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    // It has begun to follow when it tells the first.
    agent.record(vec![exchange(10, "late.example.com", "/1", 204)]);
    assert_eq!(next()["path"], "/1");
    server.restart();
    let agent = Agent::join(&server, "edge-2", content);
    agent.record(vec![exchange(11, "late.example.com", "/2", 204)]);
    assert_eq!(next()["path"], "/2");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("trying again"), "{said}");
    assert_eq!(lines.count(), 0);
}

fn interrupt(child: &std::process::Child) {
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

#[test]
fn followed_from_as_far_back_as_asked() {
    let (server, agent) = recorded();
    agent.record((0..620).map(|n| exchange(0, "many.example.com", &format!("/{n}"), 200)).collect());
    let mut child = server
        .command(&["traffic", "--follow", "-n", "600", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut paths = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let item: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        paths.insert(item["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(paths.len(), 600);
    // More at once than a page holds, all older than what was told.
    let old = |n: usize| {
        let mut exchange = exchange(0, "old.example.com", &format!("/{n}"), 200);
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, 1_700_000_000, 0));
        exchange.id = id.into_bytes().to_vec().into();
        exchange
    };
    agent.record((0..1100).map(old).collect());
    for n in 0..1100 {
        let item: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(item["path"], format!("/{n}"), "in the order in which they came");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let (server, agent) = recorded();
    let mut child =
        server.command(&["traffic", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Like `| head -1`: the pipe is closed after the first line; the next line told finds that out.
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("ID "), "{first}");
    // All that was recorded before may have been told already, into a pipe that nobody reads any more.
    agent.record(vec![exchange(10, "late.example.com", "/", 204)]);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}
