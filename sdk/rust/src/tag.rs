//! Facts about an exchange that filters tell each other, and the record: `FILTER.NAME`. The publication has to grant `tags`.

use std::fmt;

/// What a tag says.
#[derive(Debug, Clone, PartialEq)]
pub enum TagValue {
    /// At most 1024 bytes.
    Text(String),
    /// A finite number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for TagValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for TagValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for TagValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for TagValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Why a tag is not set or not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagError {
    /// A name is 1 to 64 of a-z, 0-9, `-` and `_`; to be read, with its filter's before a dot.
    InvalidName,
    /// Longer text, or no finite number.
    InvalidValue,
    /// 16 of one filter, per exchange.
    TooMany,
    /// Another filter's, and the publication does not let this one read it.
    Forbidden,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidName => "that is no name of a tag",
            Self::InvalidValue => "the text is too long or the number not finite",
            Self::TooMany => "the filter has set all tags that it may",
            Self::Forbidden => "the publication does not let the filter read this tag",
        })
    }
}

impl std::error::Error for TagError {}
