use weir_sdk::testing::{Exchange, Failures, Tested, golden};

use crate::Headers;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<Headers>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn asks_only_for_heads_it_changes() {
    let wants = |config: &str| format!("{:?}", Tested::<Headers>::new(config).unwrap().subscription());
    let only_response = wants(r#"{"response": {"remove": ["server"]}}"#);
    assert!(only_response.contains("request_head: false") && only_response.contains("response_head: true"));
    assert!(!wants("{}").contains("true"));
}

#[test]
fn nothing_is_logged_when_all_goes_well() {
    let filter = Tested::<Headers>::new(r#"{"request": {"set": {"x-a": "1"}, "remove": ["x-none"]}}"#).unwrap();
    filter.run(Exchange::get("http://example.com/"));
    assert_eq!(filter.log(), []);
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../schema.json")).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["request"].is_object() && schema["properties"]["response"].is_object());
}
