//! An agent that means harm, or is broken: refused, and nobody else notices.

use prost::bytes::Bytes;
use weir_proto::v1::{Body, Exchange, Field, TrafficBatch};

use crate::harness::{Running, exchange};

#[tokio::test]
async fn what_is_no_exchange_is_left_out_and_the_rest_is_stored() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let good = exchange("good.example", "/", 200);
    let bad = [
        Exchange { id: Bytes::from_static(b"short"), ..good.clone() },
        Exchange { id: vec![0xff; 16].into(), ..good.clone() },
        Exchange { started_us: u64::MAX, id: new_id(), ..good.clone() },
        Exchange { request: None, id: new_id(), ..good.clone() },
        Exchange { id: new_id(), ..exchange("a", "/", 70_000) },
    ];
    let mut all = bad.to_vec();
    all.push(good);
    agent.record(all).await;
    let list = running.person.get("/api/v1/exchanges").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let metrics = running.person.http.get(format!("{}/metrics", running.person.base)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("weir_orchestrator_exchanges_total{kind=\"refused\"} 5"), "{metrics}");
    assert!(metrics.contains("weir_orchestrator_exchanges_total{kind=\"stored\"} 1"), "{metrics}");
}

#[tokio::test]
async fn odd_but_possible_exchanges_can_be_read() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut odd = exchange("[::1", "/\u{0}'\"; DROP TABLE exchanges; --", 999);
    odd.duration_us = 0;
    odd.outcome = 4711;
    odd.error = "\u{202e}\r\nSet-Cookie: x".into();
    let request = odd.request.as_mut().unwrap();
    request.body = Some(Body { data: Bytes::new(), size: u64::MAX, ..Body::default() });
    request.headers = vec![Field { name: "\r\n".into(), value: vec![0, 255].into() }];
    let response = odd.response.as_mut().unwrap();
    response.headers = vec![Field { name: "content-type".into(), value: b"text/html\r\nx: y"[..].into() }];
    let mut long = exchange("long.example", &"/long".repeat(100_000), 200);
    long.response.as_mut().unwrap().body =
        Some(Body { data: vec![7; 1 << 20].into(), size: 1 << 40, ..Body::default() });
    agent.record(vec![odd, long]).await;

    let list = running.person.get("/api/v1/exchanges").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(list["items"][1]["outcome"], "unknown");
    for item in list["items"].as_array().unwrap() {
        let path = format!("/api/v1/exchanges/{}", item["id"].as_str().unwrap());
        let one = running.person.get(&path).await;
        assert_eq!(one["id"], item["id"]);
        let body = running.person.request(reqwest::Method::GET, &format!("{path}/response/body")).send().await.unwrap();
        assert_eq!(body.status(), 200);
    }
    assert_eq!(list["items"][0]["path"].as_str().unwrap().len(), 8 << 10);
}

#[tokio::test]
async fn a_message_beyond_the_bound_ends_the_stream_only() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut traffic = agent.traffic().await.unwrap();
    let mut huge = exchange("a.example", "/", 200);
    huge.response.as_mut().unwrap().body =
        Some(Body { data: vec![0; 17 << 20].into(), size: 17 << 20, ..Body::default() });
    let _ = traffic.send.send(TrafficBatch { batch: 1, exchanges: vec![huge], ..TrafficBatch::default() }).await;
    assert!(traffic.acks.message().await.is_err());
    agent.record(vec![exchange("a.example", "/", 200)]).await;
    assert_eq!(running.person.ids("", 10).await.len(), 1);
}

fn new_id() -> Bytes {
    uuid::Uuid::now_v7().into_bytes().to_vec().into()
}
