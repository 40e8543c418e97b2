//! Exchanges in, exchanges out.

use reqwest::Method;
use serde_json::json;
use weir_proto::v1::{Body, Connection, Exchange, Field, Outcome, Receipt, TrafficBatch};

use crate::harness::{Running, exchange, id};

fn whole() -> Exchange {
    let mut exchange = exchange("API.example.com:8443", "/users?x=1", 201);
    exchange.connection = Some(Connection {
        client_address: "192.0.2.7:5000".into(),
        entry: "connect".into(),
        tunnel_target: "api.example.com:8443".into(),
        intercepted: true,
        ..Connection::default()
    });
    let request = exchange.request.as_mut().unwrap();
    request.method = "POST".into();
    request.headers = vec![
        Field { name: "X-Bytes".into(), value: vec![b'a', 0xff].into() },
        Field { name: "X-Bytes".into(), value: b"b"[..].into() },
    ];
    request.body = Some(Body { data: b"hello"[..].into(), size: 5, ..Body::default() });
    let mut filtered = request.clone();
    filtered.body = Some(Body { data: b"HELLO"[..].into(), size: 5, ..Body::default() });
    exchange.filtered_request = Some(filtered);
    let response = exchange.response.as_mut().unwrap();
    response.headers = vec![Field { name: "content-type".into(), value: b"text/html; charset=utf-8"[..].into() }];
    response.body = Some(Body { data: b"<script>alert(1)</script>".repeat(50).into(), size: 9999, ..Body::default() });
    response.trailers = vec![Field { name: "x-sum".into(), value: b"1"[..].into() }];
    exchange.upstream_address = "203.0.113.9:8443".into();
    exchange.filters = vec![Receipt {
        name: "block".into(),
        version: 3,
        digest: "sha256:00".into(),
        verdict: "next".into(),
        error: String::new(),
        changed: true,
        took_ns: 1500,
        changes: vec!["request-head".into()],
    }];
    exchange.outcome = Outcome::ClientGone.into();
    exchange.error = "the client went away".into();
    exchange
}

#[tokio::test]
async fn an_exchange_is_found_in_the_list_and_whole() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let exchange = whole();
    agent.record(vec![exchange.clone()]).await;

    let list = running.person.get("/api/v1/exchanges").await;
    let item = &list["items"][0];
    let expect = json!({
        "id": id(&exchange), "agent": agent.id, "agent_name": "edge-1", "started": item["started"],
        "duration_us": 1500, "first_byte_us": 900, "method": "POST", "scheme": "https",
        "authority": "API.example.com:8443", "host": "api.example.com", "path": "/users?x=1",
        "url": "https://API.example.com:8443/users?x=1", "version": "HTTP/1.1", "status": 201, "request_bytes": 5,
        "response_bytes": 9999, "content_type": "text/html; charset=utf-8", "outcome": "client-gone",
        "error": "the client went away", "client": "192.0.2.7:5000", "filters": ["block"],
        "replay_of": null,
    });
    assert_eq!(item, &expect);
    assert_eq!(list["next"], json!(null));
    let started = item["started"].as_str().unwrap();
    assert!(started.ends_with('Z') && started.len() == "2026-01-01T00:00:00.000000Z".len(), "{started}");

    let one = running.person.get(&format!("/api/v1/exchanges/{}", id(&exchange))).await;
    assert_eq!(one["request"]["headers"], json!([["X-Bytes", "a\u{ff}"], ["X-Bytes", "b"]]));
    let digest = weir_artifact::Digest::of(&b"<script>alert(1)</script>".repeat(50));
    let body =
        json!({"size": 9999, "captured": 1250, "digest": digest.to_string(), "whole_digest": null, "redacted": false});
    assert_eq!(one["response"]["body"], body);
    assert_eq!(one["response"]["trailers"], json!([["x-sum", "1"]]));
    assert_eq!(one["connection"]["tunnel_target"], "api.example.com:8443");
    assert_eq!(one["connection"]["user"], json!(null));
    assert_eq!(one["original_response"], json!(null));
    let receipt = &one["receipts"][0];
    assert_eq!((&receipt["changed"], &receipt["changes"]), (&json!(true), &json!(["request-head"])));
    assert_eq!(receipt["took_us"], 1.5);
    assert_eq!(one["upstream_address"], "203.0.113.9:8443");
}

#[tokio::test]
async fn bodies_are_data_and_never_a_page_of_ours() {
    let running = Running::start().await;
    let exchange = whole();
    running.agent().await.record(vec![exchange.clone()]).await;
    let base = format!("/api/v1/exchanges/{}", id(&exchange));
    let get = |path: &str| running.person.request(Method::GET, &format!("{base}{path}")).send();

    let page = get("/response/body").await.unwrap();
    let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-disposition").starts_with("attachment"));
    assert!(header("content-security-policy").contains("sandbox"));
    assert_eq!((header("weir-body-size"), header("weir-body-truncated")), ("9999".into(), "true".into()));
    assert_eq!(page.bytes().await.unwrap(), b"<script>alert(1)</script>".repeat(50));

    let sent = get("/request/body").await.unwrap();
    assert_eq!(sent.headers()["content-type"], "application/octet-stream");
    assert_eq!(sent.headers()["weir-body-truncated"], "false");
    assert_eq!(sent.bytes().await.unwrap(), "hello");
    assert_eq!(get("/request/body?side=filtered").await.unwrap().bytes().await.unwrap(), "HELLO");
    assert_eq!(get("/response/body?side=original").await.unwrap().status(), 404);
    assert_eq!(get("/request/body?side=original").await.unwrap().status(), 400);
    assert_eq!(get("/request/body?side=both").await.unwrap().status(), 400);
}

#[tokio::test]
async fn what_is_delivered_twice_is_stored_once() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let exchanges: Vec<Exchange> = (0..70).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    agent.record(exchanges.clone()).await;
    agent.record(exchanges[10..40].to_vec()).await;
    // Nor under another agent's name.
    running.agent().await.record(exchanges[..5].to_vec()).await;
    let mut found = running.person.ids("", 50).await;
    assert_eq!(found.len(), 70);
    found.reverse();
    assert_eq!(found, exchanges.iter().map(id).collect::<Vec<_>>(), "newest first");
    let owner = running.person.get("/api/v1/exchanges?limit=500").await;
    assert!(owner["items"].as_array().unwrap().iter().all(|item| item["agent"] == json!(agent.id)));
}

#[tokio::test]
async fn batches_are_answered_in_order() {
    let running = Running::start().await;
    let mut traffic = running.agent().await.traffic().await.unwrap();
    let send = traffic.send.clone();
    tokio::spawn(async move {
        for batch in 0..200 {
            let exchanges = (0..batch % 4).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
            send.send(TrafficBatch { batch, exchanges, ..TrafficBatch::default() }).await.unwrap();
        }
    });
    for batch in 0..200 {
        assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, batch);
    }
    assert_eq!(running.person.ids("", 500).await.len(), 300);
}
