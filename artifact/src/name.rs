//! Names of filters and groups: short, safe in file names, URLs, metric labels and log lines.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Longest name, in bytes.
const MAX_LEN: usize = 64;

/// The text is not a name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a name: 1 to 64 of a-z, 0-9, `-`, `_` and `.`, beginning with a letter or digit")]
pub struct NameError(String);

fn check(text: &str) -> Result<(), NameError> {
    let first_fits = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let all_fit = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    if first_fits && all_fit && text.len() <= MAX_LEN {
        return Ok(());
    }
    // What came in may hold escapes for terminals and line ends for logs.
    Err(NameError(text.chars().take(MAX_LEN).flat_map(char::escape_debug).collect()))
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

name! {
    /// Name of a filter.
    Name
}
name! {
    /// Name of a group of agents.
    GroupName
}

impl Default for GroupName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for bad in ["", ".", "..", "../x", "a/b", "-a", "A", "a b", "a\n", "é", &"a".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        for good in ["a", "0", "block", "jwt-auth.v2", &"a".repeat(64)] {
            assert!(good.parse::<Name>().is_ok(), "{good:?}");
        }
    }
}
