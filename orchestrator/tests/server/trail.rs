//! The audit trail: what is done leaves an entry, granted or not and whoever hangs up, and so does a look at what is hidden.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::Field;

use crate::{
    access::{Operation, operations},
    harness::{Agent, JoinTicket, Running, eventually, exchange, id},
};

/// Whatever changes something leaves an entry, whether or not it comes to anything; whatever looks leaves none.
#[tokio::test]
async fn every_change_leaves_an_entry() {
    let running = Running::start().await;
    let admin = &running.person;
    let description = admin.get("/openapi.json").await;
    let mut changes = 0;
    for Operation { id, method, path } in operations(admin).await {
        let template = description["paths"].as_object().unwrap().iter().find_map(|(template, operations)| {
            (operations[method.as_str().to_lowercase()]["operationId"] == id.as_str()).then_some(template)
        });
        // It leaves one when it begins, whose file is not read to its end here.
        if id == "backUp" {
            continue;
        }
        let answer = admin.request(method.clone(), &path).json(&json!({})).send().await.unwrap();
        let (status, replayed) = (answer.status(), answer.headers().clone());
        drop(answer);
        let trail = admin.get("/api/v1/audit?limit=500").await;
        let entries = trail["items"].as_array().unwrap();
        if method != Method::GET && path.starts_with("/api/") {
            changes += 1;
            let newest = &entries[0];
            assert_eq!(newest["action"], format!("{method} {}", template.unwrap()), "{id} {replayed:?}");
            assert_eq!((&newest["status"], &newest["object"]), (&json!(status.as_u16()), &json!(path)), "{id}");
        }
        assert_eq!(entries.len(), changes, "{id}");
    }
    assert!(changes > 20, "{changes}");
    // Of GraphQL there is nothing that changes anything.
    let schema = admin.request(Method::GET, "/graphql/schema").send().await.unwrap().text().await.unwrap();
    assert!(schema.contains("query: Query") && !schema.contains("mutation:"), "{schema}");
}

