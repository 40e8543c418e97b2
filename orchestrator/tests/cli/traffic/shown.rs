//! Found, shown in full or beside another, with what people say of it; and deleted.

use std::{io::Write as _, process::Stdio};

use serde_json::json;

use super::{body, exchange, recorded};

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
