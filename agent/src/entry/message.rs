//! Where a message of an HTTP/1 client ends, followed on its bytes as the HTTP codec gets them. Enters: its head, and then
//! bytes; leaves: how many of them are of this message. Of chunks it takes what RFC 9112 section 7.1 allows and nothing that
//! the codec might read in another way: what it does not take ends the connection, so the two never disagree. Pure.

use super::head::Head;
use crate::framing::Framing;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    End,
    // of these two and of `Data`, no byte is looked at
    Head,
    Length,
    Start,
    Size,
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// the first byte of a line after the last chunk
    Trailers,
    Trailer,
    TrailerLf,
    EndLf,
    Broken,
}

/// Over as long as none has begun.
#[derive(Debug, Default)]
pub(super) struct Message {
    at: At,
    /// bytes of what it is at, or the size of a chunk as far as it was read
    left: u64,
    body: Framing,
}

impl Message {
    pub(super) fn begin(head: Head) -> Self {
        Message { at: At::Head, left: head.length as u64, body: head.body }
    }

    pub(super) fn is_over(&self) -> bool {
        self.at == At::End
    }

    /// What came next is no part of any message.
    pub(super) fn is_broken(&self) -> bool {
        self.at == At::Broken
    }

    /// How many of the bytes are of this message; all, or as many as there are before its end, or before what breaks it.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && !matches!(self.at, At::End | At::Broken) {
            match self.at {
                At::Head | At::Length | At::Data => {
                    let n = self.left.min((bytes.len() - at) as u64);
                    self.left -= n;
                    at += usize::try_from(n).unwrap_or(usize::MAX);
                    if self.left == 0 {
                        self.at = self.after_bytes();
                    }
                }
                _ => {
                    self.at = self.step(bytes[at]);
                    at += usize::from(self.at != At::Broken);
                }
            }
        }
        at
    }

    fn after_bytes(&mut self) -> At {
        match (self.at, self.body.length) {
            (At::Data, _) => At::DataCr,
            (At::Head, _) if self.body.chunked => At::Start,
            (At::Head, Some(1..)) => {
                self.left = self.body.length.unwrap_or_default();
                At::Length
            }
            _ => At::End,
        }
    }

    fn step(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (At::Start | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                match self.left.checked_mul(16) {
                    Some(size) => self.left = size | u64::from(digit),
                    None => return At::Broken,
                }
                At::Size
            }
            (At::Size | At::Space, b' ' | b'\t') => At::Space,
            (At::Size | At::Space, b';') => At::Extension,
            (At::Size | At::Space | At::Extension, b'\r') => At::SizeLf,
            (At::SizeLf, b'\n') if self.left > 0 => At::Data,
            (At::SizeLf, b'\n') => At::Trailers,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Start,
            (At::Trailers, b'\r') => At::EndLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerLf, b'\n') => At::Trailers,
            (At::EndLf, b'\n') => At::End,
            (At::Extension, byte) if byte != b'\n' => At::Extension,
            (At::Trailers | At::Trailer, byte) if byte != b'\n' => At::Trailer,
            _ => At::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(length: Option<u64>, chunked: bool) -> Message {
        Message::begin(Head { length: 4, body: Framing { length, chunked } })
    }

    /// How much is of the message however it is cut, and whether it is over, or broken.
    fn check(length: Option<u64>, chunked: bool, body: &str, of_it: usize, expect: (bool, bool)) {
        let text = format!("head{body}");
        for size in [1, 2, 3, 7, text.len()] {
            let mut message = message(length, chunked);
            let passed: usize = text.as_bytes().chunks(size).map(|piece| message.follow(piece)).sum();
            assert_eq!((passed, message.is_over(), message.is_broken()), (4 + of_it, expect.0, expect.1), "{text:?}");
        }
    }

    #[test]
    fn a_message_ends_where_its_head_says() {
        check(None, false, "GET", 0, (true, false));
        check(Some(0), false, "GET", 0, (true, false));
        check(Some(3), false, "abcGET", 3, (true, false));
        check(Some(9), false, "abc", 3, (false, false));
    }

    #[test]
    fn chunks_end_with_their_trailers() {
        for body in [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "3;x=\"y\"\r\na\nb\r\nA \t\r\n0123456789\r\n00\r\nT: 1\r\n\r\n",
            "1 ;x\r\n\r\r\n0\r\nA: b\r\nC:\r\n\r\n",
        ] {
            check(None, true, &format!("{body}GET"), body.len(), (true, false));
        }
    }

    #[test]
    fn what_has_two_readings_has_none_here() {
        for (good, bad) in [
            ("", "x"),
            ("", "\r"),
            ("", "+1"),
            ("1", "\n"),
            ("1;x", "\n"),
            ("1\r", "x"),
            ("1\r\na", "\n"),
            ("1\r\na\r", "x"),
            ("ffffffffffffffff", "0"),
            ("0\r\n", "\n\r\n"),
            ("0\r\nA: b", "\n\r\n"),
            ("0\r\nA: b\r", "C: d"),
            ("0\r\n\r", "x"),
        ] {
            check(None, true, &format!("{good}{bad}"), good.len(), (false, true));
        }
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(body in "[a3\r\n0; ]{0,30}", cut in 1usize..9) {
            let whole = |size: usize| {
                let mut message = message(None, true);
                let text = format!("head{body}");
                let passed: usize = text.as_bytes().chunks(size).map(|piece| message.follow(piece)).sum();
                (passed, message.is_over(), message.is_broken())
            };
            prop_assert_eq!(whole(cut), whole(4 + body.len()));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            message(None, true).follow(&bytes);
        }
    }
}
