//! What hostile questions come to.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use weir_proto::v1::Body;

use super::socket::Socket;
use crate::harness::{PATIENCE, Running, exchange, id};

#[tokio::test]
async fn hostile_questions_are_refused_and_cost_little() {
    let running = Running::start().await;
    let person = &running.person;
    running.agent().await.record(vec![exchange("a.example", "/", 200)]).await;
    let began = std::time::Instant::now();
    let nested = "{ a ".repeat(5_000) + &"}".repeat(5_000);
    let mut doubled = "{ ...f0 }".to_owned();
    for n in 0..100 {
        doubled.push_str(&format!(" fragment f{n} on Query {{ ...f{0} ...f{0} }}", n + 1));
    }
    doubled.push_str(" fragment f100 on Query { __typename }");
    let mut chain = "{ ...f0 }".to_owned();
    for n in 0..1_500 {
        chain.push_str(&format!(" fragment f{n} on Query {{ ...f{} }}", n + 1));
    }
    chain.push_str(" fragment f1500 on Query { __typename }");
    let aliases: String = (0..2_500).map(|n| format!("a{n}: agents {{ id }} ")).collect();
    let expensive: String = (0..20)
        .map(|n| format!("a{n}: agents(first: 1000) {{ metricsHistory(limit: 1000) {{ timestamp }} }} "))
        .collect();
    let refused = [
        nested.clone(),
        format!("query {nested}"),
        doubled,
        chain,
        "{ ...f } fragment f on Query { ...g } fragment g on Query { ...f }".to_owned(),
        "{ ...f } fragment f on Query { ...f }".to_owned(),
        format!("{{ {aliases} }}"),
        format!("{{ {expensive} }}"),
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
            .to_owned(),
        "{ agents(first: 2147483647) { id } }".to_owned(),
        "{ agents(first: 99999999999999999999) { id } }".to_owned(),
        "{ exchanges(first: 100) { edges { node { request { body(limit: 1048576) { text } } } } } }".to_owned(),
        format!("{{ agents {{ id {} }} }}", "@include(if: true) ".repeat(500)),
        format!("{{ a(x: {}1{}) }}", "[".repeat(9_000), "]".repeat(9_000)),
        "{ agents { id } ".to_owned(),
        "\u{0}".to_owned(),
        String::new(),
        "mutation { x }".to_owned(),
        "subscription { systemMetricsUpdated { timestamp } }".to_owned(),
    ];
    for query in refused {
        let answer = person.question(&query).await;
        let start: String = query.chars().take(60).collect();
        assert!(answer["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{start} {answer}");
        assert!(answer["data"].is_null(), "{start}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // What is none at all.
    let send = async |body: Vec<u8>, kind: &str| {
        let request = person.request(Method::POST, "/graphql").header("content-type", kind).body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        assert!(answer["errors"][0]["message"].is_string(), "{answer}");
        (status, answer["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned())
    };
    let json = "application/json";
    for (body, kind, status, code) in [
        (b"{\"query\":\"\xff\"}".to_vec(), json, 400, "BAD_REQUEST"),
        (b"{".to_vec(), json, 400, "BAD_REQUEST"),
        (b"[1]".to_vec(), json, 400, "BAD_REQUEST"),
        (b"{\"query\":\"{ __typename }\"}".to_vec(), "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (vec![b' '; 70_000], json, 413, "TOO_LARGE"),
        ("[".repeat(60_000).into_bytes(), json, 400, "BAD_REQUEST"),
        (
            format!("[{}{{\"query\":\"{{ __typename }}\"}}]", "{\"query\":\"{ __typename }\"},".repeat(10))
                .into_bytes(),
            json,
            400,
            "BAD_REQUEST",
        ),
    ] {
        let start = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
        assert_eq!(send(body, kind).await, (status, code.to_owned()), "{start}");
    }
    assert_eq!(person.data("{ __typename }").await["__typename"], "Query", "it is still there");
}

#[tokio::test]
async fn an_answer_ends_where_it_is_too_long_and_tells_its_faults_some_times() {
    let running = Running::start().await;
    let person = &running.person;
    let long = format!("/{}", "x".repeat(8_000));
    running.agent().await.record((0..100).map(|_| exchange("a.example", &long, 200)).collect()).await;
    let of_each = |field: &str, times: usize| {
        let aliases: String = (0..times).map(|n| format!("a{n}: {field} ")).collect();
        format!("{{ exchanges(first: 100) {{ edges {{ node {{ {aliases} }} }} }} }}")
    };
    let faults = async |query: &str| {
        let request = person.request(Method::POST, "/graphql").json(&json!({ "query": query }));
        let text = request.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let faults = answer["errors"].as_array().cloned().unwrap_or_default();
        (text.len(), faults)
    };
    let (length, none) = faults(&of_each("path", 10)).await;
    assert!(none.is_empty() && length > 8_000_000, "{none:?} {length}");
    let (length, some) = faults(&of_each("url", 50)).await;
    assert!(length < 18 << 20, "{length}");
    assert!((1..=51).contains(&some.len()), "{}", some.len());
    assert_eq!(some[0]["extensions"]["code"], "TOO_LARGE");
    assert!(some[0]["path"][0] == "exchanges" && some[0]["path"][2].is_u64(), "{}", some[0]);
    // What is asked wrongly a thousand times.
    let (length, some) = faults(&of_each("request { body(limit: 0) { size } }", 50)).await;
    assert!(length < 1 << 20, "{length}");
    assert_eq!((some.len(), &some[0]["extensions"]["code"]), (51, &json!("BAD_REQUEST")));
    assert!(some[50]["message"].as_str().unwrap().contains("the rest is left out"), "{}", some[50]);
    // Names are in an answer as often as their fields.
    let name = "x".repeat(200);
    let answer = person.code(&format!("{{ exchanges(first: 100) {{ edges {{ node {{ {name}: id }} }} }} }}")).await;
    assert_eq!(answer, "TOO_COMPLEX");
    // Questions of one request carry together what one may.
    let whole = json!({ "query": of_each("path", 10) });
    let (status, answers) = person.post("/graphql", &json!([whole, whole, whole])).await;
    assert_eq!(status, 200);
    assert_eq!(answers[0]["errors"], json!(null));
    assert_eq!(answers[2]["errors"][0]["extensions"]["code"], "TOO_LARGE");
}

#[tokio::test]
async fn what_writes_or_searches_is_dear() {
    let running = Running::start().await;
    let person = running.person.of_role("viewer").await;
    let recorded = exchange("a.example", "/", 200);
    running.agent().await.record(vec![recorded.clone()]).await;
    for field in [
        format!("exchange(id: \"{}\", reveal: true) {{ id }}", id(&recorded)),
        "exchanges(query: \"body:x\", first: 1) { edges { cursor } }".to_owned(),
    ] {
        let many: String = (0..150).map(|n| format!("a{n}: {field} ")).collect();
        let answer = person.question(&format!("{{ {many} }}")).await;
        assert!(answer["data"].is_null() && answer["errors"].as_array().unwrap().len() == 1, "{answer}");
    }
    let trail = running.person.get("/api/v1/audit?actor=token:viewer").await;
    assert_eq!(trail["items"], json!([]));
}

#[tokio::test]
async fn a_subscription_is_one_stream() {
    let running = Running::start().await;
    let mut socket = Socket::ready(&running.person).await;
    let many: String = (0..1_000).map(|n| format!("a{n}: exchangeRecorded {{ id }} ")).collect();
    for several in [many.as_str(), "exchangeRecorded { id } systemMetricsUpdated { timestamp }"] {
        socket.subscribe("x", &format!("subscription {{ {several} }}")).await;
        let told = socket.told().await;
        let fault = &told["payload"][0];
        assert_eq!((&told["type"], &fault["extensions"]["code"]), (&json!("error"), &json!("BAD_REQUEST")), "{told}");
        assert!(fault["message"].as_str().unwrap().contains("one thing"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_nothing_have_so_much_of_the_memory_and_hold_nobody_up() {
    let running = Running::start().await;
    let person = &running.person;
    let mut recorded = exchange("a.example", "/", 200);
    let data = Bytes::from(vec![b'x'; 1 << 20]);
    recorded.response.as_mut().unwrap().body = Some(Body { size: data.len() as u64, data, ..Body::default() });
    running.agent().await.record(vec![recorded.clone()]).await;
    let bodies: String = (0..9).map(|n| format!("b{n}: body(limit: 1048576) {{ text }} ")).collect();
    let long = format!("{{ exchange(id: \"{}\") {{ response {{ {bodies} }} }} }}", id(&recorded));
    // All say who they are before anybody asks: making long answers takes its time.
    let mut socket = Socket::ready(person).await;
    let mut deaf = Vec::new();
    for _ in 0..5 {
        deaf.push(Socket::ready(person).await);
    }
    for socket in &mut deaf {
        socket.subscribe("long", &long).await;
    }
    // One of them has all the room that one may have; whoever reads is told so, and is served again when they are gone.
    let room = async |socket: &mut Socket| {
        socket.subscribe("long", &long).await;
        let told = socket.told().await;
        if told["type"] == "next" {
            assert_eq!(socket.told().await["type"], "complete");
            return true;
        }
        assert_eq!((&told["type"], &told["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("BUSY")));
        false
    };
    let began = tokio::time::Instant::now();
    while room(&mut socket).await {
        assert!(began.elapsed() < PATIENCE, "there is always room");
    }
    let mut other = Socket::ready(&person.of_role("viewer").await).await;
    assert!(room(&mut other).await, "somebody else has room");
    socket.subscribe("short", "{ __typename }").await;
    assert_eq!(socket.told().await["payload"]["data"]["__typename"], "Query");
    assert_eq!(socket.told().await["type"], "complete");
    let data = person.data(&long).await;
    assert_eq!(
        data["exchange"]["response"]["b8"]["text"].as_str().unwrap().len(),
        1 << 20,
        "over HTTP it lies in a file"
    );
    drop(deaf);
    let began = tokio::time::Instant::now();
    while !room(&mut socket).await {
        assert!(began.elapsed() < PATIENCE, "there was never room again");
    }
}
