//! Regular expressions for values that have a shape and no place: keys, tokens, numbers of cards. Bounded when they are read:
//! in length, in what they compile to, and in how much of a body's end is given up where it was cut. Matching takes time
//! that grows with the text alone.

use std::{borrow::Cow, fmt, str::FromStr};

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::mask::{Masking, Text};

/// Longest pattern, bytes.
const LENGTH: usize = 1024;
/// What one compiles to, bytes.
const COMPILED: usize = 256 << 10;
/// Where a body was cut, a secret of up to so many bytes is not left half.
pub(super) const LONGEST: usize = 1024;

/// One of them.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Patterns(Vec<Regex>);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH {
            return Err(format!("a pattern has {} bytes, more than {LENGTH}", text.len()));
        }
        let built = RegexBuilder::new(text).size_limit(COMPILED).dfa_size_limit(1 << 20).build();
        let regex = built.map_err(|error| {
            let text = error.to_string();
            format!(
                "`{}` is no pattern: {}",
                text_of(text.lines().nth(1).unwrap_or(&text)),
                text_of(text.lines().last().unwrap_or_default())
            )
        })?;
        if regex.is_match(b"") {
            return Err(format!("`{text}` fits nothing at all too, so it would stand everywhere"));
        }
        Ok(Self(regex))
    }
}

fn text_of(line: &str) -> &str {
    line.trim()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Patterns {
    pub(super) fn new(patterns: &[Pattern]) -> Self {
        Self(patterns.iter().map(|pattern| pattern.0.clone()).collect())
    }

    /// Is one of them there?
    pub(super) fn fit(&self, text: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(text))
    }

    /// With a marker for each place that one fits. Where a pattern has a group named `secret`, for that alone.
    pub(super) fn replace<'t>(&self, masking: &mut Masking<'_>, text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
        self.0.iter().fold(text, |text, pattern| {
            if !pattern.is_match(&text) {
                return text;
            }
            let replaced = pattern.replace_all(&text, |found: &regex::bytes::Captures<'_>| {
                let whole = found.get(0).map_or(&b""[..], |whole| whole.as_bytes());
                match (found.name("secret"), found.get(0)) {
                    (Some(secret), Some(of)) => {
                        let (from, to) = (secret.start() - of.start(), secret.end() - of.start());
                        let marker = masking.of(&whole[from..to], Text::Words);
                        [&whole[..from], &marker, &whole[to..]].concat()
                    }
                    _ => masking.of(whole, Text::Words).into_owned(),
                }
            });
            Cow::Owned(replaced.into_owned())
        })
    }
}
