//! What is changed at one holds at all, in one order, and is carried out once.

use std::time::Duration;

use serde_json::json;

use super::beside;
use crate::{
    component::filter_noted,
    harness::{Publisher, Running, eventually, publication},
};

#[tokio::test]
async fn what_is_pushed_at_one_reaches_the_agents_of_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut control = agent.sync().await.unwrap();
    assert_eq!(control.state().await.unwrap().revision, 0);
    let publisher = Publisher::new(&one.person);
    let began = std::time::Instant::now();
    for version in 1..=13 {
        let component = filter_noted(&version.to_string());
        assert_eq!(publisher.publish(publication(&component, version), Some(&component)).await.0, 201);
        assert_eq!(control.state().await.unwrap().revision, version);
    }
    // A look every 5 s would find each of them but the first after 5 s.
    assert!(began.elapsed() < Duration::from_secs(50), "it is notified, not found by a look: {:?}", began.elapsed());
    // One sees that the agent is connected, to the other.
    let agents = || one.person.get("/api/v1/agents");
    eventually(agents, |agents| agents["items"][0]["state"] == "connected").await;
    drop(control);
    eventually(agents, |agents| agents["items"][0]["state"] == "disconnected").await;
}

#[tokio::test]
async fn statements_that_race_have_one_order() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let publisher = Publisher::new(&one.person);
    let elsewhere = Publisher::new(&two.person);
    let mut control = two.agent().await.sync().await.unwrap();
    let mut newest = 0;
    for version in (1..20).step_by(2) {
        let (a, b) = (filter_noted(&format!("{version}")), filter_noted(&format!("{version}+")));
        let (first, second) = (publication(&a, version), publication(&b, version + 1));
        let (here, there) = tokio::join!(publisher.publish(first, Some(&a)), elsewhere.publish(second, Some(&b)));
        // The older one may have come too late; the newer one never does.
        assert!([201, 409].contains(&here.0.as_u16()) && there.0 == 201, "{here:?} {there:?}");
        let revisions = [&here.1["revision"], &there.1["revision"]].map(|revision| revision.as_u64().unwrap_or(0));
        assert!(revisions[0] != revisions[1] && revisions.iter().all(|r| *r == 0 || *r > newest), "{revisions:?}");
        newest = revisions[0].max(revisions[1]);
        while control.state().await.unwrap().revision != revisions[1] {}
    }
}

/// Whichever of them a request reaches, and when: it is carried out once.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_to_all_is_carried_out_once() {
    let one = Running::start().await;
    let two = beside(&one).await;
    for round in 0..5 {
        let (key, body) = (uuid::Uuid::new_v4().to_string(), json!({"name": format!("at-{round}"), "role": "viewer"}));
        let all = (0..10).map(|n| {
            let person = if n % 2 == 0 { &one.person } else { &two.person };
            let request = person.request(reqwest::Method::POST, "/api/v1/tokens");
            request.header("idempotency-key", &key).json(&body).send()
        });
        let mut made = Vec::new();
        for answer in futures_util::future::join_all(all).await {
            let answer = answer.unwrap();
            match answer.status().as_u16() {
                201 => made.push(answer.json::<serde_json::Value>().await.unwrap()["token"].clone()),
                status => assert_eq!(status, 409),
            }
        }
        assert!(!made.is_empty() && made.iter().all(|token| *token == made[0]), "{made:?}");
        let listed = two.person.get("/api/v1/tokens").await;
        assert_eq!(listed["items"].as_array().unwrap().len(), round + 1);
    }
}

/// Whichever of them a change reaches, what it changes is what its sender saw.
#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_saw_the_same_one_changes_it_at_any() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let people = [&one.person, &two.person];
    crate::retention::race(&people).await;
    crate::once::race(&one, &people).await;
    crate::annotations::race(&one, &people).await;
}