/// What agents and whoever starts the server change is in the trail too.
#[tokio::test]
async fn an_agent_that_joins_and_a_new_admin_token_leave_an_entry() {
    let running = Running::start().await;
    let agent = running.agent_of("edge").await;
    let token = running.person.join_token("edge").await;
    let refused = Agent::join(running.grpc, &JoinTicket { token: "weir-once-x".to_owned(), ..token }).await;
    assert!(refused.is_err());
    let trail = running.person.get(&format!("/api/v1/audit?actor=agent:{}", agent.id)).await;
    let entry = &trail["items"][0];
    assert_eq!((&entry["action"], &entry["object"]), (&json!("join"), &json!("edge-1, group edge")));
    assert_eq!((&entry["role"], &entry["source"]), (&Value::Null, &json!("127.0.0.1")));
    let home = running.stop().await;
    let running = Running::start_in(home, |args| weir_orchestrator::ServeArgs { new_token: true, ..args }).await;
    let trail = running.person.get("/api/v1/audit").await;
    let actions: Vec<&str> =
        trail["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["make-admin-token", "POST /api/v1/join-tokens", "join", "POST /api/v1/join-tokens"]);
}

#[tokio::test]
async fn what_is_hidden_is_shown_to_some_and_that_is_in_the_trail() {
    let running = Running::start().await;
    let admin = &running.person;
    let mut recorded = exchange("a.example", "/", 200);
    recorded.request.as_mut().unwrap().headers = vec![Field { name: "Cookie".into(), value: b"a=secret"[..].into() }];
    running.agent().await.record(vec![recorded.clone()]).await;
    let one = format!("/api/v1/exchanges/{}", id(&recorded));
    let export = "/api/v1/exchanges/export?reveal=true";
    for (role, status) in [("viewer", 403), ("publisher", 403), ("operator", 200)] {
        let person = admin.with(admin.made(role, role).await["token"].as_str().unwrap());
        assert_eq!(person.status(Method::GET, "/api/v1/exchanges/export").await, 200, "{role}");
        assert_eq!(person.status(Method::GET, export).await, status, "{role}");
        let cookie = if status == 200 { "a=secret" } else { "a=[hidden]" };
        assert_eq!(person.get(&one).await["request"]["headers"], json!([["Cookie", cookie]]), "{role}");
        // each answer of a search would tell something of it
        for list in ["exchanges", "exchanges/stream", "exchanges/export"] {
            let query = "query=host:a or -response.header.Set-Cookie:a* or (request.header.COOKIE~^a)";
            assert_eq!(person.status(Method::GET, &format!("/api/v1/{list}?{query}")).await, status, "{role} {list}");
        }
        let trail = admin.get(&format!("/api/v1/audit?actor=token:{role}")).await;
        // The newest first; one exchange by itself, of which nothing was shown, leaves none.
        let looks = trail["items"].as_array().unwrap();
        let looked_at: Vec<_> = looks.iter().map(|look| (look["object"].as_str().unwrap(), &look["status"])).collect();
        let all = [(one.as_str(), &json!(200)), (export, &json!(status))];
        assert_eq!(looked_at, if status == 200 { &all[..] } else { &all[1..] }, "{role}");
        assert!(looks.iter().all(|look| look["action"] == "reveal"), "{trail}");
    }
}

/// Whenever somebody hangs up: what was changed is in the trail.
#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_leaves_a_trail_all_the_same() {
    use tokio::io::AsyncWriteExt as _;
    let running = Running::start().await;
    let admin = &running.person;
    let address = admin.base.trim_start_matches("http://");
    for n in 0..40 {
        let body = json!({"name": format!("anna-{n}"), "role": "admin", "password": "long enough for all"}).to_string();
        let head = format!("POST /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", admin.token);
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(n * 5)).await;
    }
    let ask = || async {
        let users = admin.get("/api/v1/users").await["items"].as_array().unwrap().len();
        let trail = admin.get("/api/v1/audit?limit=500").await;
        let added = trail["items"].as_array().unwrap().iter().filter(|entry| entry["status"] == 201).count();
        assert!(
            trail["items"].as_array().unwrap().iter().all(|entry| entry["action"] == "POST /api/v1/users"),
            "{trail}"
        );
        (users, added)
    };
    eventually(ask, |(users, added)| *users > 0 && users == added).await;
}

#[tokio::test]
async fn changes_leave_a_trail_granted_or_not() {
    let running = Running::start().await;
    let admin = &running.person;
    let viewer = admin.with(admin.made("eyes", "viewer").await["token"].as_str().unwrap());
    let path = format!("/api/v1/agents/{}", uuid::Uuid::nil());
    assert_eq!(viewer.status(Method::DELETE, &path).await, StatusCode::FORBIDDEN);
    assert_eq!(admin.status(Method::DELETE, &path).await, StatusCode::NOT_FOUND);
    assert_eq!(admin.status(Method::POST, "/api/v1/nothing").await, StatusCode::NOT_FOUND);
    viewer.get("/api/v1/agents").await;
    let trail = admin.get("/api/v1/audit").await;
    let told: Vec<_> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{entry}")).to_owned();
            assert_eq!(text("source"), "127.0.0.1");
            (text("actor"), text("role"), text("action"), entry["status"].as_u64().unwrap())
        })
        .collect();
    let entry =
        |actor: &str, role: &str, action: &str, status| (actor.to_owned(), role.to_owned(), action.to_owned(), status);
    assert_eq!(
        told[..3],
        [
            entry("admin", "admin", "POST /api/v1/tokens", 201),
            entry("token:eyes", "viewer", "DELETE /api/v1/agents/{id}", 403),
            entry("admin", "admin", "DELETE /api/v1/agents/{id}", 404),
        ]
    );
    let page = admin.get("/api/v1/audit?limit=1&actor=admin").await;
    let next = page["next"].as_str().unwrap();
    let older = admin.get(&format!("/api/v1/audit?limit=1&actor=admin&cursor={next}")).await;
    assert_eq!(older["items"][0]["action"], "DELETE /api/v1/agents/{id}", "{page} {older}");
}
