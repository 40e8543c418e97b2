//! Texts as they are meant: with what URLs, forms and strings of JSON write in other characters. Knows of each byte that is meant
//! which ones stand for it, so that what is found in the one can be taken out of the other. Pure.

/// How characters may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// `%2D` (RFC 3986 section 2.1)
    Url,
    /// the same, and `+` for a blank (URL Standard section 5)
    Form,
    /// `\/` and `\u002d` (RFC 8259 section 7)
    Json,
}

/// A text without its escapes.
pub(super) struct Meant {
    pub(super) text: Vec<u8>,
    /// of each byte, where what stands for it begins
    places: Vec<u32>,
    /// of what it was made from
    length: usize,
}

impl Meant {
    /// None where nothing is written in another way.
    pub(super) fn of(text: &[u8], written: Written) -> Option<Self> {
        if !written.may_be_in(text) {
            return None;
        }
        let mut meant =
            Meant { text: Vec::with_capacity(text.len()), places: Vec::with_capacity(text.len()), length: text.len() };
        let (mut at, mut any) = (0, false);
        while let Some(first) = text.get(at) {
            let escape = match (written, first) {
                (Written::Url | Written::Form, b'%') => percent(&text[at..]).map(|byte| (3, Escaped::Byte(byte))),
                (Written::Form, b'+') => Some((1, Escaped::Byte(b' '))),
                (Written::Json, b'\\') => json(&text[at..]),
                _ => None,
            };
            any |= escape.is_some();
            let (length, escaped) = escape.unwrap_or((1, Escaped::Byte(*first)));
            match escaped {
                Escaped::Byte(byte) => meant.push(&[byte], at),
                Escaped::Char(char) => meant.push(char.encode_utf8(&mut [0; 4]).as_bytes(), at),
            }
            at += length;
        }
        any.then_some(meant)
    }

    fn push(&mut self, bytes: &[u8], at: usize) {
        self.text.extend_from_slice(bytes);
        // what is captured is nowhere near that long
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.places.extend(bytes.iter().map(|_| at));
    }

    /// Where what stands for these bytes begins and ends; of a character that they are a part of, all.
    pub(super) fn place(&self, from: usize, to: usize) -> (usize, usize) {
        let begins = |at: usize| self.places.get(at).map_or(self.length, |place| *place as usize);
        let last = to.checked_sub(1).filter(|last| *last >= from);
        let behind = last.map(|last| (to..).find(|next| begins(*next) != begins(last)).map_or(self.length, begins));
        (begins(from), behind.unwrap_or_else(|| begins(from)))
    }
}

impl Written {
    fn may_be_in(self, text: &[u8]) -> bool {
        match self {
            Written::Url => text.contains(&b'%'),
            Written::Form => text.contains(&b'+'),
            Written::Json => text.contains(&b'\\'),
        }
    }
}

enum Escaped {
    Byte(u8),
    Char(char),
}

fn percent(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    u8::try_from(hex(&[*high, *low])?).ok()
}

/// How long it is, and what it means. Halves of pairs that stand alone mean nothing.
fn json(text: &[u8]) -> Option<(usize, Escaped)> {
    let byte = |byte| Some((2, Escaped::Byte(byte)));
    match text.get(1)? {
        own @ (b'"' | b'\\' | b'/') => byte(*own),
        b'b' => byte(8),
        b'f' => byte(12),
        b'n' => byte(b'\n'),
        b'r' => byte(b'\r'),
        b't' => byte(b'\t'),
        b'u' => {
            let unit = |at: usize| hex(text.get(at..at + 4)?);
            let first = unit(2)?;
            if let Some(char) = char::from_u32(first) {
                return Some((6, Escaped::Char(char)));
            }
            let second = unit(8).filter(|_| text[6..8] == *b"\\u")?;
            let mut pair = char::decode_utf16([first, second].map(|unit| u16::try_from(unit).unwrap_or_default()));
            pair.next()?.ok().map(|char| (12, Escaped::Char(char)))
        }
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_mean_what_their_readers_make_of_them() {
        let check = |text: &str, written, expect: Option<&str>| {
            let meant = Meant::of(text.as_bytes(), written).map(|meant| String::from_utf8(meant.text).unwrap());
            assert_eq!(meant.as_deref(), expect, "{text}");
        };
        check("a%2Db+%c3%a9%", Written::Url, Some("a-b+é%"));
        check("a%2Db+c", Written::Form, Some("a-b c"));
        check(r#"\"\\\/\n\u002d\u00e9\ud83d\ude00\x\u00"#, Written::Json, Some("\"\\/\n-é😀\\x\\u00"));
        check(r"\ud83d\u0041\ude00", Written::Json, Some(r"\ud83dA\ude00"));
        for written in [Written::Url, Written::Form, Written::Json] {
            for none in ["", "abc", "%", "%2", "%zz", "\\", "\\x", "\\u12", "\\ud83d", "\\ud83d\\u", "\\ud83d\\ude"] {
                check(none, written, None);
            }
        }
    }

    #[test]
    fn of_what_is_found_the_place_is_known() {
        let text = r"a\u00e9\/b";
        let meant = Meant::of(text.as_bytes(), Written::Json).unwrap();
        assert_eq!(meant.text, "aé/b".as_bytes());
        let place = |from, to| {
            let (begins, ends) = meant.place(from, to);
            &text[begins..ends]
        };
        assert_eq!((place(0, 1), place(1, 3), place(3, 4), place(4, 5)), ("a", r"\u00e9", r"\/", "b"));
        // half of a character
        assert_eq!((place(0, 2), place(2, 4), place(5, 5)), (r"a\u00e9", r"\u00e9\/", ""));
    }

    proptest! {
        #[test]
        fn all_of_it_is_in_its_place(text in "[a%+2d\\\\u0n]{0,24}") {
            for written in [Written::Url, Written::Form, Written::Json] {
                let Some(meant) = Meant::of(text.as_bytes(), written) else { continue };
                let mut end = 0;
                for at in 0..meant.text.len() {
                    let (from, to) = meant.place(at, at + 1);
                    prop_assert!(from < to && to <= text.len() && (from == end || to == end), "{} {}", text, at);
                    end = to;
                }
                prop_assert_eq!(end, text.len());
            }
        }
    }
}
