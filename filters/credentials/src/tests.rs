use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::Credentials;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<Credentials>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<Credentials>(include_str!("../schema.json"))
}

/// A client that names one host in CONNECT or TLS and another in the request gets no secret for either.
#[test]
fn whoever_names_two_hosts_is_not_signed_in() {
    let config = r#"{"rules": [{"match": {"hosts": ["api.example.com"]}, "secret": "key"}]}"#;
    let filter = Tested::<Credentials>::new(config).unwrap();
    let signed_in = |exchange: Exchange| {
        let outcome = filter.run(exchange.secret("key"));
        assert_eq!(outcome.verdict, Verdict::Pass);
        outcome.forwarded.unwrap().field("authorization").is_some()
    };
    let to = |host: &str| Exchange::get(&format!("https://{host}/"));
    assert!(signed_in(to("api.example.com")));
    assert!(signed_in(to("API.example.com.")));
    for host in ["evil.example", "api.example.com"] {
        assert!(!signed_in(to(host).connection(|connection| {
            connection.tunnel_target = Some("api.example.com:443".to_owned());
            connection.server_name = Some("evil.example".to_owned());
        })));
    }
}
