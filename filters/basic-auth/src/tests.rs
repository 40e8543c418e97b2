use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::BasicAuth;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<BasicAuth>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<BasicAuth>(include_str!("../schema.json"))
}

const HASH: &str = "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$Mqp8wAsrOsjVEIymTD0kATxTpTf4f+0ZMgQPDlukk/w";

fn filter(pace: u32) -> Tested<BasicAuth> {
    let config = serde_json::json!({"users": {"Aladdin": HASH}, "verifications_per_second": pace});
    Tested::new(&config.to_string()).unwrap()
}

fn status(filter: &Tested<BasicAuth>, authorization: &str) -> u16 {
    let outcome = filter.run(Exchange::get("http://a.example/").header("authorization", authorization));
    outcome.received.unwrap().start.0
}

const RIGHT: &str = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

#[test]
fn what_was_verified_once_costs_nothing_more() {
    let filter = filter(1);
    assert_eq!(status(&filter, RIGHT), 200);
    // The bucket is empty now, and fills by one a second.
    for _ in 0..200 {
        assert_eq!(status(&filter, RIGHT), 200);
    }
}

#[test]
fn guessing_is_slow_and_locks_nobody_out_who_is_in() {
    let filter = filter(2);
    assert_eq!(status(&filter, RIGHT), 200);
    let guess = |n: u32| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(format!("Aladdin:{n}"));
        status(&filter, &format!("Basic {text}"))
    };
    let answers: Vec<u16> = (0..20).map(guess).collect();
    assert_eq!(answers[0], 401);
    assert!(answers.contains(&429) && !answers.contains(&200), "{answers:?}");
    assert_eq!(guess(0), 401, "what was wrong once is known to be wrong");
    assert_eq!(status(&filter, RIGHT), 200);
}

proptest! {
    #[test]
    fn nothing_but_the_password_opens(text in "[ -~]{0,60}|Basic [A-Za-z0-9+/=]{0,80}") {
        let filter = filter(1000);
        let text = text.trim();
        prop_assume!(!text.ends_with(RIGHT.trim_start_matches("Basic ")));
        let outcome = filter.run(Exchange::get("http://a.example/").header("authorization", text));
        prop_assert_eq!(outcome.verdict, Verdict::Respond);
        prop_assert!(outcome.received.unwrap().field("www-authenticate").is_some());
    }
}
