//! Exchanges as others have them: HTTP Archives, curl commands, raw messages; out, and in again.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::{Body, Connection, Exchange, Field, Intervention, Outcome, Receipt, Request, Response, Tag, tag};

use crate::harness::{Person, Running, exchange, id};

fn field(name: &str, value: &[u8]) -> Field {
    Field { name: name.to_owned(), value: value.to_vec().into() }
}

/// One of each kind that is hard to tell.
fn traffic() -> Vec<Exchange> {
    let mut whole = exchange("api.example.com", "/users?x=1&y=%20", 201);
    whole.connection = Some(Connection {
        client_address: "192.0.2.7:5000".into(),
        entry: "connect".into(),
        user: "ann".into(),
        tunnel_target: "api.example.com:443".into(),
        server_name: "api.example.com".into(),
        intercepted: true,
    });
    let request = whole.request.as_mut().unwrap();
    request.method = "POST".into();
    request.headers = vec![
        field("Host", b"api.example.com"),
        field("Authorization", b"Bearer the-secret"),
        field("Cookie", b"sid=the-secret; theme=the-secret"),
        field("X-Bytes", b"a\xff"),
        field("Content-Type", b"application/json"),
    ];
    request.body = Some(Body { data: br#"{"a":"b"}"#[..].into(), size: 9, ..Body::default() });
    request.trailers = vec![field("x-sum", b"1")];
    let mut filtered = request.clone();
    filtered.path = "/users".into();
    whole.filtered_request = Some(filtered);
    let response = whole.response.as_mut().unwrap();
    response.headers = vec![
        field("content-encoding", b"gzip"),
        field("content-type", b"text/html; charset=utf-8"),
        field("set-cookie", b"s=the-secret; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly"),
        field("location", b"/users/7"),
    ];
    let page = weir_har::coding::encode(&[weir_har::coding::Coding::Gzip], b"<h1>hello</h1>".to_vec()).unwrap();
    response.body = Some(Body { size: page.len() as u64, data: page.into(), ..Body::default() });
    whole.upstream_address = "[2001:db8::9]:443".into();
    whole.filters = vec![Receipt {
        name: "block".into(),
        version: 3,
        digest: "sha256:00".into(),
        verdict: "next".into(),
        error: String::new(),
        changed: true,
        ..Receipt::default()
    }];
    whole.tags = vec![Tag { name: "block.kind".into(), value: Some(tag::Value::Text("api".into())) }];
    let mut cut = exchange("img.example.com", "/a|b\"{c}", 200);
    cut.response.as_mut().unwrap().body = Some(Body { data: b"\x89PNG"[..].into(), size: 70_000, ..Body::default() });
    let mut failed = exchange("down.example.com", "*", 200);
    failed.request.as_mut().unwrap().method = "OPTIONS".into();
    failed.response = None;
    failed.outcome = Outcome::UpstreamFailed.into();
    failed.error = "connection refused".into();
    vec![whole, cut, failed]
}

async fn export(person: &Person, path: &str) -> String {
    let response = person.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert!(response.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"weir-"));
    String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned()
}

async fn import(person: &Person, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let request = person.request(Method::POST, "/api/v1/exchanges/import");
    let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// Where `cargo xtask test` installs what comes from npm.
fn node_modules() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("guests/npm/node_modules")
}

/// By the schema of the format, in the hands of others.
fn validate(archive: &str) {
    let script = "const read = require('fs').readFileSync(0, 'utf8');
        require('har-validator').har(JSON.parse(read)).then(() => {}, error => {
            console.error(JSON.stringify(error.errors, null, 1)); process.exit(1); });";
    let mut node = Command::new("node")
        .args(["-e", script])
        .env("NODE_PATH", node_modules())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(archive.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo xtask test` sets up har-validator; it says: {said}");
}

#[tokio::test]
async fn an_archive_is_valid_and_tells_what_there_is() {
    let running = Running::start().await;
    let agent = running.agent().await;
    agent.record(traffic()).await;
    let text = export(&running.person, "/api/v1/exchanges/export").await;
    validate(&text);
    let archive: Value = serde_json::from_str(&text).unwrap();
    let log = &archive["log"];
    assert_eq!((&log["version"], &log["creator"]["name"]), (&json!("1.2"), &json!("Weir")));
    let [whole, cut, failed] = &log["entries"].as_array().unwrap()[..] else { panic!("{log}") };
    assert_eq!(whole["request"]["url"], "https://api.example.com/users?x=1&y=%20");
    assert_eq!(whole["request"]["queryString"], json!([{"name": "x", "value": "1"}, {"name": "y", "value": " "}]));
    assert_eq!(whole["request"]["postData"], json!({"mimeType": "application/json", "text": r#"{"a":"b"}"#}));
    assert_eq!(whole["time"], 1.5);
    assert_eq!((&whole["timings"]["wait"], &whole["timings"]["receive"]), (&json!(0.9), &json!(0.6)));
    assert_eq!(whole["serverIPAddress"], "2001:db8::9");
    let content = &whole["response"]["content"];
    assert_eq!((&content["text"], &content["size"]), (&json!("<h1>hello</h1>"), &json!(14)));
    assert_eq!(whole["response"]["redirectURL"], "/users/7");
    assert_eq!(whole["response"]["cookies"][0]["expires"], "2026-10-21T07:28:00.000Z");
    let extra = &whole["_weir"];
    assert_eq!(extra["agent"], json!({"id": agent.id, "name": "edge-1"}));
    assert_eq!((&extra["filters"][0]["name"], &extra["filters"][0]["changed"]), (&json!("block"), &json!(true)));
    assert_eq!(extra["filteredRequest"]["url"], "https://api.example.com/users");
    assert_eq!(extra["tags"], json!({"block.kind": "api"}));
    let content = &cut["response"]["content"];
    assert_eq!((&content["text"], &content["encoding"]), (&json!("iVBORw=="), &json!("base64")));
    assert_eq!((&content["size"], &content["comment"]), (&json!(70_000), &json!("4 of 70000 bytes captured")));
    assert_eq!(cut["response"]["_weir"]["captured"], 4);
    assert_eq!(
        (&failed["response"]["status"], &failed["response"]["_error"]),
        (&json!(0), &json!("connection refused"))
    );
}

#[tokio::test]
async fn secrets_are_hidden_unless_asked_for() {
    let running = Running::start().await;
    let traffic = traffic();
    running.agent().await.record(traffic.clone()).await;
    let one = format!("/api/v1/exchanges/{}/export", id(&traffic[0]));
    for form in ["har", "curl", "raw"] {
        for (path, reveal) in
            [(format!("/api/v1/exchanges/export?format={form}"), "&"), (format!("{one}?format={form}"), "&")]
        {
            let get = |path: String| {
                let request = running.person.request(Method::GET, &path);
                async { String::from_utf8_lossy(&request.send().await.unwrap().bytes().await.unwrap()).into_owned() }
            };
            let hidden = get(path.clone()).await;
            assert!(hidden.contains("[hidden]") && !hidden.contains("the-secret"), "{hidden}");
            assert!(hidden.contains("Bearer [hidden]") && hidden.contains("sid=[hidden]; theme=[hidden]"), "{hidden}");
            let shown = get(format!("{path}{reveal}reveal=true")).await;
            assert!(shown.contains("Bearer the-secret") && !shown.contains("[hidden]"), "{shown}");
        }
    }
}

/// Without what is another's after an import.
fn bare(text: &str) -> Value {
    let mut archive: Value = serde_json::from_str(text).unwrap();
    for entry in archive["log"]["entries"].as_array_mut().unwrap() {
        let extra = entry["_weir"].as_object_mut().unwrap();
        extra.remove("id");
        extra["agent"].as_object_mut().unwrap().remove("id");
    }
    archive
}

#[tokio::test]
async fn what_was_exported_is_imported_elsewhere_the_same() {
    let running = Running::start().await;
    running.agent().await.record(traffic()).await;
    let first = export(&running.person, "/api/v1/exchanges/export?reveal=true").await;
    let other = Running::start().await;
    let (status, answer) = import(&other.person, first.clone()).await;
    assert_eq!((status, &answer["imported"], &answer["known"]), (StatusCode::OK, &json!(3), &json!(0)), "{answer}");
    let second = export(&other.person, "/api/v1/exchanges/export?reveal=true").await;
    assert_eq!(bare(&second), bare(&first));
    // The same file again brings nothing new.
    let (_, answer) = import(&other.person, first).await;
    assert_eq!((&answer["imported"], &answer["known"]), (&json!(0), &json!(3)), "{answer}");
    // They say that they were imported.
    assert_eq!(other.person.ids("agent:import", 10).await.len(), 3);
    assert_eq!(other.person.ids("tag:_import.agent=edge-1", 10).await.len(), 3);
    let agents = other.person.get("/api/v1/agents").await;
    assert_eq!((&agents["items"][0]["kind"], &agents["items"][0]["id"]), (&json!("import"), &answer["agent"]));
}

/// Members of its own that a later version, or somebody's editor, wrote otherwise are no reason to refuse a file.
#[tokio::test]
async fn members_beyond_the_format_that_cannot_be_read_are_told_in_the_answer() {
    let running = Running::start().await;
    let mut recorded = exchange("a.example", "/", 200);
    recorded.interventions = vec![Intervention {
        at_response: true,
        decision: "modify".to_owned(),
        by: "ann".to_owned(),
        changed: vec!["body".to_owned()],
        waited_us: 7,
        failed: false,
    }];
    let body = recorded.response.as_mut().unwrap().body.get_or_insert_default();
    (body.size, body.digest) = (body.data.len() as u64 + 9, vec![0xab; 32].into());
    running.agent().await.record(vec![recorded]).await;
    let first = export(&running.person, "/api/v1/exchanges/export?reveal=true").await;
    validate(&first);
    let mut archive: Value = serde_json::from_str(&first).unwrap();
    let entry = &mut archive["log"]["entries"][0];
    assert_eq!(entry["_weir"]["interventions"][0]["by"], "ann");
    assert_eq!(entry["response"]["_weir"]["digest"], "ab".repeat(32));
    entry["_weir"]["filters"] = json!({"odd": true});
    let other = Running::start().await;
    let (status, answer) = import(&other.person, archive.to_string().into_bytes()).await;
    assert_eq!((status, &answer["imported"]), (StatusCode::OK, &json!(1)), "{answer}");
    let note = answer["notes"][0].as_str().unwrap();
    assert!(
        note.starts_with("1 members beyond the format") && note.contains("log.entries[0]._weir.filters: "),
        "{note}"
    );
    let again = export(&other.person, "/api/v1/exchanges/export?reveal=true").await;
    let again: Value = serde_json::from_str(&again).unwrap();
    let entry = &again["log"]["entries"][0];
    assert_eq!(entry["_weir"]["interventions"], archive["log"]["entries"][0]["_weir"]["interventions"]);
    assert_eq!(entry["response"]["_weir"]["digest"], "ab".repeat(32));
    assert_eq!(other.person.ids("is:edited", 10).await.len(), 1);
}

#[tokio::test]
async fn files_of_browsers_are_imported_and_come_out_valid() {
    let running = Running::start().await;
    let person = &running.person;
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../har/testdata");
    for (name, count) in [("chrome", 4), ("firefox", 3), ("safari", 2), ("charles", 2)] {
        let (status, answer) = import(person, std::fs::read(testdata.join(format!("{name}.har"))).unwrap()).await;
        assert_eq!((status, &answer["imported"]), (StatusCode::OK, &json!(count)), "{name}: {answer}");
        if name == "chrome" {
            assert_eq!(answer["creator"], "WebInspector 537.36");
            assert_eq!(answer["messages"], 2, "{answer}");
            assert_eq!(answer["notes"].as_array().unwrap().len(), 1, "{answer}");
        }
    }
    assert_eq!(person.ids("agent:import", 50).await.len(), 11);
    assert_eq!(person.ids("tag:_import.creator=Firefox*", 50).await.len(), 3);
    assert_eq!(person.ids("host:shop.example status:200", 50).await.len(), 1);
    let first = export(person, "/api/v1/exchanges/export?reveal=true").await;
    validate(&first);
    let other = Running::start().await;
    assert_eq!(import(&other.person, first.clone()).await.0, StatusCode::OK);
    let second = export(&other.person, "/api/v1/exchanges/export?reveal=true").await;
    assert_eq!(bare(&second), bare(&first));
}

#[tokio::test]
async fn a_file_with_a_fault_leaves_nothing_behind() {
    let running = Running::start().await;
    let person = &running.person;
    let good =
        json!({"startedDateTime": "2026-11-20T09:00:00Z", "request": {"method": "GET", "url": "http://a.example/"}});
    let mut entries = vec![good; 700];
    entries[650]["request"]["url"] = json!(7);
    let archive = json!({"log": {"entries": entries}}).to_string();
    let (status, problem) = import(person, archive).await;
    assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("urn:weir:problem:entry")));
    assert_eq!(problem["errors"][0]["pointer"], "/log/entries/650/request/url");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("nothing was imported: log.entries[650].request.url: invalid type"), "{detail}");
    let (status, problem) = import(person, "{}").await;
    assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("urn:weir:problem:archive")));
    assert!(person.ids("", 10).await.is_empty());
    let request = person.request(Method::POST, "/api/v1/exchanges/import").header("content-type", "text/html");
    assert_eq!(request.body("{}").send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let left: Vec<_> = std::fs::read_dir(running.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("tmp")), "{left:?}");
}

#[tokio::test]
async fn exports_are_of_what_was_asked_for() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let many: Vec<Exchange> = (0..1203)
        .map(|n| exchange(if n % 2 == 0 { "even.example" } else { "odd.example" }, &format!("/{n}"), 200))
        .collect();
    for part in many.chunks(300) {
        agent.record(part.to_vec()).await;
    }
    let paths = |text: &str| -> Vec<String> {
        let archive: Value = serde_json::from_str(text).unwrap();
        let entries = archive["log"]["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["request"]["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    let get = |query: &str| {
        let (person, path) = (running.person.clone(), format!("/api/v1/exchanges/export{query}"));
        async move { export(&person, &path).await }
    };
    assert_eq!(paths(&get("").await), (0..1203).map(|n| n.to_string()).collect::<Vec<_>>(), "oldest first");
    let even: Vec<String> = (0..1203).step_by(2).map(|n| n.to_string()).collect();
    assert_eq!(paths(&get("?query=host:even.example").await), even);
    assert_eq!(paths(&get("?query=host:even.example&limit=550").await), even[even.len() - 550..]);
    assert_eq!(paths(&get("?query=host:none.example").await), [""; 0]);
    for wrong in ["?query=status:x", "?limit=0", "?limit=100001", "?format=pcap", "?quary=x"] {
        let (status, problem) = running.person.ask(&format!("/api/v1/exchanges/export{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong} {problem}");
    }
    // Whoever goes away frees his turn; there are few.
    for _ in 0..10 {
        let begun = running.person.request(Method::GET, "/api/v1/exchanges/export?format=curl").send().await.unwrap();
        assert!([200, 429].contains(&begun.status().as_u16()));
        drop(begun);
    }
    let freed = crate::harness::eventually(
        || running.person.request(Method::GET, "/api/v1/exchanges/export?query=path:/7").send(),
        |answer| answer.as_ref().unwrap().status() == StatusCode::OK,
    )
    .await;
    assert!(freed.is_ok());
}

#[tokio::test]
async fn an_export_that_cannot_go_on_is_cut_off() {
    let running = Running::start().await;
    running.agent().await.record(traffic()).await;
    // Not packed as it says it is.
    running.dir.sql("UPDATE exchanges SET coding = 1 WHERE coding = 0").await;
    let begun = running.person.request(Method::GET, "/api/v1/exchanges/export").send().await;
    let whole = match begun {
        Ok(begun) => begun.bytes().await,
        Err(error) => Err(error),
    };
    assert!(whole.is_err(), "nobody takes a part for the whole");
}

/// Takes one request and gives its bytes.
fn origin() -> (std::net::SocketAddr, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let taken = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(head) = head {
                let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                if bytes.len() >= head + 4 + length.unwrap_or(0) {
                    break;
                }
            }
            match client.read(&mut chunk).unwrap() {
                0 => break,
                count => bytes.extend_from_slice(&chunk[..count]),
            }
        }
        client.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        bytes
    });
    (address, taken)
}

#[tokio::test]
async fn a_curl_command_sends_the_same_bytes_again() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let long: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let cases: Vec<(&str, &str, Vec<Field>, Vec<u8>)> = vec![
        ("GET", "/", vec![field("Accept", b"*/*"), field("User-Agent", b"it's \"$HOME\" `id` \\ !")], vec![]),
        ("GET", "/a/../b/./c?x={1,2}&y=[3-5]&z='q'|%00", vec![], vec![]),
        ("GET", "/caf\u{e9}#top x", vec![field("X-Empty", b""), field("X-Latin", b"caf\xe9 '%s\\n'")], vec![]),
        ("OPTIONS", "*", vec![field("X-A", b"1"), field("X-A", b"2")], vec![]),
        ("HEAD", "/", vec![field("Accept-Encoding", b"gzip, br")], vec![]),
        ("DELETE", "/x", vec![field("Authorization", b"Bearer a")], vec![]),
        (
            "POST",
            "/form",
            vec![field("Content-Type", b"text/plain"), field("Content-Length", b"23")],
            b"@file 'a' $(id)\n`x`\t\\n%".to_vec(),
        ),
        (
            "PUT",
            "/bytes",
            vec![field("Content-Length", b"4"), field("Expect", b"100-continue")],
            b"\0\xff\r\n".to_vec(),
        ),
        ("POST", "/escape", vec![field("Content-Length", b"6")], b"\x1b[2J\x07\r".to_vec()),
        ("PATCH", "/long", vec![field("Content-Length", b"200000"), field("Cookie", b"a=b; c=d")], long),
    ];
    for (method, path, mut headers, body) in cases {
        let (address, taken) = origin();
        headers.insert(0, field("Host", address.to_string().as_bytes()));
        let request = Request {
            method: method.into(),
            scheme: "http".into(),
            authority: address.to_string(),
            path: path.into(),
            version: "HTTP/1.1".into(),
            headers,
            body: Some(Body { size: body.len() as u64, data: body.into(), ..Body::default() }),
            trailers: vec![],
        };
        let mut expect = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
        for field in &request.headers {
            let space = if field.value.is_empty() { "" } else { " " };
            expect.extend([field.name.as_bytes(), b":", space.as_bytes(), &field.value, b"\r\n"].concat());
        }
        expect.extend_from_slice(b"\r\n");
        expect.extend_from_slice(&request.body.as_ref().unwrap().data);
        let exchange = Exchange { request: Some(request), ..exchange("", "", 200) };
        agent.record(vec![exchange.clone()]).await;
        let path = format!("/api/v1/exchanges/{}/export?format=curl&reveal=true", id(&exchange));
        let script = running.person.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
        let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
        assert!(script.chars().all(printable), "it commands no terminal: {script}");
        let mut shell = Command::new("/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .env("HOME", "/nonexistent")
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let status = tokio::task::spawn_blocking(move || shell.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{script}");
        let sent = tokio::task::spawn_blocking(move || taken.join()).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&sent), String::from_utf8_lossy(&expect), "{script}");
        assert_eq!(sent, expect);
    }
}

#[tokio::test]
async fn raw_messages_are_parsed_by_others() {
    let running = Running::start().await;
    let mut plain = exchange("a.example", "/x", 200);
    plain.response = Some(Response {
        status: 200,
        headers: vec![field("Transfer-Encoding", b"chunked"), field("X", b"1")],
        body: Some(Body { data: b"hello"[..].into(), size: 5, ..Body::default() }),
        trailers: vec![field("x-sum", b"7")],
        ..Response::default()
    });
    running.agent().await.record(vec![plain.clone()]).await;
    let path = format!("/api/v1/exchanges/{}/export?format=raw", id(&plain));
    let answer = running.person.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    let expect = "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n";
    assert_eq!(answer.text().await.unwrap(), expect);
}
