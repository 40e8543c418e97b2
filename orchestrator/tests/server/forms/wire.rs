//! curl commands and raw messages: the very bytes that were on the wire, for the programs of others.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Command, Stdio},
};

use reqwest::Method;
use weir_proto::v1::{Body, Exchange, Field, Request, Response};

use super::field;
use crate::harness::{Running, exchange, id};

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
