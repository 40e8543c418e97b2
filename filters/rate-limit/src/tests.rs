use weir_sdk::testing::{Exchange, Outcome, Tested, Verdict};

use super::*;

fn get(filter: &Tested<RateLimit>, client: &str, url: &str) -> Outcome {
    filter.run(Exchange::get(url).connection(|connection| connection.client_address = client.to_owned()))
}

fn limited(rule: &str) -> Tested<RateLimit> {
    Tested::new(&format!(
        r#"{{"headers": true, "rules": [{{"name": "r", "limit": 2, "window_seconds": 86400, {rule}}}]}}"#
    ))
    .unwrap()
}

#[test]
fn one_client_s_requests_leave_another_s_alone() {
    let filter = limited(r#""by": "client""#);
    let url = "http://a.example/";
    for left in ["1", "0"] {
        let outcome = get(&filter, "192.0.2.1:1", url);
        assert_eq!(outcome.verdict, Verdict::Pass);
        let field = outcome.received.unwrap().field("ratelimit").unwrap().to_owned();
        assert!(field.starts_with(&format!("\"r\";r={left};t=")), "{field}");
    }
    let refused = get(&filter, "192.0.2.1:2", url);
    assert_eq!(refused.verdict, Verdict::Respond);
    let response = refused.received.unwrap();
    assert_eq!(response.start.0, 429);
    assert!(response.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(response.field("ratelimit-policy"), Some("\"r\";q=2;w=86400"));
    assert_eq!(get(&filter, "192.0.2.2:1", url).verdict, Verdict::Pass);
}

#[test]
fn addresses_of_one_prefix_count_together() {
    let filter = limited(r#""by": "client""#);
    let verdicts = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8:0:1::1]:1"]
        .map(|client| get(&filter, client, "http://a.example/").verdict);
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Pass, Verdict::Respond, Verdict::Pass]);
}

#[test]
fn who_is_refused_by_one_rule_uses_nothing_of_another() {
    let filter = Tested::<RateLimit>::new(
        r#"{"rules": [{"name": "all", "by": "all", "limit": 3, "window_seconds": 86400},
                      {"name": "paths", "by": "all", "match": {"paths": ["/a*"]}, "limit": 1, "window_seconds": 86400}]}"#,
    )
    .unwrap();
    let verdict = |path: &str| get(&filter, "192.0.2.1:1", &format!("http://a.example{path}")).verdict;
    assert_eq!(
        [verdict("/a"), verdict("/a"), verdict("/a"), verdict("/b"), verdict("/b"), verdict("/b")],
        [Verdict::Pass, Verdict::Respond, Verdict::Respond, Verdict::Pass, Verdict::Pass, Verdict::Respond]
    );
}

#[test]
fn keys_of_any_length_fit_into_the_store() {
    let filter = limited(r#""by": {"header": "x-key"}"#);
    for key in ["", "k", &"é".repeat(1000)] {
        let exchange = Exchange::get("http://a.example/").header("x-key", key);
        assert_eq!(filter.run(exchange.clone()).verdict, Verdict::Pass);
        assert_eq!(filter.run(exchange).verdict, Verdict::Pass);
    }
    let long = Exchange::get("http://a.example/").header("x-key", &"é".repeat(2000));
    assert_eq!(filter.run(long).verdict, Verdict::Respond, "what was cut off tells nobody apart");
}

#[test]
fn golden() -> Result<(), weir_sdk::testing::Failures> {
    weir_sdk::testing::golden::<RateLimit>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}
