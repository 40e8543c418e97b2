//! The query grammar over stored exchanges, and listings page by page.

use serde_json::json;
use weir_proto::v1::{Body, Connection, Exchange, Field, Outcome, Receipt};

use crate::harness::{Running, exchange, id};

fn traffic() -> Vec<Exchange> {
    let mut plain = exchange("a.example.com", "/one?x=/two", 200);
    plain.connection = Some(Connection {
        entry: "socks5".into(),
        user: "Ann".into(),
        client_address: "192.0.2.7:51034".into(),
        ..Connection::default()
    });
    plain.request.as_mut().unwrap().headers = vec![Field { name: "X-Team".into(), value: b"red"[..].into() }];
    let mut json = exchange("b.Example.com:8443", "/two", 404);
    let headers = &mut json.response.as_mut().unwrap().headers;
    headers.push(Field { name: "Content-Type".into(), value: b"application/hal+json; charset=utf-8"[..].into() });
    json.response.as_mut().unwrap().body =
        Some(Body { data: b"{\"Token\": 7}"[..].into(), size: 2048, ..Body::default() });
    json.request.as_mut().unwrap().version = "HTTP/2".into();
    json.duration_us = 300_000;
    json.filters = vec![Receipt { name: "block".into(), verdict: "next".into(), changed: true, ..Receipt::default() }];
    let mut failed = exchange("example.com", "/[three]*", 200);
    failed.response = None;
    failed.outcome = Outcome::UpstreamFailed.into();
    failed.error = "connection refused".into();
    failed.request.as_mut().unwrap().method = "POST".into();
    failed.request.as_mut().unwrap().scheme = "http".into();
    vec![plain, json, failed]
}

#[tokio::test]
async fn every_field_finds_what_it_says() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let traffic = traffic();
    agent.record(traffic.clone()).await;
    let ids: Vec<String> = traffic.iter().map(id).collect();
    let by_id = format!("id:{}", ids[1]);
    let by_agent = format!("agent:{}", agent.id);
    let by_start = format!("id:{}*", &ids[2][..30]);
    for (query, expect) in [
        ("", "012"),
        ("host:example.com", "2"),
        ("host:B.example.COM", "1"),
        ("host:*.example.com", "01"),
        ("path:/two", "1"),
        ("path:/one", "0"),
        ("path:*three*", "2"),
        (r"path:/\[three\]\*", "2"),
        ("path:/t*", "1"),
        ("method:post", "2"),
        ("-method:GET", "2"),
        ("scheme:https", "01"),
        ("status:404", "1"),
        ("status:2xx", "0"),
        ("-status:2xx", "12"),
        ("status:>=200", "01"),
        ("type:json", "1"),
        ("type:application/*", "1"),
        ("size:>1KiB", "1"),
        ("size:0", "0"),
        ("duration:>200ms", "1"),
        ("outcome:upstream-failed", "2"),
        ("outcome:*failed", "2"),
        ("error:*refused*", "2"),
        ("-error:*", "01"),
        ("filter:block", "1"),
        ("filter:b*k", "1"),
        ("user:Ann", "0"),
        ("user:ann", ""),
        ("user:*", "0"),
        ("entry:socks5", "0"),
        ("agent:edge-1", "012"),
        (&by_agent, "012"),
        ("agent:other", ""),
        (&by_id, "1"),
        (&by_start, "2"),
        ("header.x-team:red", "0"),
        ("header.x-team:blue", ""),
        ("-header.x-team:red", "12"),
        ("header.x-team:red or status:404", "01"),
        ("host:*.example.com -header.x-team:red", "1"),
        ("(host:example.com or status:404) -filter:block", "2"),
        ("host:a.example.com status:200 method:GET", "0"),
        ("not (status:404 or outcome:upstream-failed)", "0"),
        ("two", "01"),
        ("\"x=/TWO\"", "0"),
        ("url:https://b.example.com:8443/two", "1"),
        ("host~^[ab][.] or host~^x", "01"),
        ("host:*.example.com -host:a.*", "1"),
        (r#"path~"^/(one|two)$" status:2xx"#, "0"),
        ("client:192.0.2.7", "0"),
        ("request.size:0 status:4xx", "1"),
        ("header.content-type:*json*", "1"),
        ("request.header.content-type:*", ""),
        ("response.header.content-type~json", "1"),
        ("body:token", "1"),
        ("request.body:token", ""),
        (r#"response.body~"\btoken\": \d""#, "1"),
        ("filter:block=changed", "1"),
        ("filter:block=failed", ""),
        ("is:error", "2"),
        ("is:h2 is:truncated is:changed", "1"),
        ("is:tls -is:h2", "0"),
        ("after:-1h before:-0s", "012"),
        ("before:2020-01-01", ""),
    ] {
        let mut found = running.person.ids(query, 2).await;
        found.reverse();
        let expect: Vec<String> = expect.chars().map(|n| ids[n.to_digit(10).unwrap() as usize].clone()).collect();
        assert_eq!(found, expect, "{query}");
    }
}

#[tokio::test]
async fn pages_do_not_repeat_when_more_comes_in() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let first: Vec<Exchange> = (0..25).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    agent.record(first.clone()).await;
    let page = running.person.get("/api/v1/exchanges?limit=10&query=host:a.example").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 10);
    agent.record(vec![exchange("a.example", "/later", 200)]).await;
    let next = page["next"].as_str().unwrap();
    let rest = running.person.get(&format!("/api/v1/exchanges?limit=500&query=host:a.example&cursor={next}")).await;
    let rest: Vec<_> = rest["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    let expect: Vec<_> = first[..15].iter().rev().map(|exchange| json!(id(exchange))).collect();
    assert_eq!(rest, expect);
}

#[tokio::test]
async fn a_fault_says_where() {
    let running = Running::start().await;
    for (path, word, column) in [
        ("query=host:a%20hots:b", "bad-query", json!(8)),
        ("query=(", "bad-query", json!(2)),
        ("query=host:a%20path~%22%5B%22", "bad-query", json!(14)),
        ("limit=0", "bad-request", json!(null)),
        ("limit=501", "bad-request", json!(null)),
        ("limit=x", "bad-request", json!(null)),
        ("cursor=zzz", "bad-request", json!(null)),
        ("cursor=%00", "bad-request", json!(null)),
        ("quarry=x", "bad-request", json!(null)),
    ] {
        let (status, problem) = running.person.ask(&format!("/api/v1/exchanges?{path}")).await;
        assert_eq!(status, 400, "{path}");
        assert_eq!(problem["type"], format!("urn:weir:problem:{word}"), "{problem}");
        assert_eq!(problem["column"], column, "{problem}");
    }
}

#[tokio::test]
async fn a_page_says_how_far_it_looked() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let traffic: Vec<Exchange> = (0..5).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    agent.record(traffic.clone()).await;
    let page = running.person.get("/api/v1/exchanges?limit=2").await;
    let third = uuid::Uuid::parse_str(&id(&traffic[3])).unwrap().get_timestamp().unwrap().to_unix();
    let to = page["searched_to"].as_str().unwrap();
    let ms = format!(".{:03}000Z", third.1 / 1_000_000);
    assert!(to.ends_with(&ms), "{to} is not at {ms}");
    let all = running.person.get("/api/v1/exchanges?limit=5").await;
    assert_eq!((&all["next"], &all["searched_to"]), (&json!(null), &json!(null)));
}
