use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::Block;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<Block>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

fn blocks(config: &str, exchange: Exchange) -> bool {
    Tested::<Block>::new(config).unwrap().run(exchange).verdict == Verdict::Respond
}

#[test]
fn every_source_of_a_host_is_asked() {
    let config = r#"{"hosts": ["ads.example.com", "*.tracker.net", "10.0.0.1", "2001:db8::1"]}"#;
    let good = || Exchange::get("https://good.example/");
    assert!(!blocks(config, good()));
    assert!(blocks(config, Exchange::get("http://ADS.example.com.:8080/")));
    assert!(blocks(config, Exchange::get("http://[2001:DB8:0::1]/")));
    assert!(blocks(config, Exchange::get("http://167772161/")));
    for target in ["a.tracker.net:443", "A.TRACKER.net.:443", "10.0.0.1:443", "[::ffff:10.0.0.1]:443"] {
        assert!(blocks(config, good().connection(|c| c.tunnel_target = Some(target.to_owned()))), "{target}");
    }
    assert!(blocks(config, good().connection(|c| c.server_name = Some("Ads.Example.Com".to_owned()))));
    assert!(!blocks(config, good().connection(|c| c.server_name = Some("tracker.net".to_owned()))));
}

#[test]
fn paths_are_compared_as_the_upstream_reads_them() {
    let config = r#"{"paths": ["/admin*", "/caf%C3%A9", "*.php"]}"#;
    for path in [
        "/admin",
        "/admin/users?x=1",
        "/%61dmin",
        "/%2561dmin",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x/..%2fadmin",
        "/%5cadmin",
        "/;a=b/admin",
        "/x/..;/admin",
        "/caf%c3%a9",
        "/a/b.php",
        "/a/b.php;x",
    ] {
        assert!(blocks(config, Exchange::get(&format!("http://a.example{path}"))), "{path}");
    }
    for path in ["/", "/Admin", "/public?next=/admin", "/cafe", "/a.php5", "/x/admin"] {
        assert!(!blocks(config, Exchange::get(&format!("http://a.example{path}"))), "{path}");
    }
}

#[test]
fn lists_block_alone_and_rules_together() {
    let config = r#"{"methods": ["TRACE"], "rules": [{"hosts": ["a.example"], "methods": ["DELETE", "PUT"], "paths": ["/v1/*"]}]}"#;
    assert!(blocks(config, Exchange::new("TRACE", "http://b.example/")));
    assert!(blocks(config, Exchange::new("trace", "http://b.example/")));
    assert!(blocks(config, Exchange::new("PUT", "http://a.example/v1/x")));
    assert!(!blocks(config, Exchange::new("PUT", "http://a.example/v2/x")));
    assert!(!blocks(config, Exchange::new("PUT", "http://b.example/v1/x")));
    assert!(!blocks(config, Exchange::new("GET", "http://a.example/v1/x")));
}

#[test]
fn a_status_without_a_body_has_none() {
    let filter = Tested::<Block>::new(r#"{"hosts": ["*"], "status": 204, "body": "gone"}"#).unwrap();
    let received = filter.run(Exchange::get("http://a.example/")).received.unwrap();
    assert_eq!((received.start.0, received.joined(), received.field("content-type")), (204, Vec::new(), None));
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<Block>(include_str!("../schema.json"))
}
