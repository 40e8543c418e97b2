//! Exchanges as others have them: HTTP Archives, curl commands, raw messages; out, and in again.

mod exports;
mod imports;
mod wire;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use reqwest::{Method, StatusCode};
use weir_proto::v1::{Body, Connection, Exchange, Field, Outcome, Receipt, Tag, tag};

use crate::harness::{Person, exchange};

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
