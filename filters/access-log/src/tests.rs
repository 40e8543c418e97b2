use std::time::Duration;

use weir_sdk::{
    Summary,
    testing::{Exchange, Failures, Tested, golden, schema},
};

use crate::AccessLog;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<AccessLog>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<AccessLog>(include_str!("../schema.json"))
}

fn summary() -> Summary {
    let upstream_address = Some("198.51.100.4:443".to_owned());
    let (duration, first_byte) = (Duration::from_micros(12_340), Some(Duration::from_millis(11)));
    Summary { request_bytes: 3.0, response_bytes: 1256.0, duration, first_byte, upstream_address }
}

fn log_of(config: &str, url: &str) -> Vec<String> {
    let tested = Tested::<AccessLog>::new(config).unwrap();
    tested.complete(Exchange::get(url), &summary());
    tested.tick();
    tested.tick();
    tested.log().into_iter().map(|(_, line)| line).collect()
}

#[test]
fn an_exchange_is_a_line() {
    let lines = log_of("{}", "http://example.com/a?token=secret");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let (client, rest) = line.split_once(" user=").unwrap();
    assert!(client.starts_with("client="), "{client}");
    let (rest, id) = rest.rsplit_once(" id=").unwrap();
    assert_eq!(
        rest,
        "- method=GET url=http://example.com/a status=200 end=complete in=3 out=1256 ms=12.3 first_ms=11.0 \
         upstream=198.51.100.4:443"
    );
    assert_eq!(id.len(), 36);
    assert!(log_of(r#"{"query": true}"#, "http://example.com/a?b")[0].contains("url=http://example.com/a?b "));
}

#[test]
fn an_interval_has_its_sums_and_quiet_ones_none() {
    let lines = log_of(r#"{"lines": false, "sums_ms": 1000}"#, "http://example.com/");
    assert_eq!(lines, ["exchanges=1 2xx=1 in=3 out=1256 mean_ms=12.3 max_ms=12.3"]);
    assert!(log_of(r#"{"status_from": 400}"#, "http://example.com/").is_empty());
    let tested = Tested::<AccessLog>::new(r#"{"sums_ms": 1500}"#).unwrap();
    assert_eq!(tested.interval(), Duration::from_millis(1500));
}
