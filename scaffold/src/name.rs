//! The name of a new filter: also that of its folder, of its component and of a package in any language.

use std::{fmt, str::FromStr};

const MAX_LEN: usize = 50;

/// kebab-case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterName(String);

/// The text is no name for a new filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Another form.
    #[error("`{0}` is no name for a new filter: words of a-z and 0-9 joined by `-`, the first beginning with a letter")]
    Form(String),
    /// Another form, and it is clear what is meant.
    #[error("`{0}` is no name for a new filter: did you mean `{1}`?")]
    Near(String, String),
    /// More than names of packages may have.
    #[error("a name of {0} characters is too long: at most {MAX_LEN}")]
    Long(usize),
}

impl FromStr for FilterName {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        if is_kebab(text) {
            return if text.len() > MAX_LEN { Err(NameFault::Long(text.len())) } else { Ok(Self(text.to_owned())) };
        }
        // what came in may hold escapes for terminals
        let shown = text.chars().take(MAX_LEN).flat_map(char::escape_debug).collect();
        let near = text.trim().to_ascii_lowercase().replace(['_', ' ', '.'], "-");
        Err(if is_kebab(&near) && near.len() <= MAX_LEN {
            NameFault::Near(shown, near)
        } else {
            NameFault::Form(shown)
        })
    }
}

fn is_kebab(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.split('-').all(is_word)
}

impl FilterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_joined_by_hyphens() {
        for good in ["a", "block", "jwt-auth", "http2-only", "match", "x-1"] {
            assert!(good.parse::<FilterName>().is_ok(), "{good}");
        }
        for bad in ["", "-", "-a", "a-", "a--b", "1a", "../x", "a/b", "é", "a\n", "\u{1b}[2J"] {
            let fault = bad.parse::<FilterName>().unwrap_err();
            assert!(!fault.to_string().contains(['\n', '\u{1b}']), "{fault:?}");
        }
        let near = |text: &str| text.parse::<FilterName>().unwrap_err();
        assert_eq!(near("My_Filter"), NameFault::Near("My_Filter".into(), "my-filter".into()));
        assert_eq!(near(&"a".repeat(51)), NameFault::Long(51));
    }
}
