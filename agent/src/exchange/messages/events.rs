//! Server-sent events (HTML living standard, section 9.2): the lines of each, as they passed. Pure.

use crate::record::{Kind, Passed};

/// What a stream may begin with, and means nothing: U+FEFF.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// A stream that has no coding begins like this: it is text.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let is_text = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\t' | b'\n' | b'\r');
    // the last character may be cut
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && bytes.iter().all(is_text)
}

/// Between two events, or in one.
pub(super) struct Events {
    limit: usize,
    /// bytes that have come of the mark at the beginning; none: it is behind
    marked: Option<usize>,
    /// the lines of the event so far, their ends as they came
    lines: Vec<u8>,
    size: u64,
    /// a line is not only its end
    in_line: bool,
    /// one of the lines is no comment
    says_something: bool,
    /// the last byte was a CR, which a LF may follow
    after_cr: bool,
}

impl Events {
    pub(super) fn new(limit: usize) -> Self {
        Events {
            limit,
            marked: Some(0),
            lines: Vec::new(),
            size: 0,
            in_line: false,
            says_something: false,
            after_cr: false,
        }
    }

    /// An event is told when the empty line behind it has passed; what is only comments is none.
    pub(super) fn passed(&mut self, chunk: &[u8], mut tell: impl FnMut(Passed<'_>)) {
        for byte in chunk.iter().copied() {
            match self.marked {
                Some(bytes) if MARK[bytes] == byte => self.marked = Some(bytes + 1).filter(|bytes| *bytes < MARK.len()),
                Some(bytes) => {
                    self.marked = None;
                    MARK[..bytes].iter().chain([&byte]).for_each(|byte| self.came(*byte, &mut tell));
                }
                None => self.came(byte, &mut tell),
            }
        }
    }

    fn came(&mut self, byte: u8, tell: &mut impl FnMut(Passed<'_>)) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => {}
            b'\r' | b'\n' if self.in_line => {
                self.in_line = false;
                self.keep(b'\n');
            }
            b'\r' | b'\n' => self.event_ends(tell),
            _ => {
                self.says_something |= !self.in_line && byte != b':';
                self.in_line = true;
                self.keep(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        self.size += 1;
        if self.lines.len() < self.limit {
            self.lines.push(byte);
        }
    }

    fn event_ends(&mut self, tell: &mut impl FnMut(Passed<'_>)) {
        if self.says_something {
            // without the end of the last line
            let size = self.size - 1;
            let data = self.lines.get(..usize::try_from(size).unwrap_or(usize::MAX)).unwrap_or(&self.lines);
            tell(Passed { kind: Kind::Event, data, size, ..Passed::default() });
        }
        *self = Events { marked: None, ..Self::new(self.limit) };
    }
}
