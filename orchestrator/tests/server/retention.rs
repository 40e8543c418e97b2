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

/// Whoever changes what they saw changes that, or nothing; of several who saw the same, one does.
#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_saw_the_same_rules_one_changes_them() {
    let running = Running::start().await;
    race(&[&running.person]).await;
}

/// Each round all of them see the same rules and set others, all at once.
pub(crate) async fn race(people: &[&Person]) {
    for round in 0..10 {
        let person = people[0];
        let seen = person.request(Method::GET, "/api/v1/retention").send().await.unwrap();
        let tag = seen.headers()["etag"].to_str().unwrap().to_owned();
        let all = (0..8).map(|n| {
            let wanted =
                json!({"rules": [{"action": "drop", "query": format!("host:r{round}n{n}.example"), "after_s": 9}]});
            let request = people[n % people.len()].request(Method::PUT, "/api/v1/retention").header("if-match", &tag);
            async move { (request.json(&wanted).send().await.unwrap(), wanted) }
        });
        let mut done = Vec::new();
        for (answer, wanted) in futures_util::future::join_all(all).await {
            match answer.status() {
                StatusCode::OK => done.push((answer.headers()["etag"].to_str().unwrap().to_owned(), wanted)),
                status => assert_eq!(status, StatusCode::PRECONDITION_FAILED),
            }
        }
        assert_eq!(done.len(), 1, "{done:?}");
        let (tag, wanted) = &done[0];
        for person in people {
            let now = person.request(Method::GET, "/api/v1/retention").send().await.unwrap();
            assert_eq!(now.headers()["etag"], tag.as_str(), "the answer to a change has the tag that counts now");
            assert_eq!(now.json::<Value>().await.unwrap()["rules"], wanted["rules"]);
        }
    }
}

#[tokio::test]
async fn a_condition_that_nobody_would_look_at_is_refused() {
    let running = Running::start().await;
    let person = &running.person;
    let (_, made) = person.post("/api/v1/tokens", &json!({"name": "ci", "role": "viewer"})).await;
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    let delete = |tag| person.request(Method::DELETE, &path).header("if-match", tag).send();
    let refused = delete("\"0123\"").await.unwrap();
    assert_eq!(refused.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(person.get("/api/v1/tokens").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(delete("*").await.unwrap().status(), StatusCode::NO_CONTENT);
    let weak = person.request(Method::GET, "/api/v1/retention").send().await.unwrap();
    let weak = format!("W/{}", weak.headers()["etag"].to_str().unwrap());
    let put = |tag: &str| {
        let request = person.request(Method::PUT, "/api/v1/retention").header("if-match", tag);
        request.json(&json!({"rules": []})).send()
    };
    assert_eq!(put(&weak).await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(put("*").await.unwrap().status(), StatusCode::OK);
}
