use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::SecurityHeaders;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<SecurityHeaders>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<SecurityHeaders>(include_str!("../schema.json"))
}

#[test]
fn hsts_is_never_sent_in_the_clear() {
    let filter = Tested::<SecurityHeaders>::new(r#"{"preset": "strict"}"#).unwrap();
    let hsts = |url: &str| {
        let received = filter.run(Exchange::get(url)).received.unwrap();
        received.field("strict-transport-security").map(str::to_owned)
    };
    assert_eq!(hsts("http://a.example/"), None);
    assert_eq!(hsts("https://a.example/").as_deref(), Some("max-age=63072000; includeSubDomains"));
}

#[test]
fn no_spelling_of_a_path_loses_its_protection() {
    let config = r#"{"csp": "default-src 'none'", "match": {"paths": ["/admin*"]}}"#;
    let filter = Tested::<SecurityHeaders>::new(config).unwrap();
    let has = |path: &str| {
        let received = filter.run(Exchange::get(&format!("https://a.example{path}"))).received.unwrap();
        received.field("content-security-policy").is_some()
    };
    assert!(has("/admin") && has("/%61dmin/x") && has("/x/../admin") && !has("/public"));
}

#[test]
fn every_preset_passes_its_own_checks() {
    for preset in ["strict", "api"] {
        for existing in ["keep", "overwrite"] {
            let config = format!(r#"{{"preset": "{preset}", "existing": "{existing}"}}"#);
            let filter = Tested::<SecurityHeaders>::new(&config).unwrap();
            assert_eq!(filter.run(Exchange::get("https://a.example/")).verdict, Verdict::Pass);
            assert_eq!(filter.log(), []);
        }
    }
}

proptest! {
    /// A value that gets through the check is a value that the agent takes.
    #[test]
    fn what_is_accepted_can_be_set(value in "\\PC{0,40}|[ -~\t]{0,40}") {
        let config = serde_json::json!({"csp": value, "permissions_policy": value, "frame_options": value});
        if let Ok(filter) = Tested::<SecurityHeaders>::new(&config.to_string()) {
            filter.run(Exchange::get("https://a.example/"));
            prop_assert_eq!(filter.log(), []);
        }
    }
}
