//! REST as browsers meet it, and those who count on what browsers do: pages of other origins, recorded pages, compressed answers.

use std::io::Read as _;

use reqwest::{Method, Response, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use weir_orchestrator::{FaceArgs, ServeArgs};
use weir_proto::v1::{Body, Field};

use crate::harness::{Home, Person, Running, eventually, exchange, id};

const TOOLS: &str = "https://tools.example.com";
const EVIL: &str = "https://evil.example";

async fn with_tools() -> Running {
    let face = FaceArgs { cors_origins: Some(vec![TOOLS.to_owned()]), ..FaceArgs::default() };
    Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await
}

async fn preflight(person: &Person, origin: &str) -> Response {
    let request = person.http.request(Method::OPTIONS, format!("{}/api/v1/tokens", person.base));
    let request = request.header("origin", origin).header("access-control-request-method", "POST");
    request
        .header("access-control-request-headers", "authorization, content-type, idempotency-key")
        .send()
        .await
        .unwrap()
}

async fn make(person: &Person, origin: &str) -> Response {
    let body = json!({"name": "page", "role": "viewer"});
    person.request(Method::POST, "/api/v1/tokens").header("origin", origin).json(&body).send().await.unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn pages_of_named_origins_may_ask_and_others_may_not() {
    let running = with_tools().await;
    let person = &running.person;
    // without a credential, as browsers send it
    let answer = preflight(person, TOOLS).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(answer.headers(), "access-control-allow-origin"), TOOLS);
    assert_eq!(text(answer.headers(), "access-control-allow-credentials"), "true");
    for field in ["authorization", "content-type", "idempotency-key", "if-match", "last-event-id"] {
        assert!(text(answer.headers(), "access-control-allow-headers").contains(field), "{field}");
    }
    assert!(text(answer.headers(), "access-control-allow-methods").contains("DELETE"));
    assert!(text(answer.headers(), "vary").contains("origin"));
    let answer = make(person, TOOLS).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(text(answer.headers(), "access-control-allow-origin"), TOOLS);
    assert!(text(answer.headers(), "access-control-expose-headers").contains("etag"));
    // what is refused is readable too
    let answer =
        person.http.get(format!("{}/api/v1/tokens", person.base)).header("origin", TOOLS).send().await.unwrap();
    assert_eq!(
        (answer.status(), text(answer.headers(), "access-control-allow-origin")),
        (StatusCode::UNAUTHORIZED, TOOLS)
    );

    for other in [EVIL, "null", "https://tools.example.com.evil.example", "http://tools.example.com"] {
        let answer = preflight(person, other).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{other}");
        assert!(!answer.headers().contains_key("access-control-allow-origin"), "{other}");
        assert_eq!(make(person, other).await.status(), StatusCode::FORBIDDEN, "{other}");
        let answer = person.request(Method::GET, "/api/v1/tokens").header("origin", other).send().await.unwrap();
        assert!(!answer.headers().contains_key("access-control-allow-origin"), "{other}");
        // a page may open what is no request of the Fetch standard
        let upgrade = person.request(Method::GET, "/api/v1/tokens").header("origin", other);
        let upgrade = upgrade.header("connection", "upgrade").header("upgrade", "websocket").send().await.unwrap();
        assert_eq!(upgrade.status(), StatusCode::FORBIDDEN, "{other}");
    }
    let own = person.base.clone();
    assert_eq!(make(person, &own).await.status(), StatusCode::CREATED);
    let made = person.get("/api/v1/tokens").await["items"].as_array().unwrap().len();
    assert_eq!(made, 2, "what was refused was carried out");
}

#[tokio::test]
async fn every_answer_says_that_it_is_no_page() {
    let running = Running::start().await;
    let person = &running.person;
    for (path, cached) in [
        ("/healthz", "no-store"),
        ("/openapi.json", "no-store"),
        ("/api/v1/tokens", "no-store"),
        ("/api/v1/nothing", "no-store"),
        ("/nothing", "no-store"),
    ] {
        let answer = person.request(Method::GET, path).send().await.unwrap();
        let headers = answer.headers();
        assert_eq!(text(headers, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(
            text(headers, "content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'; sandbox",
            "{path}"
        );
        assert_eq!(text(headers, "x-frame-options"), "DENY", "{path}");
        assert_eq!(text(headers, "referrer-policy"), "no-referrer", "{path}");
        assert_eq!(text(headers, "cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(text(headers, "cache-control"), cached, "{path}");
        assert!(!headers.contains_key("vary") || path == "/openapi.json", "{path}");
    }
}

/// However a recorded page was sent, it is no page here.
#[tokio::test]
async fn a_recorded_page_never_runs_here() {
    let running = with_tools().await;
    let field = |name: &str, value: &str| Field { name: name.into(), value: value.as_bytes().to_vec().into() };
    let page = b"<script>fetch('/api/v1/tokens')</script>";
    let mut recorded = exchange("a.example", "/", 200);
    let response = recorded.response.as_mut().unwrap();
    response.headers = vec![
        field("Content-Type", "text/html"),
        field("Content-Disposition", "inline"),
        field("Content-Security-Policy", "default-src *"),
        field("Access-Control-Allow-Origin", "*"),
        field("Cache-Control", "public, max-age=1000"),
        field("Set-Cookie", "a=b"),
        field("Refresh", "0; url=https://evil.example"),
        field("Service-Worker-Allowed", "/"),
    ];
    response.body = Some(Body { data: page.to_vec().into(), size: page.len() as u64, ..Body::default() });
    running.agent().await.record(vec![recorded.clone()]).await;
    let one = format!("/api/v1/exchanges/{}", id(&recorded));
    for path in
        [format!("{one}/response/body"), format!("{one}/response/body?decoded"), format!("{one}/export?format=raw")]
    {
        for range in ["", "bytes=0-3"] {
            let request = running.person.request(Method::GET, &path).header("range", range).header("origin", EVIL);
            let answer = request.header("sec-fetch-dest", "document").send().await.unwrap();
            assert!(answer.status().is_success(), "{path}");
            let headers = answer.headers();
            assert!(text(headers, "content-disposition").starts_with("attachment"), "{path}");
            assert_eq!(text(headers, "content-security-policy"), "default-src 'none'; frame-ancestors 'none'; sandbox");
            assert_eq!(text(headers, "x-content-type-options"), "nosniff");
            assert_eq!(text(headers, "cross-origin-resource-policy"), "same-origin");
            assert_eq!(text(headers, "cache-control"), "no-store");
            for none in
                ["set-cookie", "refresh", "access-control-allow-origin", "service-worker-allowed", "content-encoding"]
            {
                assert!(!headers.contains_key(none), "{path}: {none}");
            }
        }
    }
}

#[tokio::test]
async fn descriptions_are_compressed_and_recorded_traffic_is_not() {
    let running = Running::start().await;
    let person = &running.person;
    let mut recorded = exchange("a.example", "/", 200);
    let response = recorded.response.as_mut().unwrap();
    response.body = Some(Body { data: vec![b'x'; 5000].into(), size: 5000, ..Body::default() });
    running.agent().await.record(vec![recorded.clone()]).await;
    let ask = async |path: &str, accept: &str| {
        let answer = person.request(Method::GET, path).header("accept-encoding", accept).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let coding = text(answer.headers(), "content-encoding").to_owned();
        assert!(coding.is_empty() || text(answer.headers(), "vary").contains("accept-encoding"), "{path}");
        (coding, answer.bytes().await.unwrap().to_vec())
    };
    let (coding, plain) = ask("/openapi.json", "identity").await;
    assert_eq!(coding, "");
    let (coding, packed) = ask("/openapi.json", "gzip, zstd").await;
    assert_eq!(coding, "zstd");
    assert!(packed.len() * 3 < plain.len());
    assert_eq!(zstd::decode_all(&packed[..]).unwrap(), plain);
    let (coding, packed) = ask("/openapi.json", "gzip;q=0.5").await;
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!((coding.as_str(), unpacked), ("gzip", plain));
    assert_eq!(ask("/healthz", "gzip").await.0, "");
    let one = format!("/api/v1/exchanges/{}", id(&recorded));
    let body = format!("{one}/response/body");
    for path in ["/api/v1/exchanges", &one, &body, "/api/v1/exchanges/export", "/api/v1/audit"] {
        assert_eq!(ask(path, "gzip, zstd").await.0, "", "{path}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let face = FaceArgs { rate_limit: Some(1), sign_in_limit: Some(3), ..FaceArgs::default() };
    let running = Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await;
    let person = &running.person;
    let first = person.request(Method::GET, "/api/v1/agents").send().await.unwrap();
    assert_eq!(text(first.headers(), "ratelimit-policy"), "\"default\";q=10;w=10");
    assert_eq!(text(first.headers(), "ratelimit"), "\"default\";r=9;t=1");
    let mut refused = None;
    for _ in 0..100 {
        let answer = person.request(Method::GET, "/api/v1/agents").send().await.unwrap();
        if answer.status() != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a rate that nobody is held to");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(refused.headers(), "retry-after"), "1");
    assert!(text(refused.headers(), "ratelimit").starts_with("\"default\";r=0;t="));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "urn:weir:problem:too-many");
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(person.request(Method::GET, "/api/v1/agents").send().await.unwrap().status(), StatusCode::OK);

    // guesses: of tokens and passwords alike, while the one that counts is let in
    let guess = |n: u32| {
        let request = person.http.get(format!("{}/api/v1/agents", person.base));
        let request =
            if n.is_multiple_of(2) { request.bearer_auth("x") } else { request.basic_auth("anna", Some("x")) };
        async move { request.send().await.unwrap() }
    };
    let mut statuses = Vec::new();
    for n in 0..6 {
        statuses.push(guess(n).await.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);
    assert!(guess(1).await.headers().contains_key("retry-after"));
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(person.request(Method::GET, "/api/v1/agents").send().await.unwrap().status(), StatusCode::OK);

    // what needs no credential, by address
    let open = async || person.http.get(format!("{}/healthz", person.base)).send().await.unwrap().status();
    assert_eq!(open().await, StatusCode::OK);
    eventually(open, |status| *status == StatusCode::TOO_MANY_REQUESTS).await;
}
