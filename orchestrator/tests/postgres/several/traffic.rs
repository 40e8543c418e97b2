//! Exchanges that come to one are told at the other, each once.

use serde_json::json;

use super::beside;
use crate::{
    graphql::{look, socket::Socket},
    harness::{Running, exchange, id},
    metrics::report,
    sse::Stream,
};

#[tokio::test]
async fn who_follows_at_one_sees_each_exchange_of_both_once() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let mut stream = Stream::open(&one.person, "/api/v1/exchanges/stream?fields=id").await;
    let mut sent = Vec::new();
    let mut senders = Vec::new();
    for agent in [one.agent().await, two.agent().await] {
        let batches: Vec<Vec<_>> =
            (0..40).map(|n| (0..5).map(|m| exchange("a.example", &format!("/{n}/{m}"), 200)).collect()).collect();
        sent.extend(batches.iter().flatten().map(id));
        senders.push(tokio::spawn(async move {
            for batch in batches {
                agent.record(batch).await;
            }
        }));
    }
    let mut seen = Vec::new();
    while seen.len() < sent.len() {
        if seen.len() == 150 {
            // A place counts at every orchestrator.
            stream = Stream::go_on(&two.person, "/api/v1/exchanges/stream?fields=id", &stream.last).await;
        }
        let told = stream.told().await;
        assert_eq!(told.event, "exchange");
        seen.push(told.data["id"].as_str().unwrap().to_owned());
    }
    for sender in senders {
        sender.await.unwrap();
    }
    seen.sort();
    sent.sort();
    assert_eq!(seen, sent);
}

#[tokio::test]
async fn a_subscription_at_one_tells_what_comes_to_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut socket = Socket::ready(&one.person).await;
    socket.subscribe("x", "subscription { exchangeRecorded(query: \"status:5xx\") { id place agent { name } } }").await;
    socket.subscribe("m", "subscription { systemMetricsUpdated { agentId cpuUsagePercent } }").await;
    socket.subscribe("q", "{ __typename }").await;
    assert_eq!(socket.told().await["id"], "q");
    assert_eq!(socket.told().await["type"], "complete");
    let failed = exchange("a.example", "/", 500);
    agent.record(vec![exchange("a.example", "/", 200), failed.clone()]).await;
    let told = socket.told().await["payload"]["data"]["exchangeRecorded"].clone();
    assert_eq!((&told["id"], &told["agent"]["name"]), (&json!(id(&failed)), &json!("edge-1")));
    report(&agent, vec![look(0, 1)]).await;
    let looked = socket.told().await;
    assert_eq!(
        looked["payload"]["data"]["systemMetricsUpdated"],
        json!({"agentId": agent.id, "cpuUsagePercent": 12.5})
    );
    // And its place counts at the other.
    let later = exchange("a.example", "/", 502);
    agent.record(vec![later.clone()]).await;
    let mut there = Socket::ready(&two.person).await;
    there.subscribe("x", &format!("subscription {{ exchangeRecorded(after: {}) {{ id }} }}", told["place"])).await;
    assert_eq!(there.told().await["payload"]["data"]["exchangeRecorded"]["id"], id(&later));
}

#[tokio::test]
async fn what_is_delivered_to_both_is_stored_once() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let (here, there) = (one.agent().await, two.agent().await);
    let exchanges: Vec<_> = (0..300).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    let backwards = exchanges.iter().rev().cloned().collect();
    tokio::join!(here.record(exchanges.clone()), there.record(backwards));
    assert_eq!(one.person.ids("", 500).await.len(), 300);
}
