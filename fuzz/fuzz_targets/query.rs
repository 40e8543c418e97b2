//! Any text as a query: no panic, a column within the text, and what is printed asks the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_query::{Is, MAX_BYTES, Number, Query, Side, Subject, Text};

/// Each field is this text.
struct Everything<'a>(&'a str);

impl Subject for Everything<'_> {
    fn any_text(&self, _: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        fits(self.0)
    }

    fn any_header(&self, _: Side, _: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        fits(self.0.as_bytes())
    }

    fn is(&self, what: Is) -> bool {
        self.0.len() % 8 > what as usize
    }

    fn number(&self, _: Number) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn began_ms(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn any_body(&self, _: Side, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        fits(self.0.as_bytes())
    }

    fn any_filter(&self, fits: &mut dyn FnMut(&str, &str, bool) -> bool) -> bool {
        fits(self.0, "next", false)
    }

    fn any_tag(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        fits(self.0)
    }
}

fuzz_target!(|text: &str| {
    match Query::parse_at(text, 1_800_000_000_000) {
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column()), "{error}");
            assert!(error.shown(text).lines().count() >= 3);
        }
        Ok(query) => {
            let subject = Everything(text.get(..64).unwrap_or(text));
            let printed = query.to_string();
            // `5xx` prints as `500..599`: the bound on the length is the one thing that may stand between.
            if printed.len() <= MAX_BYTES {
                let again = Query::parse_at(&printed, 0).expect("what is printed parses");
                assert_eq!(again, query);
                assert_eq!(again.matches(&subject), query.matches(&subject));
            }
            if query.request_only().is_ok() {
                query.matches(&subject);
            }
        }
    }
});
