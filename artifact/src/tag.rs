//! Which tags of other filters a filter may read.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::Name;

/// `FILTER.NAME`, or `FILTER.*` for all that a filter says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagPattern {
    filter: Name,
    /// none for all
    name: Option<String>,
}

/// The text names no tag.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is no tag: FILTER.NAME or FILTER.*, the name of a-z, 0-9, `-` and `_`, at most 64")]
pub struct TagPatternError(String);

/// Is this the name of a tag, without its filter's: 1 to 64 of a-z, 0-9, `-` and `_`?
pub fn is_tag_name(name: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

impl TagPattern {
    /// Does it let a filter read this tag of another?
    pub fn covers(&self, filter: &str, name: &str) -> bool {
        self.filter.as_str() == filter && self.name.as_deref().is_none_or(|own| own == name)
    }
}

impl FromStr for TagPattern {
    type Err = TagPatternError;

    fn from_str(text: &str) -> Result<Self, TagPatternError> {
        let fault = || TagPatternError(text.chars().take(160).flat_map(char::escape_debug).collect());
        // names of filters may have dots, those of tags have none
        let (filter, name) = text.rsplit_once('.').ok_or_else(fault)?;
        let filter = filter.parse().map_err(|_| fault())?;
        match name {
            "*" => Ok(Self { filter, name: None }),
            name if is_tag_name(name) => Ok(Self { filter, name: Some(name.to_owned()) }),
            _ => Err(fault()),
        }
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.filter, self.name.as_deref().unwrap_or("*"))
    }
}

impl fmt::Debug for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TagPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TagPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_one_tag_or_all_of_one_filter() {
        let one: TagPattern = "jwt-auth.v2.user".parse().unwrap();
        assert!(one.covers("jwt-auth.v2", "user"));
        assert!(!one.covers("jwt-auth.v2", "role") && !one.covers("jwt-auth", "user"));
        let all: TagPattern = "geo.*".parse().unwrap();
        assert!(all.covers("geo", "country") && !all.covers("geo2", "country"));
        for bad in ["", "a", ".a", "a.", "*", "*.a", "a.*.b*", "a.B", "a.b c"] {
            assert!(bad.parse::<TagPattern>().is_err(), "{bad:?}");
        }
        for good in ["jwt-auth.v2.user", "geo.*"] {
            assert_eq!(good.parse::<TagPattern>().unwrap().to_string(), good);
        }
    }
}
