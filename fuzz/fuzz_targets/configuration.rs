//! Any bytes as the text of a pushed configuration: no panic; each fault names a line that is there; what is shown of a right one is
//! right, and the same; of two, nothing changed exactly where they are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_desired::{Document, Kind, live_keys};

fn read(text: &str) -> Option<Document> {
    match Document::parse(text) {
        Ok(document) => Some(document),
        Err(faults) => {
            assert!(!faults.0.is_empty() && !faults.to_string().is_empty());
            let lines = text.matches('\n').count() + 1;
            assert!(faults.0.iter().all(|fault| (1..=lines).contains(&fault.line)), "{faults}");
            None
        }
    }
}

fn shown(document: &Document) -> String {
    let line = |(key, value): (&str, &str)| {
        let kind = live_keys().iter().find(|one| one.name == key).expect("a key of the table").kind;
        match kind {
            Kind::Size(..) | Kind::Time(..) => format!("{key} = \"{value}\"\n"),
            _ => format!("{key} = {value}\n"),
        }
    };
    document.values().map(line).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (one, other) = text.split_once('\0').unwrap_or((text, ""));
    let (Some(one), Some(other)) = (read(one), read(other)) else { return };
    for document in [&one, &other] {
        assert_eq!(read(&shown(document)).as_ref(), Some(document));
    }
    assert_eq!(one.changes(&other).is_empty(), one == other);
    assert_eq!(one.changes(&other).len(), other.changes(&one).len());
});
