//! A pattern and a text, both as they come: what it says of the text is what its definition says, and no regular
//! expression panics on any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_query::{Is, Query, Side, Subject, Text};

/// A user of this name, in a header too.
struct User<'a>(&'a str);

impl Subject for User<'_> {
    fn any_text(&self, field: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        matches!(field, Text::User | Text::Error) && fits(self.0)
    }

    fn any_header(&self, _: Side, _: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        fits(self.0.as_bytes())
    }

    fn is(&self, _: Is) -> bool {
        false
    }
}

/// Stars by their definition, each place once: `at[i]` says whether the pattern so far fits the first `i` bytes.
fn fits(pattern: &str, text: &str) -> bool {
    let mut at = vec![false; text.len() + 1];
    at[0] = true;
    for byte in pattern.bytes() {
        if byte == b'*' {
            let first = at.iter().position(|fits| *fits).unwrap_or(at.len());
            at[first..].fill(true);
        } else {
            for place in (1..at.len()).rev() {
                at[place] = at[place - 1] && text.as_bytes()[place - 1] == byte;
            }
            at[0] = false;
        }
    }
    at[text.len()]
}

fn quoted(text: &str) -> String {
    text.chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

fuzz_target!(|input: (&str, &str)| {
    let (pattern, text) = input;
    if pattern.len() > 1000 || text.len() > 4000 {
        return;
    }
    let user = User(text);
    let asks = |query: &str| Query::parse_at(query, 0).map(|query| query.matches(&user));
    assert_eq!(asks(&format!("user:\"{}\"", quoted(pattern))), Ok(fits(pattern, text)));
    let folded = fits(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase());
    assert_eq!(asks(&format!("error:\"{}\"", quoted(pattern))), Ok(folded));
    let _ = asks(&format!("header.x~\"{}\"", pattern.replace('"', "\\\"")));
});
