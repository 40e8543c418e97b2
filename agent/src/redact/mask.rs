//! What stands in place of a value. In a record one marker stands for all. At a breakpoint each value gets a marker with a number,
//! and is kept beside the text, so that what a person makes of the text can have it back.

use std::borrow::Cow;

use super::{MARKER, MARKER_IN_URLS};

/// Values that are kept of one message; each takes some memory beside its bytes.
const MOST: usize = 1024;
/// Markers that give way in one text, and bytes that come of it: a peer may write markers itself, and values that have several
/// markers each grow without end.
const MOST_USED: usize = 4096;
const MOST_TEXT: usize = 4 << 20;
/// In each marker with a number.
const WORD: &[u8] = b"redacted-";

/// What text a marker stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Words,
    Url,
    /// in place of a value, whatever its type
    Json,
}

/// Values taken out of a message, by the numbers of their markers, which begin with 1.
#[derive(Debug, Default)]
pub struct Kept {
    holes: Vec<Hole>,
    is_full: bool,
}

#[derive(Debug)]
struct Hole {
    /// as it stands in the text
    marker: Vec<u8>,
    value: Vec<u8>,
}

/// A text with its values back in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub text: Vec<u8>,
    /// which values those are, from 0
    pub used: Vec<usize>,
    /// markers of the text itself that gave way, and not those that were in what they stood for
    pub gone: usize,
    /// it is not whole: more would come of it than anybody sends
    pub is_too_much: bool,
}

/// How values are masked.
pub(super) enum Masking<'k> {
    Alike,
    Numbered(&'k mut Kept),
}

impl Masking<'_> {
    /// What stands for this value.
    pub(super) fn of(&mut self, value: &[u8], text: Text) -> Cow<'static, [u8]> {
        match self {
            Masking::Numbered(kept) if kept.holes.len() < MOST => Cow::Owned(kept.keep(value, text)),
            Masking::Numbered(kept) => {
                kept.is_full = true;
                alike(text)
            }
            Masking::Alike => alike(text),
        }
    }
}

fn alike(text: Text) -> Cow<'static, [u8]> {
    match text {
        Text::Words => Cow::Borrowed(MARKER.as_bytes()),
        Text::Url => Cow::Borrowed(MARKER_IN_URLS.as_bytes()),
        Text::Json => Cow::Owned(format!("\"{MARKER}\"").into_bytes()),
    }
}

impl Kept {
    /// How many.
    pub fn len(&self) -> usize {
        self.holes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.holes.is_empty()
    }

    /// There were more than are kept: some markers have no number.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// The value of a number, from 0.
    pub fn value(&self, at: usize) -> &[u8] {
        self.holes.get(at).map_or(&[], |hole| &hole.value)
    }

    /// Its marker as people see it.
    pub fn name(at: usize) -> String {
        format!("[redacted-{}]", at + 1)
    }

    fn keep(&mut self, value: &[u8], text: Text) -> Vec<u8> {
        let number = self.holes.len() + 1;
        let marker = match text {
            Text::Words => format!("[redacted-{number}]"),
            Text::Url => format!("%5Bredacted-{number}%5D"),
            Text::Json => format!("\"[redacted-{number}]\""),
        };
        self.holes.push(Hole { marker: marker.clone().into_bytes(), value: value.to_vec() });
        marker.into_bytes()
    }

    /// Has each marker of this text give way to its value.
    pub fn restore(&self, text: &[u8]) -> Restored {
        let mut restored = Restored { text: Vec::with_capacity(text.len()), ..Restored::default() };
        restored.gone = self.restore_below(self.holes.len(), text, &mut restored);
        restored
    }

    /// A value may have markers of earlier ones in it, where one rule took out what another had been in before.
    fn restore_below(&self, below: usize, text: &[u8], restored: &mut Restored) -> usize {
        let (mut rest, mut gone) = (text, 0);
        while let Some((before, at, behind)) = self.first(below, rest) {
            if restored.used.len() >= MOST_USED || restored.text.len() >= MOST_TEXT {
                restored.is_too_much = true;
                return gone;
            }
            restored.text.extend_from_slice(before);
            restored.used.push(at);
            self.restore_below(at, &self.holes[at].value, restored);
            rest = behind;
            gone += 1;
        }
        restored.text.extend_from_slice(rest);
        gone
    }

