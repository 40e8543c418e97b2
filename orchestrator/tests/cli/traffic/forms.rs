//! In the forms of others: HTTP Archives, curl commands, raw messages; to a file, and from one.

use std::process::Stdio;

use serde_json::{Value, json};

use super::recorded;
use crate::server::Server;

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
