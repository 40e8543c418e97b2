use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::DelayAndFault;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<DelayAndFault>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<DelayAndFault>(include_str!("../schema.json"))
}

#[test]
fn responses_are_asked_for_only_where_they_may_fail() {
    let wants = |phase: &str| {
        let config = format!(r#"{{"faults": [{{"do": "abort", "phase": "{phase}"}}]}}"#);
        format!("{:?}", Tested::<DelayAndFault>::new(&config).unwrap().subscription())
    };
    assert!(wants("request").contains("response_head: false") && wants("response").contains("response_head: true"));
}

#[test]
fn some_are_struck_and_some_are_not() {
    let config = r#"{"faults": [{"percent": 30, "do": "abort"}]}"#;
    let filter = Tested::<DelayAndFault>::new(config).unwrap();
    let struck = (0..1000).filter(|_| filter.run(Exchange::get("http://a.example/")).verdict == Verdict::Abort).count();
    // 300 with a deviation of 14.5: ten of them either way.
    assert!((155..445).contains(&struck), "{struck}");
    assert_eq!(filter.live_states(), 0);
}

proptest! {
    #[test]
    fn a_configuration_is_refused_or_does_what_it_says(
        percent in prop_oneof![Just(0.0), Just(100.0), -1.0..120.0_f64],
        status in 0_u16..700,
        name in "[a-z ]{0,6}",
        value in "[ -~]{0,6}",
    ) {
        let effect = serde_json::json!({"respond": {"status": status, "headers": {"x-a": value}}});
        let fault = serde_json::json!({"percent": percent, "do": effect, "header": {"name": name}});
        let Ok(filter) = Tested::<DelayAndFault>::new(&serde_json::json!({"faults": [fault]}).to_string()) else {
            return Ok(());
        };
        let outcome = filter.run(Exchange::get("http://a.example/").header(&name, "1"));
        match outcome.verdict {
            Verdict::Pass => prop_assert!(percent < 100.0),
            Verdict::Respond => prop_assert!(percent > 0.0 && outcome.received.unwrap().start.0 == status),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
