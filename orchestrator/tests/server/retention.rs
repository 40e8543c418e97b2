//! Rules of retention: set by REST, followed at once, for every orchestrator on the database.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Person, Running, eventually, exchange};

async fn set(person: &Person, rules: Value) -> (StatusCode, Value) {
    let request = person.request(Method::PUT, "/api/v1/retention").json(&json!({ "rules": rules }));
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn rules_are_followed_when_they_are_set() {
    let running = Running::start().await;
    let person = &running.person;
    let hosts = ["static.example", "a.example"];
    let all = (0..200).map(|n| exchange(hosts[n % 2], &format!("/{n}"), if n % 10 == 0 { 500 } else { 200 }));
    running.agent().await.record(all.collect()).await;
    let rules = json!([
        {"action": "keep", "query": "status:5xx"},
        {"action": "drop", "query": "host:static.example", "after_s": 0},
    ]);
    let (status, answer) = set(person, rules.clone()).await;
    assert_eq!((status, &answer["rules"]), (StatusCode::OK, &rules), "{answer}");
    let there = || person.ids("", 500);
    assert_eq!(eventually(there, |ids| ids.len() <= 120).await.len(), 120);
    assert_eq!(person.ids("host:static.example", 500).await.len(), 20, "what failed is kept");
    let told = person.get("/api/v1/retention").await;
    assert_eq!((&told["held"]["exchanges"], &told["rules"]), (&json!(120), &rules));
    assert_eq!(told["bounds"]["age_s"], 720 * 3600);
    // They are in the database.
    let running = Running::start_in(running.stop().await, |args| args).await;
    assert_eq!(running.person.get("/api/v1/retention").await["rules"], rules);
    let trail = running.person.get("/api/v1/audit").await;
    assert!(trail.to_string().contains("PUT /api/v1/retention"), "{trail}");
}

#[tokio::test]
async fn a_rule_that_is_wrong_changes_nothing_and_says_where() {
    let running = Running::start().await;
    let person = &running.person;
    let good = json!({"action": "drop", "query": "host:x", "after_s": 60});
    assert_eq!(set(person, json!([good])).await.0, StatusCode::OK);
    for (wrong, pointer) in [
        (json!({"action": "drop", "query": "status:abc"}), "/rules/1/query"),
        (json!({"action": "drop", "query": " "}), "/rules/1/query"),
        (json!({"action": "drop", "query": "x".repeat(5000)}), "/rules/1/query"),
        (json!({"action": "keep", "query": "host:x", "after_s": 1}), "/rules/1/after_s"),
        (json!({"action": "drop", "query": "host:x", "after_s": u64::MAX}), "/rules/1/after_s"),
    ] {
        let (status, problem) = set(person, json!([good, wrong])).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    for wrong in
        [json!([{"action": "hide", "query": "host:x"}]), json!([{"action": "drop"}]), json!(vec![good.clone(); 65])]
    {
        let (status, problem) = set(person, wrong).await;
        assert!(status.is_client_error(), "{problem}");
    }
    assert_eq!(person.get("/api/v1/retention").await["rules"], json!([good]));
}
