use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::JsonEdit;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<JsonEdit>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<JsonEdit>(include_str!("../schema.json"))
}

fn edited(config: &str, body: &[u8]) -> (Verdict, Vec<u8>) {
    let filter = Tested::<JsonEdit>::new(config).unwrap();
    let exchange = Exchange::new("POST", "http://a.example/").header("content-type", "application/json");
    let outcome = filter.run(exchange.chunk(body));
    (outcome.verdict, outcome.forwarded.map(|request| request.joined()).unwrap_or_default())
}

const NOTHING: &str = r#"{"rules": [{"body": "request", "patch": [{"op": "add", "path": "/x", "value": 1}, {"op": "remove", "path": "/x"}]}]}"#;

#[test]
fn what_is_not_edited_comes_out_as_it_came() {
    for text in [
        r#"{"z":1,"a":[1.5,-0.1,1e-7,18446744073709551615,-9223372036854775808],"":null,"t":"\u0000\"\\é\n"}"#,
        r#"{"deep":[[[[{"a":{}}]]]],"e":[]}"#,
    ] {
        assert_eq!(edited(NOTHING, text.as_bytes()), (Verdict::Pass, text.as_bytes().to_vec()));
    }
}

#[test]
fn what_would_be_changed_by_reading_it_is_left_alone() {
    for text in ["{\"n\": 123456789012345678901234567890}", r#"{"a": 1, "a": 2}"#, "{\"a\": 1e400}", "[1,", "{} {}"] {
        assert_eq!(edited(NOTHING, text.as_bytes()), (Verdict::Pass, text.as_bytes().to_vec()));
    }
}

proptest! {
    #[test]
    fn any_bytes_pass_or_are_refused(body in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:0-9eE.\\-a\\\\ntruefalsu]{0,40}") {
        let refuse = NOTHING.replacen('{', r#"{"on_failure": "refuse", "#, 1);
        for body in [&body[..], json.as_bytes()] {
            let (verdict, out) = edited(NOTHING, body);
            prop_assert_eq!(verdict, Verdict::Pass);
            if serde_json::from_slice::<serde_json::Value>(body).is_err() {
                prop_assert_eq!(&out[..], body);
            }
            prop_assert!(matches!(edited(&refuse, body).0, Verdict::Pass | Verdict::Respond));
        }
    }

    #[test]
    fn nesting_does_not_reach_the_end_of_the_stack(depth in 1_usize..3000) {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        prop_assert_eq!(edited(NOTHING, text.as_bytes()).1, text.into_bytes());
    }
}
