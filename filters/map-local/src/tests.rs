use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::MapLocal;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<MapLocal>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<MapLocal>(include_str!("../schema.json"))
}

const CONFIG: &str = r#"{"rules": [{"match": {"paths": ["/a"]}, "text": "hello"}]}"#;

#[test]
fn what_a_client_has_is_not_sent_again() {
    let filter = Tested::<MapLocal>::new(CONFIG).unwrap();
    let first = filter.run(Exchange::get("http://a.example/a")).received.unwrap();
    let etag = first.field("etag").unwrap();
    let ask = |method: &str| {
        let again = Exchange::new(method, "http://a.example/a").header("if-none-match", etag);
        let received = filter.run(again).received.unwrap();
        (received.start.0, received.joined())
    };
    assert_eq!(ask("GET"), (304, Vec::new()));
    assert_eq!(ask("HEAD"), (304, Vec::new()));
    assert_eq!(ask("POST"), (200, b"hello".to_vec()));
}

proptest! {
    #[test]
    fn any_request_is_either_answered_or_passed(path in "/[!-~]{0,30}", tag in "[ -~]{0,40}") {
        let filter = Tested::<MapLocal>::new(CONFIG).unwrap();
        let path = path.replace('#', "");
        let outcome = filter.run(Exchange::get(&format!("http://a.example{path}")).header("if-none-match", tag.trim()));
        prop_assert!(matches!(outcome.verdict, Verdict::Pass | Verdict::Respond));
    }
}