    /// What stands before the first marker, its number, and what stands behind it.
    fn first<'t>(&self, below: usize, text: &'t [u8]) -> Option<(&'t [u8], usize, &'t [u8])> {
        let mut from = 0;
        while let Some(word) = find(&text[from..], WORD).map(|place| from + place) {
            from = word + WORD.len();
            let digits = text[from..].iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&text[from..from + digits]).ok().and_then(|text| text.parse().ok());
            let Some(at) = number.and_then(|number: usize| number.checked_sub(1)).filter(|at| *at < below) else {
                continue;
            };
            let marker = &self.holes[at].marker;
            let lead = find(marker, WORD).unwrap_or_default();
            if let Some(begins) = word.checked_sub(lead)
                && text[begins..].starts_with(marker)
            {
                return Some((&text[..begins], at, &text[begins + marker.len()..]));
            }
        }
        None
    }
}

/// Markers in a text, with a number or without, whoever wrote them.
pub fn markers(text: &[u8]) -> usize {
    let is_one =
        |window: &[u8]| window.eq_ignore_ascii_case(b"[redacted") || window.eq_ignore_ascii_case(b"5Bredacted");
    text.windows(9).filter(|window| is_one(window)).count() + text.windows(10).filter(|window| is_one(window)).count()
}

/// Is it one, and nothing else? As words have them.
pub(super) fn is_marker(text: &[u8]) -> bool {
    let inside = text.strip_prefix(b"[redacted").and_then(|rest| rest.strip_suffix(b"]"));
    inside.is_some_and(|number| {
        number.is_empty() || number.strip_prefix(b"-").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
    })
}

/// The same text with its markers alike.
pub fn unnumbered(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = find(rest, WORD) {
        let (before, behind) = rest.split_at(place + WORD.len());
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        out.extend_from_slice(if digits == 0 { before } else { &before[..before.len() - 1] });
        rest = &behind[digits..];
    }
    out.extend_from_slice(rest);
    out
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let mut kept = Kept::default();
        let mut masking = Masking::Numbered(&mut kept);
        masking.of(b"one", Text::Words);
        masking.of(b"two", Text::Url);
        masking.of(b"\"three\"", Text::Json);
        // as a pattern leaves it that fits a marker
        masking.of(b"x [redacted-1] y", Text::Words);
        kept
    }

    fn check(text: &str, expect: &str, used: &[usize]) {
        let restored = kept().restore(text.as_bytes());
        assert_eq!((&*String::from_utf8_lossy(&restored.text), &restored.used[..]), (expect, used), "{text}");
    }

    #[test]
    fn markers_give_way_to_what_they_stand_for() {
        check("a [redacted-1] b %5Bredacted-2%5D", "a one b two", &[0, 1]);
        check(r#"{"a":"[redacted-3]","b":"[redacted-3]"}"#, r#"{"a":"three","b":"three"}"#, &[2, 2]);
        check("[redacted-4]", "x one y", &[3, 0]);
        for other in [
            "",
            "[redacted]",
            "redacted-",
            "[redacted-",
            "[redacted-1",
            "redacted-1]",
            "[redacted-0]",
            "[redacted-01",
            "[redacted-5]",
            "[redacted-99999999999999999999]",
            "%5Bredacted-1%5D",
            "[redacted-2]",
            "[redacted-3]",
        ] {
            check(other, other, &[]);
        }
    }

    #[test]
    fn markers_are_counted_and_made_alike() {
        for (text, count, alike) in [
            ("", 0, ""),
            (
                "[redacted] [redacted-12] %5bredacted%5d %5Bredacted-3%5D",
                4,
                "[redacted] [redacted] %5bredacted%5d %5Bredacted%5D",
            ),
            ("redacted-x", 0, "redacted-x"),
        ] {
            assert_eq!((markers(text.as_bytes()), &*unnumbered(text.as_bytes())), (count, alike.as_bytes()), "{text}");
        }
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut kept = Kept::default();
        let mut masking = Masking::Numbered(&mut kept);
        (0..MOST).for_each(|_| drop(masking.of(b"", Text::Words)));
        assert_eq!(masking.of(b"", Text::Words), MARKER.as_bytes());
        assert!(kept.is_full() && kept.len() == MOST);
    }
}
