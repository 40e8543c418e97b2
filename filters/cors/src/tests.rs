use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Outcome, Tested, Verdict, golden, schema};

use crate::Cors;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<Cors>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<Cors>(include_str!("../schema.json"))
}

fn run(config: &str, exchange: Exchange) -> Outcome {
    Tested::<Cors>::new(config).unwrap().run(exchange)
}

fn allowed(config: &str, origin: &str) -> Option<String> {
    let exchange = Exchange::get("https://api.example/").header("origin", origin);
    run(config, exchange).received.unwrap().field("access-control-allow-origin").map(str::to_owned)
}

#[test]
fn an_origin_that_is_not_listed_is_never_sent_back() {
    let config = r#"{"origins": ["https://app.example.com", "https://*.example.org", "null"], "credentials": true}"#;
    for origin in ["https://app.example.com", "https://a.example.org", "null"] {
        assert_eq!(allowed(config, origin).as_deref(), Some(origin));
    }
    for origin in ["https://app.example.com.evil.net", "https://example.org", "http://app.example.com", "*", "NULL"] {
        assert_eq!(allowed(config, origin), None, "{origin}");
    }
    assert_eq!(allowed(r#"{"origins": ["https://a.example"]}"#, "null"), None);
    assert_eq!(allowed(r#"{"origins": ["*"]}"#, "https://any.example").as_deref(), Some("*"));
}

#[test]
fn two_origins_are_nobodys() {
    let config = r#"{"origins": ["https://a.example"]}"#;
    let exchange = Exchange::get("https://api.example/").header("origin", "https://evil.example");
    let received = run(config, exchange.header("origin", "https://a.example")).received.unwrap();
    assert_eq!(received.field("access-control-allow-origin"), None);
}

#[test]
fn a_vary_that_says_it_already_stays() {
    let config = r#"{"origins": ["https://a.example"]}"#;
    for vary in ["Accept, origin", "*"] {
        let exchange = Exchange::get("https://api.example/").respond(200, &[("vary", vary)], &[]);
        let received = run(config, exchange).received.unwrap();
        assert_eq!(received.fields.iter().filter(|(name, _)| name == "vary").count(), 1);
    }
}

proptest! {
    /// Whatever is sent: no panic, and what comes back as the allowed origin is on the list.
    #[test]
    fn no_request_gets_more_than_the_list(
        origin in "(https?://)?[a-z.*:/@# \\PC]{0,30}(example\\.com)?",
        method in "[A-Z]{1,8}|OPTIONS",
        asked in "[ -~]{0,60}",
    ) {
        let config = r#"{"origins": ["https://*.example.com"], "credentials": true, "headers": ["*"], "methods": ["*"]}"#;
        let Some(origin) = latin1(&origin) else { return Ok(()) };
        let exchange = Exchange::new(&method, "https://api.example/x")
            .header("origin", origin)
            .header("access-control-request-method", asked.trim())
            .header("access-control-request-headers", asked.trim());
        let outcome = run(config, exchange);
        let received = outcome.received.unwrap();
        prop_assert_ne!(outcome.verdict, Verdict::Fail);
        if let Some(allowed) = received.field("access-control-allow-origin") {
            prop_assert!(allowed == origin && allowed.starts_with("https://") && allowed.ends_with(".example.com"));
            let name = allowed.strip_prefix("https://").unwrap();
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{}", allowed);
        }
    }
}

/// A value as it can stand in a head.
fn latin1(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| text.chars().all(|c| c as u32 <= 0xff && !c.is_control()))
}
