use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Tested, Verdict, golden, schema};

use crate::MapRemote;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<MapRemote>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<MapRemote>(include_str!("../schema.json"))
}

const CONFIG: &str = r#"{"rules": [
    {"match": {"hosts": ["a.example"]}, "authority": "b.example:8080", "prefix": "/api", "to": "/v2/x/"},
    {"match": {"hosts": ["c.example"]}, "prefix": "/app/", "to": "/"}
]}"#;

fn target(url: &str) -> String {
    let filter = Tested::<MapRemote>::new(CONFIG).unwrap();
    let start = filter.run(Exchange::get(url)).forwarded.unwrap().start;
    format!("{}://{}{}", start.scheme, start.authority, start.path)
}

#[test]
fn a_prefix_ends_where_a_segment_ends() {
    for (from, to) in [
        ("http://a.example/api", "http://b.example:8080/v2/x"),
        ("http://a.example/api/", "http://b.example:8080/v2/x/"),
        ("http://a.example/api/u/1?q=/api", "http://b.example:8080/v2/x/u/1?q=/api"),
        ("http://a.example/api?q", "http://b.example:8080/v2/x?q"),
        ("http://A.example:80/api/%20", "http://b.example:8080/v2/x/%20"),
        ("http://c.example/app", "http://c.example/"),
        ("http://c.example/app/x", "http://c.example/x"),
        ("http://c.example/app?x", "http://c.example/?x"),
    ] {
        assert_eq!(target(from), to, "{from}");
    }
}

#[test]
fn what_leaves_its_folder_by_a_detour_stays_where_it_was() {
    for url in [
        "http://a.example/apis",
        "http://a.example/",
        "http://a.example/api/../admin",
        "http://a.example/api/%2e%2e/admin",
        "http://a.example/api/..%2fadmin",
        "http://a.example/x/../api/u",
        "http://a.example//api",
    ] {
        assert_eq!(target(url), url);
    }
}

#[test]
fn a_client_that_names_two_hosts_is_not_sent_anywhere() {
    let filter = Tested::<MapRemote>::new(CONFIG).unwrap();
    let exchange = Exchange::get("https://a.example/api");
    let outcome = filter.run(exchange.connection(|c| c.server_name = Some("other.example".to_owned())));
    assert_eq!(outcome.forwarded.unwrap().start.authority, "a.example");
}

proptest! {
    #[test]
    fn no_path_leaves_the_folder_that_it_is_sent_to(path in "/api[!-~]{0,20}|/[!-~]{0,20}|(/api|/\\.\\.|/%2e\\.|/x|\\\\){1,6}") {
        let filter = Tested::<MapRemote>::new(CONFIG).unwrap();
        let path = path.replace('#', "");
        let url = format!("http://a.example{}{path}", if path.starts_with('/') { "" } else { "/" });
        let outcome = filter.run(Exchange::get(&url));
        prop_assert_eq!(outcome.verdict, Verdict::Pass);
        let start = outcome.forwarded.unwrap().start;
        if start.authority == "b.example:8080" {
            for reading in weir_sdk::matching::path_readings(&start.path) {
                prop_assert!(reading.starts_with(b"/v2/x"), "{} -> {:?}", url, String::from_utf8_lossy(&reading));
            }
        }
    }
}
