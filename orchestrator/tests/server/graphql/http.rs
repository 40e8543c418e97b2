//! Over HTTP (<https://graphql.github.io/graphql-over-http/draft/>), and what tools ask first.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_orchestrator::{FaceArgs, ServeArgs};

use super::socket::Socket;
use crate::harness::{Home, Person, Running, exchange};

#[tokio::test]
async fn over_http_as_the_specification_has_it() {
    let running = Running::start().await;
    let person = &running.person;
    let (status, answer) = person
        .post(
            "/graphql",
            &json!([{"query": "{ __typename }"}, {"query": "query A($first: Int!) { agents(first: $first) { id } }",
        "variables": {"first": 5}, "operationName": "A"}]),
        )
        .await;
    assert_eq!(
        (status, answer),
        (StatusCode::OK, json!([{"data": {"__typename": "Query"}}, {"data": {"agents": []}}]))
    );
    let (status, answer) = person
        .ask("/graphql?query=query(%24first:Int!)%7Bagents(first:%24first)%7Bid%7D%7D&variables=%7B%22first%22:5%7D")
        .await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"data": {"agents": []}})));
    assert_eq!(person.ask("/graphql").await.0, StatusCode::BAD_REQUEST);
    let request = person.request(Method::POST, "/graphql").header("accept", "application/graphql-response+json");
    let response = request.json(&json!({"query": "{ nothing }"})).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["content-type"], "application/graphql-response+json");
    for (method, path) in [
        (Method::POST, "/graphql"),
        (Method::GET, "/graphql?query=%7B__schema%7Btypes%7Bname%7D%7D%7D"),
        (Method::GET, "/graphql/schema"),
    ] {
        let stranger = Person { token: "nobody".into(), ..person.clone() };
        let response = stranger.request(method, path).json(&json!({"query": "{ __typename }"})).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key("www-authenticate"));
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED");
    }
    assert_eq!(
        person.request(Method::DELETE, "/graphql").send().await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    // What a tool asks first.
    let introspection = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name } \
        types { ...FullType } directives { name description locations args { ...InputValue } } } } \
        fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue } \
        type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef } \
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } } \
        fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
        fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { \
        kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";
    let viewer = person.of_role("viewer").await;
    let data = viewer.data(introspection).await;
    assert_eq!(data["__schema"]["subscriptionType"]["name"], "Subscription");
}

#[tokio::test]
async fn the_schema_is_the_golden_one() {
    let running = Running::start().await;
    let response = running.person.request(Method::GET, "/graphql/schema").send().await.unwrap();
    let text = response.text().await.unwrap();
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/golden/schema.graphql");
    if std::env::var_os("WEIR_UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, format!("{}\n", text.trim())).unwrap();
    }
    assert_eq!(text.trim(), std::fs::read_to_string(&golden).unwrap().trim(), "accept it with WEIR_UPDATE_GOLDEN=1");
}

#[tokio::test]
async fn fields_come_in_the_order_in_which_they_were_asked_for() {
    let running = Running::start().await;
    let person = &running.person;
    running.agent().await.record(vec![exchange("a.example", "/", 200)]).await;
    // Some are at hand, some are read first.
    let query = "{ exchanges { pageInfo { hasNextPage } edges { node { request { url method } status tags { name } ...more method } } } \
                 agents { filters { name } name } __typename } fragment more on Exchange { agent { currentMetrics { timestamp } name } path }";
    let request = person.request(Method::POST, "/graphql").json(&json!({ "query": query }));
    let text = request.send().await.unwrap().text().await.unwrap();
    let expect = "{\"data\":{\"exchanges\":{\"pageInfo\":{\"hasNextPage\":false},\"edges\":[{\"node\":{\"request\":{\
                  \"url\":\"https://a.example/\",\"method\":\"GET\"},\"status\":200,\"tags\":[],\"agent\":{\"currentMetrics\":null,\
                  \"name\":\"edge-1\"},\"path\":\"/\",\"method\":\"GET\"}}]},\"agents\":[{\"filters\":[],\"name\":\"edge-1\"}],\
                  \"__typename\":\"Query\"}}";
    assert_eq!(text, expect);
}

#[tokio::test]
async fn questions_are_requests_like_others() {
    let face = FaceArgs { rate_limit: Some(1), ..FaceArgs::default() };
    let running = Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await;
    let person = &running.person;
    let ask = || person.request(Method::POST, "/graphql").json(&json!({ "query": "{ __typename }" })).send();
    let first = ask().await.unwrap();
    assert_eq!(first.headers()["ratelimit"], "\"default\";r=9;t=1");
    let mut refused = first;
    for _ in 0..100 {
        refused = ask().await.unwrap();
        if refused.status() != StatusCode::OK {
            break;
        }
    }
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.headers().contains_key("ratelimit"));
    let answer: Value = refused.json().await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "TOO_MANY");
}

#[tokio::test]
async fn questions_over_a_socket_are_requests_like_others() {
    let face = FaceArgs { rate_limit: Some(1), ..FaceArgs::default() };
    let running = Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await;
    let mut socket = Socket::ready(&running.person).await;
    for n in 0..100 {
        socket.subscribe(&n.to_string(), "{ __typename }").await;
        let mut told = socket.told().await;
        if told["type"] == "next" {
            told = socket.told().await;
        }
        if told["type"] == "error" {
            assert_eq!(told["payload"][0]["extensions"]["code"], "TOO_MANY", "{told}");
            return;
        }
        assert_eq!(told["type"], "complete", "{told}");
    }
    panic!("as many as somebody likes");
}
