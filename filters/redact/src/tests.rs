use proptest::prelude::*;
use weir_sdk::testing::{Exchange, Failures, Outcome, Tested, golden, schema};

use crate::Redact;

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<Redact>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

fn body(outcome: Outcome) -> Vec<u8> {
    outcome.received.expect("a response").joined()
}

fn send(filter: &Tested<Redact>, chunks: &[&[u8]]) -> Outcome {
    filter.run(Exchange::get("http://a.example/").respond(200, &[("content-type", "text/plain")], chunks))
}

/// The answer chunk by chunk, to see what is held back when.
fn chunks(config: &str, chunks: &[&str]) -> Vec<String> {
    let filter = Tested::<Redact>::new(config).unwrap();
    let chunks: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
    let received = send(&filter, &chunks).received.unwrap();
    received.body.into_iter().map(|chunk| String::from_utf8(chunk).unwrap()).collect()
}

#[test]
fn holds_back_only_what_may_still_match() {
    let config = r#"{"patterns": [{"literal": "secret"}], "replacement": "*"}"#;
    assert_eq!(chunks(config, &["data: 1\n\n", "data: 2\n\n"]), ["data: 1\n\n", "data: 2\n\n"]);
    assert_eq!(chunks(config, &["a sec", "ret b se", "", "ct se"]), ["a ", "* b ", "sect ", "se"]);
    assert_eq!(chunks(config, &["my secret", "s"]), ["my *", "s"]);
}

#[test]
fn the_first_of_two_patterns_wins() {
    let filter = |patterns: &str| format!(r#"{{"patterns": [{patterns}]}}"#);
    let short = r#"{"literal": "ab", "replacement": "1"}"#;
    let long = r#"{"literal": "abc", "replacement": "2"}"#;
    assert_eq!(chunks(&filter(&format!("{short},{long}")), &["ab", "c"]).concat(), "1c");
    assert_eq!(chunks(&filter(&format!("{long},{short}")), &["ab", "c"]).concat(), "2");
    assert_eq!(chunks(&filter(&format!("{long},{short}")), &["ab", "d"]).concat(), "1d");
}

#[test]
fn what_lies_around_a_match_is_looked_at() {
    let config = r#"{"patterns": [{"regex": "\\bid\\b"}, {"regex": "^x|y$"}], "replacement": "*"}"#;
    assert_eq!(chunks(config, &["x", " i", "d", " y xid i", "dx i", "d,y"]).concat(), "* * y xid idx *,*");
    assert_eq!(chunks(config, &["ax", "x", "a", "yy", ""]).concat(), "axxay*");
}

#[test]
fn nothing_is_kept_of_a_finished_exchange() {
    let filter = Tested::<Redact>::new(r#"{"patterns": [{"literal": "secret"}]}"#).unwrap();
    assert_eq!(body(send(&filter, &[b"a secre"])), b"a secre");
    assert_eq!(body(send(&filter, &[b"t"])), b"t");
    assert_eq!(filter.live_states(), 0);
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<Redact>(include_str!("../schema.json"))
}

const CONFIGS: [&str; 4] = [
    r#"{"patterns": [{"literal": "ab"}, {"literal": "abab"}, {"literal": "b"}], "replacement": "-"}"#,
    r#"{"patterns": [{"regex": "a{2,5}b?"}, {"literal": "BA", "ignore_case": true}], "replacement": "<>"}"#,
    r#"{"patterns": [{"regex": "\\ba{1,4}?b{0,3}\\b"}, {"regex": "^b|a$"}, {"regex": "(?m)^ab?$"}], "replacement": ""}"#,
    r#"{"patterns": [{"regex": "a(?:b|c){3}"}, {"regex": "[^a]{2}a"}, {"regex": "c\\nc"}], "replacement": "abc"}"#,
];

proptest! {
    /// Wherever a body is cut, also into single bytes, the same comes out.
    #[test]
    fn chunk_borders_do_not_matter(text in "[abcAB \n]{0,60}", cuts in prop::collection::vec(0_usize..61, 0..8)) {
        let text = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        for config in CONFIGS {
            let filter = Tested::<Redact>::new(config).unwrap();
            let whole = body(send(&filter, &[text]));
            prop_assert_eq!(&body(send(&filter, &pieces)), &whole, "{} {:?}", config, pieces);
            prop_assert_eq!(&body(send(&filter, &bytes)), &whole, "{} one by one", config);
        }
    }

    /// What comes out at once is what a plain search and replace yields.
    #[test]
    fn a_literal_is_replaced_everywhere(text in "[ab]{0,40}") {
        let filter = Tested::<Redact>::new(r#"{"patterns": [{"literal": "aab"}], "replacement": "c"}"#).unwrap();
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(body(send(&filter, &bytes)), text.replace("aab", "c").into_bytes());
    }
}
