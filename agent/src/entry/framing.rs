//! Where the messages of an HTTP/1 client begin and end, followed on the raw bytes beside the HTTP codec: that one reads a
//! head that two readers may understand in two ways, and drops what would show it (RFC 9112 section 11.2). Enters: what
//! was read; leaves: how much of it the codec may have, and which head is to be refused. Pure; must not know the codec.
//!
//! It follows no more than it has to: what the codec refuses by itself ends the connection, and with it the watch.

use std::mem::take;

/// No codec here reads a longer line.
const LONGEST_LINE: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fault {
    BothFramings = 1,
    BareLineFeed = 2,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    /// with the line end behind it
    Chunk(u64),
    /// and whether the last line was cut: the codec takes a lone line feed for a part of the line
    Trailers(bool),
    /// the request asked for another protocol: its answer says what follows
    Asked,
    /// a head was refused: nothing after it counts
    Refused,
    /// another protocol, or the codec will end the connection
    Off,
}

#[derive(Default)]
pub(super) struct Framing {
    state: State,
    head: Head,
    /// of a line that was cut
    line: Vec<u8>,
    heads: u64,
}

/// What counts in a head.
#[derive(Default)]
struct Head {
    begun: bool,
    asks: bool,
    bare_line_feed: bool,
    length: Option<u64>,
    chunked: Option<bool>,
    /// the codec refuses it
    wrong: bool,
}

impl Framing {
    /// How many bytes may be passed on; the others have to wait, and be given again.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.state {
                State::Off => return bytes.len(),
                State::Asked | State::Refused => return at,
                State::Body(left) | State::Chunk(left) => {
                    let n = (*left).min(rest.len() as u64);
                    *left -= n;
                    at += usize::try_from(n).unwrap_or(rest.len());
                    if *left == 0 {
                        let was_chunk = matches!(self.state, State::Chunk(_));
                        self.state = if was_chunk { State::ChunkSize } else { self.after_message() };
                    }
                }
                State::Head | State::ChunkSize | State::Trailers(_) => match rest.iter().position(|b| *b == b'\n') {
                    Some(end) => {
                        at += end + 1;
                        if self.line.is_empty() {
                            self.line(&rest[..end]);
                        } else {
                            let mut line = take(&mut self.line);
                            line.extend_from_slice(&rest[..end]);
                            self.line(&line);
                        }
                    }
                    None => {
                        at = bytes.len();
                        self.line.extend_from_slice(rest);
                        if self.line.len() > LONGEST_LINE {
                            self.line = Vec::new();
                            self.state = State::Off;
                        }
                    }
                },
            }
        }
        at
    }

    /// The answer to the request that asked for another protocol.
    pub(super) fn answered(&mut self, switched: bool) {
        if self.state == State::Asked {
            self.state = if switched { State::Off } else { State::Head };
        }
    }

    /// Waits for the answer to this request, counted from 1.
    pub(super) fn asks(&self) -> Option<u64> {
        (self.state == State::Asked).then_some(self.heads)
    }

    /// The last head, counted from 1, if it is to be refused, and why.
    pub(super) fn refused(&self) -> Option<(u64, Fault)> {
        let fault = if self.head.bare_line_feed { Fault::BareLineFeed } else { Fault::BothFramings };
        (self.state == State::Refused).then_some((self.heads, fault))
    }

    fn line(&mut self, line: &[u8]) {
        let (line, is_whole) = match line {
            [line @ .., b'\r'] => (line, true),
            line => (line, false),
        };
        match self.state {
            State::Head => {
                self.head.bare_line_feed |= !is_whole;
                if line.is_empty() && self.head.begun {
                    self.heads += 1;
                    self.state = self.after_head();
                } else if !line.is_empty() {
                    self.head.line(line);
                }
            }
            State::ChunkSize => {
                self.state = match chunk_size(line).filter(|_| is_whole) {
                    None => State::Off,
                    Some(0) => State::Trailers(false),
                    Some(size) => size.checked_add(2).map_or(State::Off, State::Chunk),
                }
            }
            State::Trailers(was_cut) if is_whole && line.is_empty() && !was_cut => self.state = self.after_message(),
            State::Trailers(_) => self.state = State::Trailers(!is_whole),
            _ => {}
        }
    }

    fn after_head(&mut self) -> State {
        let head = &self.head;
        match (head.length, head.chunked) {
            _ if head.bare_line_feed => State::Refused,
            (Some(_), Some(_)) => State::Refused,
            _ if head.wrong => State::Off,
            (None, Some(true)) => State::ChunkSize,
            (None, Some(false)) => State::Off,
            (Some(1..), None) => State::Body(head.length.unwrap_or_default()),
            (Some(0) | None, None) => self.after_message(),
        }
    }

    fn after_message(&mut self) -> State {
        if take(&mut self.head).asks { State::Asked } else { State::Head }
    }
}

