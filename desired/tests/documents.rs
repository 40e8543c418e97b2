//! What can be pushed, and what is said of the rest.
#![allow(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;
use weir_desired::{Change, Document, Kind, live_keys};

fn faults(text: &str) -> Vec<String> {
    let faults = Document::parse(text).unwrap_err();
    faults.0.iter().map(ToString::to_string).collect()
}

#[test]
fn values_have_one_form() {
    let text = "[capture]\nbody_bytes = 65536\n[client]\nheaders = 0x40\nhead_timeout = \"120000ms\"\n\
                [intercept]\npass_through = [\"*.bank.example\", '10.0.0.0/8:443']\nenabled = true\n";
    let document = Document::parse(text).unwrap();
    assert_eq!(
        document.values().collect::<Vec<_>>(),
        [
            ("capture.body_bytes", "64KiB"),
            ("client.head_timeout", "120s"),
            ("client.headers", "64"),
            ("intercept.enabled", "true"),
            ("intercept.pass_through", "[\"*.bank.example\", \"10.0.0.0/8:443\"]"),
        ]
    );
    let same = "capture.body_bytes = \"64KiB\"\nclient = { head_timeout = \"2m\", headers = 64 }\n\
                intercept.pass_through = [\"*.bank.example\", \"10.0.0.0/8:443\"]\nintercept.enabled = true\n";
    assert_eq!(Document::parse(same).unwrap(), document);
    assert!(Document::parse("# nothing\n[client]\n").unwrap().is_empty());
}

#[test]
fn every_fault_is_named_with_line_and_key() {
    let all = faults(
        "listen = \"0.0.0.0:80\"\nworkers = 4\n[capture]\nbody_bytes = \"2MiB\"\nbodybytes = 1\n[client]\nhead_timeout = 5\n\
         headers = -1\n[intercept]\npass_through = [\"a b\"]\n[upstream]\nca = \"x.pem\"\n[control]\nallow = [\"replay\"]\n",
    );
    let begins = [
        "line 1: listen: this is decided where the agent runs",
        "line 2: workers: agents read this when they start",
        "line 4: capture.body_bytes: 2MiB is out of range: 0 to 1MiB",
        "line 5: capture.bodybytes: there is no such key among those that can be pushed: capture.body_bytes, capture.connections, capture.filter_lines, \
         capture.message_bytes, capture.messages, capture.whole_digest",
        "line 7: client.head_timeout: this is a whole number, expected a time with its unit",
        "line 8: client.headers: -1 is out of range: 16 to 1024",
        "line 10: intercept.pass_through: `a b` is not a target",
        "line 12: upstream.ca: this is decided where the agent runs",
        "line 14: control.allow: this is decided where the agent runs",
    ];
    assert_eq!(all.len(), begins.len(), "{all:#?}");
    for (fault, begin) in all.iter().zip(begins) {
        assert!(fault.starts_with(begin), "{fault}");
    }
    assert_eq!(faults("[capture]\nbody_bytes = 1\nbody_bytes = 2\n"), ["line 3: duplicate key"]);
    assert!(faults("[capture\n")[0].starts_with("line 1: "));
    assert!(faults(&"#".repeat(70_000))[0].contains("more than 64KiB"));
}

#[test]
fn what_is_new_is_told_key_by_key() {
    let parse = |text| Document::parse(text).unwrap();
    let before = parse("capture.body_bytes = 1\nclient.headers = 20\n");
    let after = parse("capture.body_bytes = 2\nmetrics.interval = \"1s\"\n");
    let change = |key, before: Option<&str>, after: Option<&str>| Change {
        key,
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    assert_eq!(
        before.changes(&after),
        [
            change("capture.body_bytes", Some("1"), Some("2")),
            change("client.headers", Some("20"), None),
            change("metrics.interval", None, Some("1s")),
        ]
    );
    assert!(after.changes(&after).is_empty());
}

/// Text that is near to being right.
fn near() -> impl Strategy<Value = String> {
    let name = prop::sample::select(live_keys().iter().map(|key| key.name).collect::<Vec<_>>());
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u16>().prop_map(|number| format!("\"{number}ms\"")),
        any::<u16>().prop_map(|number| format!("\"{number}KiB\"")),
        any::<bool>().prop_map(|flag| flag.to_string()),
        prop::collection::vec("[a-z.*]{0,9}", 0..3).prop_map(|texts| format!("{texts:?}")),
        prop::collection::vec(any::<String>(), 0..3).prop_map(escaped),
        "\\PC{0,12}",
    ];
    prop::collection::vec((name, value), 0..6)
        .prop_map(|lines| lines.iter().map(|(name, value)| format!("{name} = {value}\n")).collect())
}

/// A list of texts, each character as its number.
fn escaped(texts: Vec<String>) -> String {
    let escaped = |text: &String| text.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect::<String>();
    format!("[{}]", texts.iter().map(|text| format!("\"{}\"", escaped(text))).collect::<Vec<_>>().join(", "))
}

#[test]
fn what_cannot_be_seen_is_shown_by_its_number() {
    let document = Document::parse("redact.patterns = [\"a\\u202Eb\\u0000'\\\"\", '\\d+']").unwrap();
    let shown = document.values().next().unwrap().1;
    assert_eq!(shown, r#"["a\U0000202Eb\U00000000'\"", "\\d+"]"#);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}", near in near()) {
        let _ = Document::parse(&text);
        let _ = Document::parse(&near);
    }

    /// What is shown of a configuration is itself one, and the same.
    #[test]
    fn what_is_shown_reads_back(text in near()) {
        if let Ok(document) = Document::parse(&text) {
            let shown: String = document.values().map(|(key, value)| {
                let kind = live_keys().iter().find(|one| one.name == key).unwrap().kind;
                match kind {
                    Kind::Size(..) | Kind::Time(..) => format!("{key} = \"{value}\"\n"),
                    _ => format!("{key} = {value}\n"),
                }
            }).collect();
            prop_assert_eq!(Document::parse(&shown).unwrap(), document);
        }
    }
}
