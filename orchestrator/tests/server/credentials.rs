//! Tokens and users: what may be asked for, and for how long it counts.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Running, eventually};

#[tokio::test]
async fn a_token_counts_until_it_is_revoked_or_ends() {
    let running = Running::start().await;
    let admin = &running.person;
    let made = admin.made("ci", "publisher").await;
    let ci = admin.with(made["token"].as_str().unwrap());
    assert_eq!(ci.status(Method::GET, "/api/v1/agents").await, StatusCode::OK);
    // A use is not noted where the disk stands still for a second; the next one is.
    let used = async || {
        assert_eq!(ci.status(Method::GET, "/api/v1/agents").await, StatusCode::OK);
        admin.get("/api/v1/tokens").await
    };
    let listed = eventually(used, |listed| listed["items"][0]["last_used"].is_string()).await;
    assert_eq!(listed["items"][0]["name"], "ci");
    assert_eq!(listed["items"][0]["created_by"], "admin");
    assert!(!listed.to_string().contains(&ci.token), "{listed}");
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.status(Method::DELETE, &path).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.status(Method::DELETE, &path).await, StatusCode::NOT_FOUND);
    assert_eq!(ci.status(Method::GET, "/api/v1/agents").await, StatusCode::UNAUTHORIZED);

    let wanted = json!({"name": "short", "role": "viewer", "expires_in_s": 1});
    let (_, made) = admin.post("/api/v1/tokens", &wanted).await;
    let short = admin.with(made["token"].as_str().unwrap());
    eventually(|| short.status(Method::GET, "/api/v1/agents"), |status| *status == StatusCode::UNAUTHORIZED).await;
    assert_eq!(admin.get("/api/v1/tokens").await["items"], json!([]));
}

/// As where the disk is full.
#[tokio::test]
async fn a_token_counts_though_its_use_cannot_be_noted() {
    let running = Running::start().await;
    let ci = running.person.of_role("viewer").await;
    let full = match crate::on_postgres() {
        true => "ALTER TABLE access_tokens ADD CONSTRAINT disk_is_full CHECK (used_us IS NULL)",
        false => {
            "CREATE TRIGGER disk_is_full BEFORE UPDATE ON access_tokens BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        }
    };
    running.dir.sql(full).await;
    assert_eq!(ci.status(Method::GET, "/api/v1/agents").await, StatusCode::OK);
    assert_eq!(running.person.get("/api/v1/tokens").await["items"][0]["last_used"], json!(null));
}

#[tokio::test]
async fn what_is_asked_for_wrongly_makes_no_token_and_no_user() {
    let running = Running::start().await;
    let long = "x".repeat(65);
    for (path, wanted) in [
        ("tokens", json!({"name": "", "role": "viewer"})),
        ("tokens", json!({"name": "a b", "role": "viewer"})),
        ("tokens", json!({"name": long, "role": "viewer"})),
        ("tokens", json!({"name": "a", "role": "root"})),
        ("tokens", json!({"name": "a", "role": "viewer", "expires_in_s": 0})),
        ("tokens", json!({"name": "a", "role": "viewer", "expires_in_s": 1_000_000_000})),
        ("tokens", json!({"name": "a", "role": "viewer", "more": 1})),
        ("users", json!({"name": "a:b", "role": "viewer", "password": "long enough for all"})),
        ("users", json!({"name": "anna", "role": "viewer", "password": "too short"})),
        ("users", json!({"name": "anna", "role": "viewer"})),
    ] {
        let (status, problem) = running.person.post(&format!("/api/v1/{path}"), &wanted).await;
        assert!(matches!(status.as_u16(), 400 | 422), "{wanted}: {status}");
        assert!(!problem.to_string().contains("too short"), "the password is told back: {problem}");
    }
    for path in ["tokens", "users"] {
        assert_eq!(running.person.get(&format!("/api/v1/{path}")).await["items"], json!([]));
    }
}

#[tokio::test]
async fn people_have_a_name_and_a_password() {
    let running = Running::start().await;
    let admin = &running.person;
    let anna = json!({"name": "anna", "role": "operator", "password": "korrekt horse bättery"});
    let (status, added) = admin.post("/api/v1/users", &anna).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    assert!(!added.to_string().contains("horse"), "{added}");
    assert_eq!(admin.post("/api/v1/users", &anna).await.0, StatusCode::CONFLICT);
    let as_user = |name: &str, password: &str, path: &str| {
        let request = admin.http.get(format!("{}{path}", admin.base)).basic_auth(name, Some(password));
        async move { request.send().await.unwrap().status() }
    };
    let agents = "/api/v1/agents";
    assert_eq!(as_user("anna", "korrekt horse bättery", agents).await, StatusCode::OK);
    assert_eq!(as_user("anna", "korrekt horse bättery", "/api/v1/users").await, StatusCode::FORBIDDEN);
    for (name, password) in
        [("anna", "korrekt horse battery"), ("anna", ""), ("hanna", "korrekt horse bättery"), ("", "")]
    {
        assert_eq!(as_user(name, password, agents).await, StatusCode::UNAUTHORIZED, "{name} {password}");
    }
    assert_eq!(admin.status(Method::DELETE, "/api/v1/users/anna").await, StatusCode::NO_CONTENT);
    assert_eq!(admin.status(Method::DELETE, "/api/v1/users/anna").await, StatusCode::NOT_FOUND);
    assert_eq!(as_user("anna", "korrekt horse bättery", agents).await, StatusCode::UNAUTHORIZED);
}

/// Guesses share few turns, and whoever has a token waits for none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_passwords_keeps_no_token_waiting() {
    let running = Running::start().await;
    let admin = &running.person;
    let flood: Vec<_> = (0..200)
        .map(|n| {
            let guess = admin.http.get(format!("{}/api/v1/agents", admin.base)).basic_auth("anna", Some(n.to_string()));
            tokio::spawn(async move { guess.send().await.unwrap().status().as_u16() })
        })
        .collect();
    for _ in 0..10 {
        let asked = tokio::time::timeout(Duration::from_secs(10), admin.status(Method::GET, "/api/v1/agents"));
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
    for guess in flood {
        assert!(matches!(guess.await.unwrap(), 401 | 429));
    }
}
