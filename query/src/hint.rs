//! What somebody may have meant who wrote something else: names that are near, words of other query languages.

use crate::{field::ALL_FIELDS, value};

/// Longer than any name: not compared.
const LONGEST: usize = 24;

/// What other tools call our fields.
const ELSEWHERE: [(&str, &str); 22] = [
    ("address", "client"),
    ("code", "status"),
    ("content", "body"),
    ("content-type", "type"),
    ("contenttype", "type"),
    ("domain", "host"),
    ("headers", "header.NAME"),
    ("header", "header.NAME"),
    ("hostname", "host"),
    ("ip", "client"),
    ("latency", "duration"),
    ("mime", "type"),
    ("node", "agent"),
    ("since", "after"),
    ("src", "client"),
    ("statuscode", "status"),
    ("time", "duration"),
    ("took", "duration"),
    ("ttfb", "first-byte"),
    ("until", "before"),
    ("uri", "url"),
    ("verb", "method"),
];

/// There is no field of this name.
pub(crate) fn no_field(written: &str) -> String {
    let name = written.to_ascii_lowercase();
    let begin = format!("there is no field `{written}`");
    if let Some(rest) = name.strip_prefix('!') {
        return format!("{begin}: `-{rest}:…` or `not {rest}:…` asks for the contrary");
    }
    let known = ALL_FIELDS.split(", ");
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name).map(|(_, ours)| *ours);
    match elsewhere.or_else(|| nearest(&name, known)) {
        Some(near) => format!("{begin}: did you mean `{near}`?"),
        None => format!("{begin}: expected one of {ALL_FIELDS}; a word with `:` or `~` in it needs quotes"),
    }
}

/// It is none of these words.
pub(crate) fn one_of(written: &str, words: &[&str]) -> String {
    let near = nearest(&written.to_ascii_lowercase(), words.iter().copied());
    let expected = format!("expected one of {}", words.join(", "));
    near.map_or(expected.clone(), |near| format!("{expected}; did you mean `{near}`?"))
}

/// Why this is hardly meant as a word of the URL.
pub(crate) fn no_word(word: &str) -> Option<String> {
    match word {
        "&" | "&&" | "+" => return Some(format!("expected `and`, found `{word}`")),
        "|" | "||" => return Some(format!("expected `or`, found `{word}`")),
        _ => {}
    }
    if let Some(rest) = word.strip_prefix('!') {
        return Some(format!("expected `-{rest}` or `not {rest}`, found `{word}`"));
    }
    let at = word.find(['=', '<', '>', '!'])?;
    let (field, rest) = word.split_at(at);
    let value = rest.trim_start_matches(['=', '!']);
    value::is_field(field)
        .then(|| format!("expected `:` behind `{field}`, as in `{field}:{value}`; a word with `=` needs quotes"))
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    // A third of what was written may be wrong.
    let most = (name.chars().count() / 3).clamp(1, 2);
    let near = known.map(|known| (distance(name, known), known)).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= most && near.0 < near.1.len()).then_some(near.1)
}

/// How many characters to put in, take out, exchange or swap with the next (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        for (written, expect) in [
            ("hots", Some("host")),
            ("statsu", Some("status")),
            ("metod", Some("method")),
            ("durations", Some("duration")),
            ("respose.body", Some("response.body")),
            ("xyz", None),
            ("example.com", None),
        ] {
            assert_eq!(nearest(written, ALL_FIELDS.split(", ")), expect, "{written}");
        }
    }

    #[test]
    fn names_from_elsewhere_are_not_ours() {
        for (other, ours) in ELSEWHERE {
            assert!(!value::is_field(other), "{other}");
            assert!(ALL_FIELDS.split(", ").any(|known| known == ours), "{ours}");
        }
    }
}
