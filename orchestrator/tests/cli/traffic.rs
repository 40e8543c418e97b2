//! traffic: search, one in full, as HAR, as it comes; two beside each other; the end of some.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use uuid::{NoContext, Timestamp, Uuid};
use weir_proto::v1::{Body, Connection, Exchange, Field, Outcome, Receipt, Request, Response};

use crate::{
    agent::{Agent, content},
    server::Server,
};

fn field(name: &str, value: &'static str) -> Field {
    Field { name: name.to_owned(), value: value.as_bytes().into() }
}

fn body(data: &'static [u8], size: u64) -> Option<Body> {
    Some(Body { data: data.into(), size, ..Body::default() })
}

/// The `number`th, a tenth of a second apart: making them takes time too.
fn exchange(number: u64, host: &str, path: &str, status: u32) -> Exchange {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_millis(100 * number);
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, now.as_secs(), now.subsec_nanos()));
    Exchange {
        id: id.into_bytes().to_vec().into(),
        started_us: u64::try_from(now.as_micros()).unwrap(),
        duration_us: 2_500,
        first_byte_us: 2_000,
        connection: Some(Connection {
            client_address: "192.0.2.7:51034".to_owned(),
            entry: "connect".to_owned(),
            tunnel_target: format!("{host}:443"),
            server_name: host.to_owned(),
            intercepted: true,
            ..Connection::default()
        }),
        request: Some(Request {
            method: "POST".to_owned(),
            scheme: "https".to_owned(),
            authority: host.to_owned(),
            path: path.to_owned(),
            version: "HTTP/1.1".to_owned(),
            headers: vec![field("Content-Type", "text/plain"), field("Cookie", "a=1")],
            body: body(b"said \x1b[2J", 9),
            trailers: vec![],
        }),
        response: Some(Response {
            status,
            version: "HTTP/1.1".to_owned(),
            headers: vec![field("content-type", "application/octet-stream")],
            body: body(b"\xff\xfe\0", 2_000_000),
            trailers: vec![],
        }),
        upstream_address: "198.51.100.4:443".to_owned(),
        filters: vec![Receipt {
            name: "block".to_owned(),
            version: 3,
            verdict: "next".to_owned(),
            changed: true,
            ..Receipt::default()
        }],
        outcome: Outcome::Complete.into(),
        ..Exchange::default()
    }
}

/// A server with three exchanges, the last to fail.
fn recorded() -> (Server, Agent) {
    let server = Server::with_key();
    let agent = Agent::join(&server, "edge-1", content);
    let mut failed = exchange(3, "down.example.com", "/", 502);
    failed.outcome = Outcome::UpstreamFailed.into();
    failed.error = "connection refused".to_owned();
    let long = format!("/{}?q=1", "long/".repeat(60));
    agent.record(vec![exchange(1, "a.example.com", "/x?b=c", 200), exchange(2, "b.example.com", &long, 404), failed]);
    (server, agent)
}

