//! Text with `*` for any run of characters. Bytes are compared, so that values of header fields need not be UTF-8. The
//! time is in proportion to the text, whatever the pattern.

use memchr::{memchr2_iter, memmem};

/// Of a literal between stars, bytes that may be compared at each place of the text.
const SHORT: usize = 16;

/// A literal, or literals with `*` between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Between two neighbours is a `*`; those in the middle are not empty.
    pieces: Vec<String>,
    fold: bool,
}

impl Pattern {
    /// From the literals between stars. `fold` ignores ASCII case.
    pub(crate) fn new(pieces: impl IntoIterator<Item = String>, fold: bool) -> Self {
        let mut pieces: Vec<String> = pieces.into_iter().collect();
        debug_assert!(!pieces.is_empty(), "a pattern without a star has one piece");
        let last = pieces.len().saturating_sub(1);
        let mut index = 0;
        // `**` is `*`
        pieces.retain(|piece| {
            let middle = index > 0 && index < last;
            index += 1;
            !middle || !piece.is_empty()
        });
        if fold {
            pieces.iter_mut().for_each(|piece| piece.make_ascii_lowercase());
        }
        Self { pieces, fold }
    }

    /// The literals between stars, for whoever writes the pattern in another form (SQL).
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &str> {
        self.pieces.iter().map(String::as_str)
    }

    /// The text, when there is no star.
    pub fn literal(&self) -> Option<&str> {
        match &self.pieces[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// ASCII upper and lower case are the same; the pieces are in lower case.
    pub fn ignores_case(&self) -> bool {
        self.fold
    }

    /// The same with more before and behind, in which `*` is a star.
    pub(crate) fn between(&self, before: &str, behind: &str) -> Self {
        let mut pieces: Vec<String> = before.split('*').map(str::to_owned).collect();
        let mut own = self.pieces.iter().cloned();
        pieces.last_mut().expect("split gives one at least").push_str(&own.next().unwrap_or_default());
        pieces.extend(own);
        let mut behind = behind.split('*').map(str::to_owned);
        pieces.last_mut().expect("as before").push_str(&behind.next().unwrap_or_default());
        pieces.extend(behind);
        Self::new(pieces, self.fold)
    }

    /// Does the whole value fit?
    pub fn matches(&self, value: &[u8]) -> bool {
        let (Some(first), Some(last)) = (self.pieces.first(), self.pieces.last()) else { return false };
        if self.pieces.len() == 1 {
            return self.same(value, first);
        }
        if value.len() < first.len() + last.len() {
            return false;
        }
        let (head, rest) = value.split_at(first.len());
        let (mut rest, tail) = rest.split_at(rest.len() - last.len());
        if !self.same(head, first) || !self.same(tail, last) {
            return false;
        }
        // The leftmost place for each is right: it leaves the most for those that follow.
        for piece in &self.pieces[1..self.pieces.len() - 1] {
            match self.find(rest, piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        true
    }

    fn find(&self, value: &[u8], piece: &str) -> Option<usize> {
        if !self.fold {
            return memmem::find(value, piece.as_bytes());
        }
        if piece.len() > SHORT {
            return memmem::find(&value.to_ascii_lowercase(), piece.as_bytes());
        }
        let first = *piece.as_bytes().first()?;
        let places = memchr2_iter(first, first.to_ascii_uppercase(), value);
        places.into_iter().find(|&at| value[at..].get(..piece.len()).is_some_and(|window| self.same(window, piece)))
    }

    fn same(&self, value: &[u8], piece: &str) -> bool {
        if self.fold { value.eq_ignore_ascii_case(piece.as_bytes()) } else { value == piece.as_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, value: &str, fits: bool) {
        let pattern = Pattern::new(pattern.split('*').map(str::to_owned), true);
        assert_eq!(pattern.matches(value.as_bytes()), fits, "{pattern:?} {value:?}");
    }

    #[test]
    fn stars() {
        check("abc", "aBc", true);
        check("abc", "abcd", false);
        check("a*", "a", true);
        check("*", "", true);
        check("a*a", "a", false);
        check("a*a", "aa", true);
        check("*ab*b*", "aabb", true);
        check("*ab*ab", "ab", false);
        check("a**b", "a-b", true);
        check("*.example.com", "example.com", false);
        check("*.example.com", "a.b.EXAMPLE.com", true);
        check("*.example.com", "badexample.com", false);
        check("*a literal beyond the short*", "xx A LITERAL Beyond the short ones", true);
        check("*a literal beyond the short*", "a literal beyond the", false);
        check("*aab*", "aaAB", true);
    }

    #[test]
    fn between_keeps_stars_apart() {
        let json = Pattern::new(["json".to_owned()], true);
        assert!(json.between("*/", "").matches(b"application/json"));
        assert!(!json.between("*/", "").matches(b"application/json5"));
        assert!(json.between("", "/*").matches(b"json/x"));
    }
}
