//! An agent's identity is taken away: it is heard no more, at once, and what it recorded stays.

use reqwest::{Method, StatusCode};
use tonic::{Code, Status};
use weir_proto::v1::TrafficBatch;

use crate::harness::{Running, eventually, exchange};

async fn revoke(running: &Running, id: &str) -> StatusCode {
    let request = running.person.request(Method::DELETE, &format!("/api/v1/agents/{id}"));
    request.send().await.unwrap().status()
}

fn is_revoked(status: &Status) -> bool {
    status.code() == Code::Unauthenticated && status.message().contains("revoked")
}

#[tokio::test]
async fn every_stream_of_a_revoked_agent_ends_and_none_begins() {
    let running = Running::start().await;
    let (agent, other) = (running.agent().await, running.agent().await);
    agent.record(vec![exchange("a.example", "/kept", 200)]).await;
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();
    let mut traffic = agent.traffic().await.unwrap();
    let mut others = other.sync().await.unwrap();
    others.state().await.unwrap();

    assert_eq!(revoke(&running, &agent.id.to_string()).await, StatusCode::NO_CONTENT);
    assert_eq!(revoke(&running, &agent.id.to_string()).await, StatusCode::NO_CONTENT, "once more changes nothing");
    assert!(is_revoked(&control.end().await));
    let batch =
        TrafficBatch { batch: 1, exchanges: vec![exchange("a.example", "/late", 200)], ..TrafficBatch::default() };
    let _ = traffic.send.send(batch).await;
    assert!(is_revoked(&traffic.acks.message().await.unwrap_err()));
    assert!(is_revoked(&agent.sync().await.map(drop).unwrap_err()));
    assert!(is_revoked(&agent.traffic().await.map(drop).unwrap_err()));
    let ca = running.person.join_token("default").await.ca;
    assert!(is_revoked(&agent.renewed(running.grpc, &ca).await.map(drop).unwrap_err()));

    let listed = eventually(
        || running.person.get("/api/v1/agents"),
        |listed| listed["items"][1]["state"] == "connected" && listed["items"][0]["state"] == "revoked",
    )
    .await;
    assert!(listed["items"][0]["revoked"].is_string() && listed["items"][1]["revoked"].is_null(), "{listed}");
    assert_eq!(running.person.ids("path:/kept", 10).await.len(), 1);
    assert!(running.person.ids("path:/late", 10).await.is_empty());
}

#[tokio::test]
async fn only_an_agent_can_be_revoked() {
    let running = Running::start().await;
    assert_eq!(revoke(&running, &uuid::Uuid::now_v7().to_string()).await, StatusCode::NOT_FOUND);
    assert_eq!(revoke(&running, "edge-1").await, StatusCode::NOT_FOUND);
    let unknown = running.person.http.delete(format!("{}/api/v1/agents/{}", running.person.base, uuid::Uuid::nil()));
    assert_eq!(unknown.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
