//! Any bytes as a body that is recorded, of any kind: no panic, what a pattern names is not in what is recorded, and what a
//! breakpoint takes out goes back to where it was.
#![no_main]

// In the place of the host, which would bring wasmtime along: its codings alone are asked for.
extern crate self as weir_host;

#[allow(dead_code, reason = "the modules are the host's and the agent's")]
#[path = "../../host/src/coding.rs"]
mod coding;
#[allow(dead_code, reason = "the modules are the host's and the agent's")]
#[path = "../../host/src/decode/mod.rs"]
mod decode;
#[allow(dead_code, reason = "the modules are the host's and the agent's")]
#[path = "../../host/src/exchange.rs"]
mod exchange;
#[allow(dead_code, unused_imports, reason = "the modules are the host's and the agent's")]
#[path = "../../agent/src/redact/mod.rs"]
mod redact;

use std::sync::LazyLock;

pub use coding::Codings;
pub use exchange::{Direction, Exchange};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use redact::{Kept, Kind, RedactConfig, Redacted, Rules, markers};
use regex::bytes::Regex;

const PATTERN: &str = "sk-[a-z]{4}";
const CONTENTS: [&str; 8] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/event-stream",
    "application/grpc",
    "application/grpc+json",
    "text/plain",
    "",
];
const CODINGS: [&str; 8] = ["", "gzip", "deflate", "br", "zstd", "br, gzip", "other", "identity"];

static SECRET: LazyLock<Regex> = LazyLock::new(|| Regex::new(PATTERN).expect("a pattern"));
/// It in escapes of URLs and of JSON.
static WRITTEN: LazyLock<Regex> = LazyLock::new(|| {
    let in_urls = "(?:s|%73)(?:k|%6[bB])(?:-|%2[dD])(?:[a-z]|%6[1-9a-fA-F]|%7[0-9aA]){4}";
    // one that a backslash stands before may be none
    let in_json =
        r"(?:^|[^\\])(?:s|\\u0073)(?:k|\\u006[bB])(?:-|\\u002[dD])(?:[a-z]|\\u006[1-9a-fA-F]|\\u007[0-9aA]){4}";
    Regex::new(&format!("{in_urls}|{in_json}")).expect("a pattern")
});
/// With rules for forms, and without: those withhold what has parts.
static RULES: LazyLock<[Rules; 2]> = LazyLock::new(|| {
    let all = RedactConfig {
        json: ["/password", "/**/pin", "/a/*/0"].map(|place| place.parse().expect("a place")).to_vec(),
        form: vec!["pass".to_owned()],
        patterns: vec![PATTERN.parse().expect("a pattern")],
        ..RedactConfig::default()
    };
    let without = RedactConfig { form: Vec::new(), ..all.clone() };
    [all, without].map(|config| Rules::new(&config).expect("there are rules"))
});

fn head(fields: [(&'static str, &'static str); 3]) -> HeaderMap {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let [first, second, body @ ..] = bytes else { return };
    let one = |list: [&'static str; 8], bits: u8| list[usize::from(bits & 7)];
    let content = ("content-type", one(CONTENTS, *first));
    let own = head([content, ("content-encoding", one(CODINGS, first >> 3)), ("grpc-encoding", one(CODINGS, *second))]);
    let other = head([content, ("content-encoding", one(CODINGS, second >> 3)), ("grpc-encoding", "")]);
    let (rules, is_cut) = (&RULES[usize::from(first >> 7)], first & 0x40 != 0);
    let kind = Kind::of(&own).or_as(&Kind::of(&other));
    let recorded = match rules.body(&kind, body, is_cut) {
        Redacted::Same => Some(body.to_vec()),
        Redacted::Other(recorded, was_cut) => {
            assert!(was_cut || !is_cut);
            Some(recorded)
        }
        Redacted::Withheld => None,
    };
    if let Some(recorded) = recorded {
        let text = rules.decoded(&kind, &recorded);
        for shown in [Some(&recorded[..]), text.as_deref()].into_iter().flatten() {
            assert!(!SECRET.is_match(shown) && !WRITTEN.is_match(shown), "{}", String::from_utf8_lossy(shown));
        }
    }
    let _ = rules.event(body, is_cut);

    let mut kept = Kept::default();
    let is_plain = !kind.is_coded() && Codings::marked(body).is_none();
    if let Redacted::Other(shown, false) = rules.body_kept(&mut kept, &Kind::of(&own), body, is_cut)
        && is_plain
        && markers(body) == 0
    {
        assert_eq!(kept.restore(&shown).text, body);
    }
});
