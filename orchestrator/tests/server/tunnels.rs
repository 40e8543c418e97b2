//! Tunnels and client connections in, and out again.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_proto::v1::{ClientConnection, PassedTunnel, TrafficBatch};

use crate::harness::{Agent, Running};

fn id() -> prost::bytes::Bytes {
    Uuid::now_v7().into_bytes().to_vec().into()
}

fn tunnel(target: &str) -> PassedTunnel {
    PassedTunnel {
        id: id(),
        started_us: 1_000_000,
        duration_us: 5,
        target: target.into(),
        outcome: "ended".into(),
        ..PassedTunnel::default()
    }
}

async fn tell(agent: &Agent, tunnels: Vec<PassedTunnel>, connections: Vec<ClientConnection>) {
    let mut traffic = agent.traffic().await.unwrap();
    let batch = TrafficBatch { batch: 1, tunnels, connections, ..TrafficBatch::default() };
    traffic.send.send(batch).await.unwrap();
    assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, 1);
}

fn targets(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["target"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn tunnels_are_listed_by_host_and_agent_once_each() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let told = tunnel("A.example:443");
    tell(&one, vec![told.clone(), tunnel("b.example:22"), tunnel("[2001:db8::7]:443")], vec![]).await;
    tell(&one, vec![told.clone()], vec![]).await;
    // The same id of another agent is another tunnel.
    tell(&two, vec![PassedTunnel { target: "c.example:443".into(), ..told }], vec![]).await;
    let all = running.person.get("/api/v1/tunnels").await;
    assert_eq!(targets(&all), ["c.example:443", "[2001:db8::7]:443", "b.example:22", "A.example:443"]);
    assert_eq!(targets(&running.person.get("/api/v1/tunnels?host=a.EXAMPLE").await), ["A.example:443"]);
    assert_eq!(targets(&running.person.get("/api/v1/tunnels?host=2001:db8::7").await), ["[2001:db8::7]:443"]);
    let own = running.person.get(&format!("/api/v1/tunnels?agent={}&limit=2", one.id)).await;
    assert_eq!(targets(&own), ["[2001:db8::7]:443", "b.example:22"]);
    let rest = format!("/api/v1/tunnels?agent={}&limit=2&cursor={}", one.id, own["next"].as_str().unwrap());
    let rest = running.person.get(&rest).await;
    assert_eq!((targets(&rest), &rest["next"]), (vec!["A.example:443"], &json!(null)));
    assert_eq!(running.person.ask("/api/v1/tunnels?hosst=a").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn connections_are_listed_by_the_address_of_their_client() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let of = |address: &str, tls: &str| ClientConnection {
        id: id(),
        client_address: address.into(),
        tls_version: tls.into(),
        cipher_suite: "TLS_AES_256_GCM_SHA384".into(),
        exchanges: 7,
        ..ClientConnection::default()
    };
    let bad = ClientConnection { id: vec![1].into(), ..ClientConnection::default() };
    tell(&agent, vec![], vec![of("192.0.2.7:5000", "TLS 1.3"), bad, of("192.0.2.8:5000", "")]).await;
    let page = running.person.get("/api/v1/connections/ended?client=192.0.2.7").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let item = &page["items"][0];
    assert_eq!((&item["client"], &item["exchanges"]), (&json!("192.0.2.7:5000"), &json!(7)));
    let tls = json!({"version": "TLS 1.3", "cipher_suite": "TLS_AES_256_GCM_SHA384", "alpn": null});
    assert_eq!(item["tls"], tls);
    let all = running.person.get("/api/v1/connections/ended").await;
    assert_eq!((all["items"].as_array().unwrap().len(), &all["items"][0]["tls"]), (2, &json!(null)));
}
