use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::GraphqlGuard;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<GraphqlGuard>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<GraphqlGuard>(include_str!("../schema.json"))
}

const CONFIG: &str = r#"{"match": {"paths": ["/graphql"]}}"#;

fn code(exchange: Exchange) -> Option<String> {
    let outcome = Tested::<GraphqlGuard>::new(CONFIG).unwrap().run(exchange);
    if outcome.verdict == Verdict::Pass {
        return None;
    }
    let body: serde_json::Value = serde_json::from_slice(&outcome.received.unwrap().joined()).unwrap();
    Some(body["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned())
}

fn post(body: &str) -> Exchange {
    Exchange::new("POST", "https://a.example/graphql").header("content-type", "application/json").chunk(body)
}

#[test]
fn a_server_that_reads_differently_gets_nothing() {
    let good = r#"{"query": "{ a }"}"#;
    assert_eq!(code(post(good)), None);
    for (exchange, expected) in [
        (post(r#"{"query": "{ a }", "query": "mutation { b }"}"#), "MALFORMED"),
        (post(r#"["{ a }", null, null]"#), "MALFORMED"),
        (post("[]"), "BATCH"),
        (post("{}"), "NO_QUERY"),
        (post(r#"{"query": ""}"#), "NO_QUERY"),
        (post(r#"{"query": 1}"#), "MALFORMED"),
        (post("\u{feff}{}"), "MALFORMED"),
        (post(good).header("content-type", "text/plain"), "UNREADABLE"),
        (post(good).header("content-encoding", "compress"), "UNREADABLE"),
        (Exchange::new("POST", "https://a.example/graphql").chunk(good), "UNREADABLE"),
        (Exchange::new("PUT", "https://a.example/graphql").chunk(good), "METHOD"),
        (Exchange::new("POST", "https://a.example/graphql"), "NO_QUERY"),
        (Exchange::get("https://a.example/graphql?query=%7Ba%7D&%71uery=%7Bb%7D"), "MALFORMED"),
        (Exchange::get("https://a.example/graphql?query=%7"), "MALFORMED"),
        (Exchange::get("https://a.example//%67raphql?query=mutation+%7Ba%7D"), "MUTATION_BY_GET"),
        (Exchange::get("https://a.example/graphql?query=%7Ba%7D").chunk("x"), "METHOD"),
    ] {
        assert_eq!(code(exchange.clone()).as_deref(), Some(expected), "{exchange:?}");
    }
    let in_both = Exchange::new("POST", "https://a.example/graphql?query=%7Ba%7D");
    assert_eq!(code(in_both.header("content-type", "application/json").chunk(good)).as_deref(), Some("TWO_QUERIES"));
    for parameters in ["charset=UTF-16", "charset=utf-8; charset=utf-16", "charset = utf-7"] {
        let exchange = Exchange::new("POST", "https://a.example/graphql").chunk(good);
        let exchange = exchange.header("content-type", &format!("application/json; {parameters}"));
        assert_eq!(code(exchange).as_deref(), Some("UNREADABLE"), "{parameters}");
    }
    let utf8 = Exchange::new("POST", "https://a.example/graphql").chunk(good);
    assert_eq!(code(utf8.header("content-type", "Application/JSON; charset=UTF-8")), None);
}

proptest! {
    #[test]
    fn any_request_passes_or_gets_an_error(body in "[\\[\\]{}\":, a-z$@.]{0,60}|\\PC{0,40}", query in "[!-~]{0,60}") {
        let as_query = serde_json::json!({"query": body, "operationName": body}).to_string();
        let url = format!("https://a.example/graphql?query={}", query.replace('#', ""));
        for exchange in [post(&body), post(&as_query), Exchange::get(&url)] {
            code(exchange);
        }
    }
}