impl Head {
    fn line(&mut self, line: &[u8]) {
        if !self.begun {
            self.begun = true;
            self.asks = line.starts_with(b"CONNECT ");
            return;
        }
        let is = |name: &[u8]| {
            line.len() > name.len() && line[name.len()] == b':' && line[..name.len()].eq_ignore_ascii_case(name)
        };
        let value = |name: &[u8]| line[name.len() + 1..].trim_ascii();
        if is(b"content-length") {
            let length = decimal(value(b"content-length"));
            self.wrong |= length.is_none() || self.length.is_some_and(|other| Some(other) != length);
            self.length = length.or(Some(0));
        } else if is(b"transfer-encoding") {
            let last = value(b"transfer-encoding").rsplit(|b| *b == b',').next().unwrap_or_default();
            self.chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        } else if is(b"upgrade") {
            self.asks = true;
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// RFC 9112 section 7.1: `chunk-size [ chunk-ext ]`.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|b| matches!(b, b';' | b' ' | b'\t')).unwrap_or(line.len());
    let digits = &line[..end];
    let is = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    is.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// The same however it is cut: how much passes, and which head is refused.
    fn check(text: &str, passes: usize, refused: Option<(u64, Fault)>) {
        for size in [1, 2, 3, 7, text.len()] {
            let mut framing = Framing::default();
            let passed: usize = text.as_bytes().chunks(size).map(|piece| framing.follow(piece)).sum();
            assert_eq!((passed, framing.refused()), (passes, refused), "{text:?} by {size}");
        }
    }

    fn passes(text: &str) {
        check(text, text.len(), None);
    }

    #[test]
    fn messages_follow_each_other() {
        passes(&GET.repeat(3));
        passes(&format!("\r\n\r\n{GET}"));
        passes(&format!("POST / HTTP/1.1\r\ncontent-length:  3 \r\n\r\n\na\n{GET}"));
        passes(&format!("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc{GET}"));
        passes(&format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\na\nb\r\nA \r\n0123456789\r\n0\r\nT: 1\r\n\r\n{GET}"
        ));
    }

    #[test]
    fn a_head_that_has_two_readings_is_refused() {
        let both = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n";
        let text = format!("{GET}{both}0\r\n\r\nGET");
        check(&text, GET.len() + both.len(), Some((2, Fault::BothFramings)));
        let both = "POST / HTTP/1.1\r\nContent-length: x\r\nTRANSFER-ENCODING: xchunked\r\n\r\n";
        check(both, both.len(), Some((1, Fault::BothFramings)));
        for bare in
            ["GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n"]
        {
            check(&format!("{GET}{GET}{bare}"), 2 * GET.len() + bare.len(), Some((3, Fault::BareLineFeed)));
        }
    }

    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn what_the_codec_refuses_is_left_to_it() {
        for body in ["x\r\n", "\r\n", "+1\r\n", "1\na", "ffffffffffffffff\r\n", "10000000000000000\r\n"] {
            passes(&format!("{CHUNKED}{body}{CHUNKED}\n\n"));
        }
    }

    /// As the codec ends them, or a head would be taken for a trailer, and would not be looked at.
    #[test]
    fn trailers_end_where_the_codec_ends_them() {
        let bare = "GET / HTTP/1.1\n\r\n";
        for trailers in ["\r\n", "A: b\r\n\r\n", "A: b\n\r\n\r\n", "\n\r\n\r\n", "A: b\nC: d\r\n\r\n"] {
            let text = format!("{CHUNKED}0\r\n{trailers}{bare}");
            check(&text, text.len(), Some((2, Fault::BareLineFeed)));
        }
    }

    #[test]
    fn what_follows_a_question_waits_for_its_answer() {
        for asks in ["CONNECT a:1 HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nab"] {
            let text = format!("{GET}{asks}\0\n\n");
            check(&text, GET.len() + asks.len(), None);
            let mut framing = Framing::default();
            assert_eq!(framing.follow(asks.as_bytes()), asks.len());
            assert_eq!(framing.asks(), Some(1));
            framing.answered(false);
            assert_eq!((framing.asks(), framing.follow(GET.as_bytes())), (None, GET.len()));
            framing.follow(asks.as_bytes());
            assert_eq!(framing.asks(), Some(3));
            framing.answered(true);
            assert_eq!(framing.follow(b"\0\n\n"), 3);
        }
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            text in "((GET|POST|CONNECT) / HTTP/1.1\r\n((Content-Length|Transfer-Encoding|Upgrade): ?(0|3|chunked)\r?\n){0,2}\r\n[a3\r\n0]{0,9}){0,4}",
            cut in 1usize..9,
        ) {
            let whole = |size: usize| {
                let mut framing = Framing::default();
                let passed: usize = text.as_bytes().chunks(size.max(1)).map(|piece| framing.follow(piece)).sum();
                (passed, framing.refused(), framing.asks())
            };
            prop_assert_eq!(whole(cut), whole(text.len()));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Framing::default().follow(&bytes);
        }
    }
}
