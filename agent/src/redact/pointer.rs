//! Places in JSON as an operator names them: a JSON Pointer (RFC 6901), in which `*` stands for any one member or element
//! and `**` for any way down.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error as _};

/// Most parts of one.
const PARTS: usize = 32;

/// A place, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    parts: Vec<Part>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Named(String),
    Any,
    /// none, or any number of them
    Down,
}

impl Pointer {
    /// Is it this way from the top?
    pub(super) fn leads_along(&self, way: &[String]) -> bool {
        leads(&self.parts, way)
    }
}

fn leads(parts: &[Part], way: &[String]) -> bool {
    match (parts, way) {
        ([], []) => true,
        ([Part::Down, rest @ ..], _) => {
            leads(rest, way) || way.split_first().is_some_and(|(_, further)| leads(parts, further))
        }
        ([Part::Any, rest @ ..], [_, further @ ..]) => leads(rest, further),
        ([Part::Named(name), rest @ ..], [step, further @ ..]) => name == step && leads(rest, further),
        _ => false,
    }
}

impl FromStr for Pointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no place in JSON such as /password, /users/*/token or /**/secret (RFC 6901, with stars)"
            )
        };
        let rest = text.strip_prefix('/').ok_or_else(wrong)?;
        let parts: Vec<Part> = rest
            .split('/')
            .map(|part| match part {
                "*" => Part::Any,
                "**" => Part::Down,
                name => Part::Named(name.replace("~1", "/").replace("~0", "~")),
            })
            .collect();
        // more than one of them would make looking a way up take time that grows with its square and beyond
        let downs = parts.iter().filter(|part| **part == Part::Down).count();
        if parts.len() > PARTS || downs > 1 || parts.last() == Some(&Part::Down) {
            return Err(wrong());
        }
        Ok(Self { parts, text: text.to_owned() })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
