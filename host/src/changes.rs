//! What a filter changed of an exchange.

use std::ops::{BitOr, BitOrAssign};

use crate::Direction;

/// Parts of an exchange: none, or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes(u8);

impl Changes {
    /// Messages of a WebSocket.
    pub const MESSAGES: Self = Self(1 << 6);

    /// The head of this direction.
    pub const fn head(direction: Direction) -> Self {
        Self(1 << direction as u8)
    }

    /// Its body, events of it too.
    pub const fn body(direction: Direction) -> Self {
        Self(4 << direction as u8)
    }

    /// Its trailers.
    pub const fn trailers(direction: Direction) -> Self {
        Self(16 << direction as u8)
    }

    /// Is there any?
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// Is one of the others among them?
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// One word for each: `request-head`, `response-body`, `messages` and the like.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        const WORDS: [&str; 7] = [
            "request-head",
            "response-head",
            "request-body",
            "response-body",
            "request-trailers",
            "response-trailers",
            "messages",
        ];
        WORDS.into_iter().enumerate().filter(move |(bit, _)| self.0 & 1 << bit != 0).map(|(_, word)| word)
    }

    pub(crate) fn when(self, it_is_so: bool) -> Self {
        if it_is_so { self } else { Self::default() }
    }
}

impl BitOr for Changes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Changes {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_of_its_own() {
        let all = [Direction::Request, Direction::Response]
            .into_iter()
            .flat_map(|direction| [Changes::head(direction), Changes::body(direction), Changes::trailers(direction)]);
        let all: Vec<_> = all.chain([Changes::MESSAGES]).collect();
        let words: std::collections::BTreeSet<_> = all.iter().flat_map(|one| one.words()).collect();
        assert_eq!((all.len(), words.len()), (7, 7), "{words:?}");
        let some = Changes::head(Direction::Response) | Changes::body(Direction::Request);
        assert_eq!(some.words().collect::<Vec<_>>(), ["response-head", "request-body"]);
        assert!(
            !Changes::default().any() && some.has(Changes::body(Direction::Request)) && !some.has(Changes::MESSAGES)
        );
    }
}
