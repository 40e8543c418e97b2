//! Regular expressions for values that have a shape and no place: keys, tokens, numbers of cards. Bounded when they are read:
//! in length, in what they compile to, and in how much of a body's end is given up where it was cut. Matching takes time
//! that grows with the text alone.

use std::{borrow::Cow, fmt, str::FromStr};

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    escapes::{Meant, Written},
    mask::{self, Masking, Text},
};

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

    /// Is one of them there, also as the text is meant?
    pub(super) fn fit(&self, text: &[u8]) -> bool {
        let is_in = |text: &[u8]| self.0.iter().any(|pattern| pattern.is_match(text));
        let meant = |written| Meant::of(text, written).is_some_and(|meant| is_in(&meant.text));
        is_in(text) || !self.0.is_empty() && [Written::Url, Written::Json].into_iter().any(meant)
    }

    /// With a marker for each place that one fits, also as the text is meant: in other words of URLs and of JSON. Where a pattern has
    /// a group named `secret`, for that alone.
    pub(super) fn replace<'t>(&self, masking: &mut Masking<'_>, text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
        self.replace_in(masking, text, &[Written::Url, Written::Json])
    }

    /// The same of a URL or a form.
    pub(super) fn replace_in_form<'t>(&self, masking: &mut Masking<'_>, text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
        self.replace_in(masking, text, &[Written::Url, Written::Form, Written::Json])
    }

    fn replace_in<'t>(&self, masking: &mut Masking<'_>, text: Cow<'t, [u8]>, written: &[Written]) -> Cow<'t, [u8]> {
        if self.0.is_empty() {
            return text;
        }
        let text = self.0.iter().fold(text, |text, pattern| replace_as_it_stands(pattern, masking, text));
        written.iter().fold(text, |text, written| self.replace_as_meant(masking, text, *written))
    }

    fn replace_as_meant<'t>(
        &self,
        masking: &mut Masking<'_>,
        mut text: Cow<'t, [u8]>,
        written: Written,
    ) -> Cow<'t, [u8]> {
        let Some(mut meant) = Meant::of(&text, written) else { return text };
        for pattern in &self.0 {
            let Some(replaced) = replace_meant(pattern, masking, &text, &meant) else { continue };
            text = Cow::Owned(replaced);
            match Meant::of(&text, written) {
                Some(rest) => meant = rest,
                None => break,
            }
        }
        text
    }
}

fn replace_as_it_stands<'t>(pattern: &Regex, masking: &mut Masking<'_>, text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
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
}

/// None where nothing was found.
fn replace_meant(pattern: &Regex, masking: &mut Masking<'_>, text: &[u8], meant: &Meant) -> Option<Vec<u8>> {
    let (mut out, mut copied) = (Vec::new(), 0);
    for found in pattern.captures_iter(&meant.text) {
        let Some(secret) = found.name("secret").or_else(|| found.get(0)) else { continue };
        let (from, to) = meant.place(secret.start(), secret.end());
        // of a character that is written as one, another may have taken a part; and what stands for a value holds none
        if from < copied || from == to || mask::is_marker(&text[from..to]) {
            continue;
        }
        out.extend_from_slice(&text[copied..from]);
        out.extend_from_slice(&masking.of(&text[from..to], Text::Words));
        copied = to;
    }
    (copied > 0).then(|| [&out[..], &text[copied..]].concat())
}
