use std::collections::HashSet;

use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::{RequestId, trace::TraceParent};

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<RequestId>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<RequestId>(include_str!("../schema.json"))
}

/// The id that the upstream gets and the client hears.
fn id(config: &str, exchange: Exchange) -> String {
    let outcome = Tested::<RequestId>::new(config).unwrap().run(exchange);
    let forwarded = outcome.forwarded.unwrap();
    let lines: Vec<_> = forwarded.fields.iter().filter(|(name, _)| name == "x-request-id").collect();
    let [(_, id)] = lines[..] else { panic!("{lines:?}") };
    assert_eq!(outcome.received.unwrap().field("x-request-id"), Some(id.as_str()));
    id.clone()
}

#[test]
fn new_ids_are_uuids_and_new() {
    for (kind, version) in [("uuid4", '4'), ("uuid7", '7')] {
        let config = format!(r#"{{"generate": "{kind}"}}"#);
        let ids: HashSet<String> = (0..50).map(|_| id(&config, Exchange::get("http://a.example/"))).collect();
        assert_eq!(ids.len(), 50);
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == version as u8), "{ids:?}");
    }
}

#[test]
fn uuid7_tells_the_time() {
    let id = id(r#"{"generate": "uuid7"}"#, Exchange::get("http://a.example/"));
    let millis = u64::from_str_radix(&id.replace('-', "")[..12], 16).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(now.abs_diff(millis) < 60_000, "{millis} {now}");
}

#[test]
fn a_trace_begins_where_there_is_none() {
    let filter = Tested::<RequestId>::new(r#"{"trace": "continue", "sampled": true}"#).unwrap();
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let begin = [&[][..], &["00-x"][..], &[good, good][..]];
    for lines in begin {
        let exchange = Exchange::get("http://a.example/").header("tracestate", "a=1");
        let exchange = lines.iter().fold(exchange, |exchange, line| exchange.header("traceparent", line));
        let forwarded = filter.run(exchange).forwarded.unwrap();
        let parent = forwarded.field("traceparent").unwrap();
        assert!(TraceParent::is_valid(parent) && parent.ends_with("-01") && parent != good);
        assert_eq!(forwarded.field("tracestate"), None);
    }
}

proptest! {
    /// Nothing that a client sends gets into a log line, and nothing panics.
    #[test]
    fn an_accepted_id_is_harmless(sent in "[ -\u{ff}]{0,140}", parent in "[0-9a-f-]{50,60}|[ -\u{ff}]{0,60}") {
        let printable = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned();
        let filter = Tested::<RequestId>::new(r#"{"client": "accept", "trace": "continue"}"#).unwrap();
        let exchange = Exchange::get("http://a.example/").header("x-request-id", &printable(&sent));
        let outcome = filter.run(exchange.header("traceparent", &printable(&parent)));
        prop_assert_eq!(outcome.verdict, Verdict::Pass);
        let forwarded = outcome.forwarded.unwrap();
        let id = forwarded.field("x-request-id").unwrap();
        prop_assert!((1..=128).contains(&id.len()));
        prop_assert!(id.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>&{}\\`;,".contains(&byte)), "{}", id);
        prop_assert!(TraceParent::is_valid(forwarded.field("traceparent").unwrap()));
    }
}
