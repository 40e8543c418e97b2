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
    /// and which element of a list that may be (RFC 6901 section 4: without leading zeros)
    Named(String, Option<usize>),
    Any,
    /// none, or any number of them
    Down,
}

/// A step down into a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Into<'a> {
    Member(&'a str),
    Element(usize),
}

/// How far a way from the top has come along a place: which of its parts may be next, one bit for each. So a step costs the same
/// however deep it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Along(u64);

impl Along {
    /// Nothing further down is the place.
    pub(super) fn is_over(self) -> bool {
        self.0 == 0
    }
}

impl Pointer {
    /// The steps that it names, and which elements of lists those may be.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Named(name, element) => Some((name.as_str(), *element)),
            Part::Any | Part::Down => None,
        })
    }

    /// Parts, and its end.
    pub(super) fn length(&self) -> usize {
        self.parts.len() + 1
    }

    /// At the top.
    pub(super) fn begin(&self) -> Along {
        self.with_downs(1)
    }

    /// A step further.
    pub(super) fn step(&self, Along(at): Along, into: Into<'_>) -> Along {
        if at == 0 {
            return Along(0);
        }
        let mut next = 0;
        for (n, part) in self.parts.iter().enumerate().filter(|(n, _)| at & 1 << n != 0) {
            next |= match part {
                Part::Down => 1 << n,
                Part::Any => 2 << n,
                Part::Named(name, index) => {
                    let is_one = match into {
                        Into::Member(member) => name == member,
                        Into::Element(element) => *index == Some(element),
                    };
                    u64::from(is_one) << (n + 1)
                }
            };
        }
        self.with_downs(next)
    }

    /// Is this the place?
    pub(super) fn is_at(&self, Along(at): Along) -> bool {
        at & 1 << self.parts.len() != 0
    }

    /// Where any way down may be next, it may be none.
    fn with_downs(&self, at: u64) -> Along {
        let downs = self.parts.iter().enumerate().filter(|(_, part)| **part == Part::Down);
        Along(downs.fold(at, |at, (n, _)| at | (at & 1 << n) << 1))
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
                name => {
                    let name = name.replace("~1", "/").replace("~0", "~");
                    let index = name.parse().ok().filter(|index: &usize| index.to_string() == name);
                    Part::Named(name, index)
                }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a place means, in the words of its definition.
    fn leads(parts: &[Part], way: &[String]) -> bool {
        match (parts, way) {
            ([], []) => true,
            ([Part::Down, rest @ ..], _) => {
                leads(rest, way) || way.split_first().is_some_and(|(_, further)| leads(parts, further))
            }
            ([Part::Any, rest @ ..], [_, further @ ..]) => leads(rest, further),
            ([Part::Named(name, _), rest @ ..], [step, further @ ..]) => name == step && leads(rest, further),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn step_by_step_it_is_the_same_place(
            before in prop::collection::vec("[ab01*]", 0..5), down: bool, after in prop::collection::vec("[ab01*]", 1..5),
            way in prop::collection::vec(prop_oneof!["[ab]".prop_map(|name| (name, false)), (0..3_usize).prop_map(|n| (n.to_string(), true))], 0..9),
        ) {
            let down = down.then(|| "**".to_owned());
            let text: String = before.into_iter().chain(down).chain(after).map(|part| format!("/{part}")).collect();
            let place: Pointer = text.parse().unwrap();
            let mut at = place.begin();
            for (name, is_element) in &way {
                let into = if *is_element { Into::Element(name.parse().unwrap()) } else { Into::Member(name) };
                at = place.step(at, into);
            }
            let way: Vec<String> = way.into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(place.is_at(at), leads(&place.parts, &way), "{} {:?}", text, way);
        }
    }
}
