//! Every address wants the token, and every error is a problem document.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::Running;

const CLOSED: [(&str, &str); 17] = [
    ("GET", "/api/v1/exchanges"),
    ("GET", "/api/v1/exchanges/0199aa3c-7b1e-7c3a-9f00-0123456789ab"),
    ("GET", "/api/v1/exchanges/0199aa3c-7b1e-7c3a-9f00-0123456789ab/request/body"),
    ("GET", "/api/v1/exchanges/0199aa3c-7b1e-7c3a-9f00-0123456789ab/response/body"),
    ("DELETE", "/api/v1/exchanges"),
    ("DELETE", "/api/v1/exchanges/0199aa3c-7b1e-7c3a-9f00-0123456789ab"),
    ("GET", "/api/v1/exchanges/export"),
    ("POST", "/api/v1/exchanges/import"),
    ("GET", "/api/v1/exchanges/0199aa3c-7b1e-7c3a-9f00-0123456789ab/export"),
    ("GET", "/api/v1/exchanges/0199aa3c-7b1e-7c3a-9f00-0123456789ab/diff/0199aa3c-7b1e-7c3a-9f00-0123456789ab"),
    ("GET", "/api/v1/filters"),
    ("POST", "/api/v1/filters"),
    ("GET", "/api/v1/filters/block"),
    ("GET", "/api/v1/agents"),
    ("GET", "/api/v1/metrics"),
    ("POST", "/api/v1/join-tokens"),
    ("GET", "/api/v1/nothing"),
];

#[tokio::test]
async fn everything_but_health_wants_the_token() {
    let running = Running::start().await;
    let person = &running.person;
    let cut = &person.token[..person.token.len() - 1];
    for (method, path) in CLOSED {
        for token in [None, Some(""), Some("weir-admin-x"), Some(cut)] {
            let mut request = person.http.request(method.parse().unwrap(), format!("{}{path}", person.base));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.body("{").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
            assert_eq!(response.headers()["content-type"], "application/problem+json");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        let response = person.http.get(format!("{}{path}", person.base)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn errors_are_problem_documents() {
    let running = Running::start().await;
    let json = "application/json";
    for (method, path, kind, body, status) in [
        ("GET", "/nothing", json, "", 404),
        ("GET", "/api/v1/nothing", json, "", 404),
        ("GET", "/api/v1/exchanges/7", json, "", 404),
        ("GET", "/api/v1/exchanges/0199aa3c-7b1e-7c3a-9f00-0123456789ab", json, "", 404),
        ("GET", "/api/v1/agents/0199aa3c-7b1e-7c3a-9f00-0123456789ab/metrics", json, "", 404),
        ("GET", "/api/v1/filters/absent", json, "", 404),
        ("GET", "/api/v1/filters?group=A%20B", json, "", 400),
        ("DELETE", "/api/v1/filters", json, "", 405),
        ("POST", "/healthz", json, "", 405),
        ("POST", "/api/v1/join-tokens", "text/plain", "{}", 415),
        ("POST", "/api/v1/join-tokens", json, "{", 400),
        ("POST", "/api/v1/join-tokens", json, "[]", 400),
        ("POST", "/api/v1/join-tokens", json, "{\"gruop\":\"a\"}", 400),
        ("POST", "/api/v1/join-tokens", json, "{\"group\":\"A B\"}", 422),
        ("POST", "/api/v1/join-tokens", json, "{\"expires_in_s\":0}", 422),
        ("POST", "/api/v1/join-tokens", json, "{\"expires_in_s\":18446744073709551615}", 422),
        ("POST", "/api/v1/filters", "application/xml", "{}", 415),
        ("POST", "/api/v1/filters", json, "{}", 400),
    ] {
        let request = running.person.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
        let response = request.header("content-type", kind).body(body).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path} {body}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{method} {path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-store");
        if status == 405 {
            assert!(response.headers().contains_key("allow"));
        }
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:weir:problem:"), "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    let large = running.person.request(Method::POST, "/api/v1/join-tokens").json(&json!({"group": "x".repeat(70_000)}));
    assert_eq!(large.send().await.unwrap().status(), 413);
}

#[tokio::test]
async fn secrets_are_for_their_owner_and_outlive_a_restart() {
    let running = Running::start().await;
    let mode = |file: &str| {
        let path = running.dir.path().join(file);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    for file in ["token", "ca.key"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    let (token, ca) = (running.person.token.clone(), running.person.join_token("default").await.ca);

    let running = Running::start_in(running.stop().await, |args| args).await;
    assert_eq!(running.person.token, token);
    assert_eq!(running.person.join_token("default").await.ca, ca);

    let fresh = |args| weir_orchestrator::ServeArgs { new_token: true, ..args };
    let running = Running::start_in(running.stop().await, fresh).await;
    assert_ne!(running.person.token, token);
    let old = running.person.http.get(format!("{}/api/v1/agents", running.person.base)).bearer_auth(token);
    assert_eq!(old.send().await.unwrap().status(), 401);
    running.person.get("/api/v1/agents").await;
}

#[tokio::test]
async fn what_was_asked_for_wrongly_is_told_in_plain_words() {
    let running = Running::start().await;
    for (path, status, says) in [
        ("exchanges?limit=x", 400, "query string: limit: a whole number is expected"),
        ("exchanges?limit=99999999999999999999", 400, "query string: limit: the number is too large"),
        ("tunnels?agent=edge-1", 400, "query string: agent: an id is a UUID, such as "),
        ("exchanges?quary=x", 400, "query string: quary: unknown field `quary`, expected one of"),
    ] {
        let request = running.person.request(Method::GET, &format!("/api/v1/{path}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().starts_with(says), "{path}: {problem}");
    }
    let person = &running.person;
    for (token, says) in [(None, "send a token that counts"), (Some("weir-token-x"), "a token may have expired")] {
        let request = person.http.get(format!("{}/api/v1/agents", person.base));
        let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
        let problem: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
}
