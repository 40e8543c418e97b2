//! The bytes of a JSON text on their way to its parser. Strings longer than is kept of them lose their end, so that none is
//! ever whole in memory; and between two entries only so much may come.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

/// Of a string as it is written. Divisible by four: base64 is cut between its groups.
const MOST: usize = super::MAX_BODY_BYTES / 3 * 4;
const BUFFER: usize = 64 << 10;

/// What reader and parser tell each other.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Strings that lost their end.
    pub(super) cut: Cell<u64>,
    /// Bytes since it was last set to zero.
    pub(super) passed: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between strings.
    Outside,
    Inside,
    /// Behind a backslash.
    Escape,
    /// In `\uXXXX`, so many digits to come.
    Digits(u8),
}

pub(super) struct Shorten<R> {
    inner: R,
    buffer: Box<[u8]>,
    range: std::ops::Range<usize>,
    state: State,
    /// Of the string that is being read.
    length: usize,
    /// Of the escape that is being read.
    unit: u16,
    /// The last whole character was the first half of a pair of surrogates.
    half: bool,
    cutting: bool,
    told: Rc<Told>,
}

impl<R: Read> Shorten<R> {
    pub(super) fn new(inner: R, told: Rc<Told>) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER].into(),
            range: 0..0,
            state: State::Outside,
            length: 0,
            unit: 0,
            half: false,
            cutting: false,
            told,
        }
    }

    fn next(&mut self) -> io::Result<Option<u8>> {
        if self.range.is_empty() {
            let count = loop {
                match self.inner.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.range = 0..count;
        }
        Ok(self.range.next().map(|at| self.buffer[at]))
    }

    /// Does this byte go on to the parser?
    fn passes(&mut self, byte: u8) -> bool {
        match self.state {
            State::Outside => {
                if byte == b'"' {
                    (self.state, self.length, self.half, self.cutting) = (State::Inside, 0, false, false);
                }
                return true;
            }
            State::Inside if byte == b'"' => {
                self.state = State::Outside;
                return true;
            }
            State::Inside => {
                // At the beginning of a character is where to cut.
                let begins = byte & 0xc0 != 0x80;
                if begins && !self.half && self.length >= MOST && !self.cutting {
                    self.cutting = true;
                    self.told.cut.set(self.told.cut.get() + 1);
                }
                if byte == b'\\' {
                    self.state = State::Escape;
                } else {
                    self.half = false;
                }
            }
            State::Escape => {
                self.state = if byte == b'u' { State::Digits(4) } else { State::Inside };
                self.unit = 0;
                self.half = false;
            }
            State::Digits(left) => {
                let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
                self.unit = self.unit << 4 | digit.unwrap_or(0);
                self.state = if left > 1 { State::Digits(left - 1) } else { State::Inside };
                self.half = left == 1 && (0xd800..0xdc00).contains(&self.unit);
            }
        }
        self.length = self.length.saturating_add(1);
        !self.cutting
    }
}

impl<R: Read> Read for Shorten<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < out.len() {
            let Some(byte) = self.next()? else { break };
            if self.passes(byte) {
                out[count] = byte;
                count += 1;
            }
        }
        let passed = self.told.passed.get() + count;
        if passed > super::MAX_ENTRY_BYTES {
            return Err(io::Error::other("longer than an entry may be"));
        }
        self.told.passed.set(passed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inside: &str, expect: &str) {
        let text = format!("[\"{inside}\",1]");
        let told = Rc::new(Told::default());
        let mut out = String::new();
        Shorten::new(text.as_bytes(), Rc::clone(&told)).read_to_string(&mut out).unwrap();
        assert_eq!(out.len(), expect.len() + 6);
        assert_eq!(out, format!("[\"{expect}\",1]"));
        assert_eq!(told.cut.get(), u64::from(inside != expect));
        serde_json::from_str::<serde_json::Value>(&out).unwrap();
    }

    #[test]
    fn strings_are_cut_between_characters() {
        let fill = |count: usize| "a".repeat(count);
        check("short \\\" \\u00e9", "short \\\" \\u00e9");
        check(&fill(MOST), &fill(MOST));
        check(&fill(MOST + 1), &fill(MOST));
        check(&(fill(MOST - 1) + "éb"), &(fill(MOST - 1) + "é"));
        check(&(fill(MOST - 1) + "\\\"b"), &(fill(MOST - 1) + "\\\""));
        check(&(fill(MOST - 1) + "\\ud83d\\ude00b"), &(fill(MOST - 1) + "\\ud83d\\ude00"));
        check(&(fill(MOST) + "\\\\\\\"b"), &fill(MOST));
    }

    #[test]
    fn an_entry_is_bounded() {
        let told = Rc::new(Told::default());
        let endless = io::repeat(b' ');
        let result = io::copy(&mut Shorten::new(endless, Rc::clone(&told)), &mut io::sink());
        assert!(result.is_err());
    }
}
