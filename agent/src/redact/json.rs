//! JSON as it was captured: whole, cut off somewhere, or several values one after the other. Goes through it once, copies
//! it, and writes a marker in place of each value at a place that is named. Never panics, whatever the bytes.

use super::{
    Pointer,
    mask::{Masking, Text},
    pointer::{Along, Into},
};

/// Deeper than anything that means something.
const DEPTH: usize = 200;

/// It is not JSON, so nobody knows where the secrets are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

enum End {
    /// The bytes end within a value: as far as it goes it is done.
    Cut,
    Malformed,
}

/// Before the text, some say what it is encoded in (RFC 8259 section 8.1 lets readers ignore it).
const MARK: &[u8] = "\u{feff}".as_bytes();

/// It begins as objects and lists do. What is something else holds no named place.
pub(super) fn looks_like_it(body: &[u8]) -> bool {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}

/// None where no named place was found.
pub(super) fn redact(body: &[u8], places: &[Pointer], masking: &mut Masking<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let along = places.iter().map(Pointer::begin).collect();
    let out = Vec::with_capacity(body.len());
    let mut scan = Scan { rest: body, out, places, masking, along, depth: 0, found: false };
    if body.starts_with(MARK) {
        scan.rest = &body[MARK.len()..];
        scan.out.extend_from_slice(MARK);
    }
    loop {
        scan.space();
        if scan.rest.is_empty() {
            break;
        }
        match scan.value() {
            Ok(()) => {}
            Err(End::Cut) => break,
            Err(End::Malformed) => return Err(Malformed),
        }
    }
    Ok(scan.found.then_some(scan.out))
}

struct Scan<'a, 'm, 'k> {
    rest: &'a [u8],
    out: Vec<u8>,
    places: &'a [Pointer],
    masking: &'m mut Masking<'k>,
    /// how far it is along each place, at each depth down to here
    along: Vec<Along>,
    depth: usize,
    found: bool,
}

impl Scan<'_, '_, '_> {
    fn next(&mut self) -> Result<u8, End> {
        let (first, rest) = self.rest.split_first().ok_or(End::Cut)?;
        self.rest = rest;
        self.out.push(*first);
        Ok(*first)
    }

    fn peek(&self) -> Result<u8, End> {
        self.rest.first().copied().ok_or(End::Cut)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Ok(b' ' | b'\t' | b'\r' | b'\n')) {
            let _ = self.next();
        }
    }

    fn value(&mut self) -> Result<(), End> {
        self.space();
        self.peek()?;
        let along = &self.along[self.along.len() - self.places.len()..];
        let is_named = self.places.iter().zip(along).any(|(place, at)| place.is_at(*at));
        let begins = self.out.len();
        let done = self.any();
        if is_named {
            self.found = true;
            let value = self.out.split_off(begins);
            self.out.extend_from_slice(&self.masking.of(&value, Text::Json));
        }
        done
    }

    fn any(&mut self) -> Result<(), End> {
        match self.peek()? {
            b'{' | b'[' if self.depth >= DEPTH => Err(End::Malformed),
            b'{' => self.object(),
            b'[' => self.list(),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                while matches!(self.peek(), Ok(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')) {
                    self.next()?;
                }
                Ok(())
            }
            _ => Err(End::Malformed),
        }
    }

    /// The value that is one step down from here.
    fn inside(&mut self, into: Into<'_>) -> Result<(), End> {
        let here = self.along.len() - self.places.len();
        for (n, place) in self.places.iter().enumerate() {
            self.along.push(place.step(self.along[here + n], into));
        }
        self.depth += 1;
        self.value()?;
        self.depth -= 1;
        self.along.truncate(here + self.places.len());
        Ok(())
    }

    fn object(&mut self) -> Result<(), End> {
        self.next()?;
        self.space();
        if self.peek()? == b'}' {
            return self.next().map(drop);
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            if self.next()? != b':' {
                return Err(End::Malformed);
            }
            self.inside(Into::Member(&name))?;
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err(End::Malformed),
            }
        }
    }

    fn list(&mut self) -> Result<(), End> {
        self.next()?;
        self.space();
        if self.peek()? == b']' {
            return self.next().map(drop);
        }
        for at in 0_usize.. {
            self.inside(Into::Element(at))?;
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(()),
                _ => return Err(End::Malformed),
            }
        }
        Ok(())
    }

    /// As it means, escapes undone.
    fn string(&mut self) -> Result<String, End> {
        let begins = self.rest;
        if self.next()? != b'"' {
            return Err(End::Malformed);
        }
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => drop(self.next()?),
                _ => {}
            }
        }
        let raw = &begins[..begins.len() - self.rest.len()];
        // one that is no Unicode names nothing that anybody could have named
        Ok(serde_json::from_slice(raw).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned()))
    }
}