#[test]
fn searched_for_people_and_programs() {
    let (server, _agent) = recorded();
    let table = server.run(&["traffic"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{table}");
    assert!(lines[1].contains("https://down.example.com/"), "newest first: {table}");
    assert!(lines[2].contains("long/l…"), "{table}");
    assert!(lines[3].contains("POST    200     2.0 MB  2.5 ms"), "{table}");
    let found = |query: &str| server.run(&["traffic", query, "--format", "json"]).json().as_array().unwrap().len();
    assert_eq!(found("status:4xx or error:*refused*"), 2);
    assert_eq!(found("-method:POST"), 0);
    assert_eq!(found("host:*.example.com filter:block -status:200"), 2);
    server.run(&["traffic", "--folow"]).fails(2, "there is no option --folow here");
    server.run(&["export", "--formt=har"]).fails(2, "there is no option --formt here");
    assert_eq!(found("\"--folow\""), 0);
    assert_eq!(server.run(&["traffic", "--limit", "1", "--format", "json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn one_is_shown_by_the_end_of_its_id() {
    let (server, _agent) = recorded();
    let table = server.run(&["traffic", "host:a.example.com"]).ok();
    let id = table.lines().nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(id.len(), 8, "{table}");
    let shown = server.run(&["traffic", "show", id]).ok();
    for part in [
        "outcome   complete\n",
        "client    192.0.2.7:51034 by connect, tunnel to a.example.com:443, TLS name a.example.com, intercepted\n",
        "upstream  198.51.100.4:443\n",
        "filter    block 3: next, changed it\n",
        "\nPOST https://a.example.com/x?b=c HTTP/1.1\nContent-Type: text/plain\nCookie: a=1\n\nsaid \\u{1b}[2J\n",
        "\nHTTP/1.1 200 OK\ncontent-type: application/octet-stream\n\n(not text)\n(3 B of 2.0 MB captured)\n",
    ] {
        assert!(shown.contains(part), "{part:?} in\n{shown}");
    }
    let whole = server.run(&["traffic", "show", id, "--format", "json"]).json();
    assert_eq!(whole["request"]["url"], "https://a.example.com/x?b=c");
    server.run(&["traffic", "show", "0123456789ab"]).fails(1, "no exchange's id ends with 0123456789ab");
    server.run(&["traffic", "show", "x"]).fails(2, "is no id of an exchange");
}

#[test]
fn as_an_http_archive() {
    let (server, _agent) = recorded();
    let har = server.run(&["traffic", "--format", "har"]).json();
    let log = &har["log"];
    assert_eq!((&log["version"], &log["creator"]["name"]), (&json!("1.2"), &json!("Weir")));
    let entries = log["entries"].as_array().unwrap();
    let urls: Vec<&str> = entries.iter().filter_map(|entry| entry["request"]["url"].as_str()).collect();
    assert_eq!((urls.len(), urls[0], urls[2]), (3, "https://a.example.com/x?b=c", "https://down.example.com/"));
    let first = &entries[0];
    assert_eq!(first["request"]["queryString"], json!([{"name": "b", "value": "c"}]));
    assert_eq!(first["request"]["postData"]["text"], "said \u{1b}[2J");
    let content = &first["response"]["content"];
    assert_eq!((&content["text"], &content["encoding"]), (&json!("//4A"), &json!("base64")));
    assert_eq!((&content["size"], &first["response"]["bodySize"]), (&json!(2_000_000), &json!(2_000_000)));
    assert_eq!(first["serverIPAddress"], "198.51.100.4");
    assert_eq!(entries[2]["_weir"]["error"], "connection refused");
    let two = server.run(&["traffic", "--format", "har", "-n", "2"]).json();
    assert_eq!(two["log"]["entries"].as_array().unwrap()[1]["request"]["url"], "https://down.example.com/");
    assert!(!har.to_string().contains("a=1"), "cookies are hidden");
    assert!(server.run(&["traffic", "--format", "har", "--reveal"]).ok().contains("a=1"));
}

#[test]
fn one_in_other_forms() {
    let (server, _agent) = recorded();
    let id =
        server.run(&["traffic", "host:a.example.com", "--format", "json"]).json()[0]["id"].as_str().unwrap().to_owned();
    let show = |format: &str| server.run(&["traffic", "show", &id, "--format", format]).ok();
    let curl = show("curl");
    assert!(curl.contains("  --url 'https://a.example.com/x?b=c' \\\n"), "{curl}");
    assert!(curl.contains("base64 --decode <<'WEIR' | curl "), "an escape does not reach the terminal: {curl}");
    assert!(curl.contains("--header 'Cookie: a=[hidden]'"), "{curl}");
    let raw = server.command(&["traffic", "show", &id, "--format", "raw"]).output().unwrap().stdout;
    assert!(raw.starts_with(b"POST /x?b=c HTTP/1.1\r\nHost: a.example.com\r\nContent-Type: text/plain\r\n"), "{raw:?}");
    assert!(raw.ends_with(b"\r\n\r\n\xff\xfe\0"), "byte for byte: {raw:?}");
    let har: Value = serde_json::from_str(&show("har")).unwrap();
    assert_eq!(har["log"]["entries"][0]["_weir"]["id"], id);
    assert!(server.run(&["traffic", "show", &id, "--format", "curl", "--reveal"]).ok().contains("Cookie: a=1"));
    assert!(!server.run(&["traffic", "show", &id]).ok().contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn two_beside_each_other() {
    let (server, agent) = recorded();
    let mut changed = exchange(5, "a.example.com", "/x?b=d", 200);
    changed.response.as_mut().unwrap().body = body(b"other", 5);
    agent.record(vec![changed]);
    let ids: Vec<String> = server
        .run(&["traffic", "host:a.example.com", "--format", "json"])
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    let [new, old] = &ids[..] else { panic!("{ids:?}") };
    let diff = server.run(&["traffic", "diff", old, new]).ok();
    let digest = "sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
    for part in [
        "request\n- path /x?b=c\n+ path /x?b=d\n\n",
        "response\n\n- body of 2.0 MB, 3 B captured, sha256:",
        &format!("+ body of 5 B, {digest}\n"),
    ] {
        assert!(diff.contains(part), "{part:?} in\n{diff}");
    }
    assert_eq!(server.run(&["traffic", "diff", old, old, "--format", "json"]).json()["same"], true);
    assert!(server.run(&["traffic", "diff", old, old]).ok().ends_with("are the same\n"));
}

#[test]
fn some_are_deleted() {
    let (server, _agent) = recorded();
    let list = || server.run(&["traffic", "--format", "json"]).json().as_array().unwrap().clone();
    let id = list()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.run(&["traffic", "delete", &id]).ok(), "1 exchange deleted\n");
    server.run(&["traffic", "delete", &id]).fails(1, "there is no exchange");
    let all = ["traffic", "delete", "--query", "host:a.example.com"];
    server.run(&all).fails(2, "there is nobody to ask: --yes deletes without asking");
    assert_eq!(list().len(), 2);
    // At a terminal it says how many, and a no is one.
    let asked = |answer: &str| {
        let words = all.map(|word| format!("'{word}'")).join(" ");
        let binary = env!("CARGO_BIN_EXE_orchestrator");
        let mut script = server.command(&[]);
        let environment: Vec<_> =
            script.get_envs().map(|(k, v)| (k.to_owned(), v.unwrap_or_default().to_owned())).collect();
        script = std::process::Command::new("script");
        script.env_clear().envs(environment).args(["-qec", &format!("{binary} {words}"), "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    };
    let said = asked("n\n");
    assert!(said.contains("delete 1 exchange? [y/N]") && said.contains("nothing was deleted"), "{said}");
    assert_eq!(list().len(), 2);
    let said = asked("y\n");
    assert!(said.contains("1 exchange deleted"), "{said}");
    assert_eq!(list().len(), 1);
    assert_eq!(
        server.run(&["traffic", "delete", "--yes", "--query", "host:a.example.com"]).ok(),
        "0 exchanges deleted\n"
    );
    server.run(&["traffic", "delete", "--query", ""]).fails(1, "an empty query fits everything");
    server.run(&["traffic", "delete"]).fails(2, "required");
}

#[test]
fn exported_to_a_file_and_imported_elsewhere() {
    let (server, _agent) = recorded();
    let file = server.path("traffic.har");
    let file = file.to_str().unwrap();
    let ran = server.run(&["export", "host:*.example.com", "--reveal", "--output", file]);
    assert!(ran.stderr.starts_with(&format!("{file}: ")), "{}", ran.stderr);
    assert_eq!(ran.ok(), "");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let other = Server::start();
    let said = other.run(&["import", file]).ok();
    assert_eq!(said, "3 exchanges of Weir 0.1.0 imported; `traffic agent:import` shows them\n");
    let again = other.run(&["import", file, "--format", "json"]).json();
    assert_eq!((&again["imported"], &again["known"]), (&json!(0), &json!(3)));
    assert_eq!(
        other
            .run(&["traffic", "agent:import tag:_import.agent=edge-1", "--format", "json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let curl = other.run(&["export", "host:a.example.com", "--format", "curl"]).ok();
    assert!(curl.starts_with("#!/bin/sh\n# ") && curl.contains("a=[hidden]"), "{curl}");
    // What is no archive leaves the file that was there alone, and nothing beside it.
    other.run(&["export", "status:x", "--output", file]).fails(2, "query, column 8");
    other.run(&["export", "--limit", "0", "--output", file]).fails(1, "limit has to be 1");
    let bad = server.file(
        "bad.har",
        r#"{"log":{"entries":[{"startedDateTime":"now","request":{"method":"GET","url":"http://a/"}}]}}"#,
    );
    other.run(&["import", &bad]).fails(1, "log.entries[0].startedDateTime: no time");
    other.run(&["import", "/nonexistent"]).fails(1, "/nonexistent: No such file");
    let beside = std::fs::read_dir(server.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(beside.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));
    let mut child = other.command(&["import", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    serde_json::to_writer(stdin, &json!({"log": {"entries": []}})).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("0 exchanges imported"));
}

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

#[test]
fn what_people_say_of_one_is_shown_and_found() {
    let (server, _agent) = recorded();
    let table = server.run(&["traffic", "host:a.example.com"]).ok();
    let id = table.lines().nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(server.run(&["traffic", "tag", id, "incident", "ticket=47 11"]).ok(), "incident ticket=47 11\n");
    assert_eq!(server.run(&["traffic", "note", id, "look at this"]).ok(), "incident ticket=47 11 note: look at this\n");
    let shown = server.run(&["traffic", "show", id]).ok();
    for part in ["tag       incident=true\n", "tag       ticket=47 11\n", "note      look at this\n"] {
        assert!(shown.contains(part), "{part:?} in\n{shown}");
    }
    let found = |query: &str| server.run(&["traffic", query, "--format", "json"]).json().as_array().unwrap().len();
    assert_eq!((found("tag:incident"), found("tag:\"ticket=47 11\"")), (1, 1));
    let har = server.run(&["traffic", "tag:incident", "--format", "har"]).json();
    let extra = &har["log"]["entries"][0]["_weir"];
    assert_eq!((&extra["note"], &extra["tags"]["incident"]), (&json!("look at this"), &json!(true)));
    server.run(&["traffic", "tag", id, "a.b"]).fails(1, "/tags/a.b: with a dot it is a filter's");
    server.run(&["traffic", "tag", id]).fails(2, "TAG");
    assert_eq!(server.run(&["traffic", "note", id, "--remove"]).ok(), "incident ticket=47 11\n");
    assert_eq!(
        server.run(&["traffic", "tag", id, "--remove", "ticket", "--remove", "incident"]).ok(),
        "nothing is said of it\n"
    );
}
