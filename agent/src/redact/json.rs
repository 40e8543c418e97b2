//! JSON as it was captured: whole, cut off somewhere, or several values one after the other. Goes through it once, copies
//! it, and writes a marker in place of each value at a place that is named. Never panics, whatever the bytes.

use std::borrow::Cow;

use super::{
    mask::{Masking, Text},
    places::{At, Places, TooMuch, Walk},
    pointer::Into,
};

/// Deeper than anything that means something.
const DEPTH: usize = 200;

/// Nobody knows where the secrets are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not JSON.
    Malformed,
    /// To find out would take more than a body is worth.
    TooMuch,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Done {
    /// None where no named place was found.
    pub(super) redacted: Option<Vec<u8>>,
    /// The bytes end within a value.
    pub(super) ends_within: bool,
    /// What looking for the places took, whatever the length.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold it down"))]
    pub(super) work: usize,
}

enum End {
    /// The bytes end within a value: as far as it goes it is done.
    Cut,
    Unread(Unread),
}

const MALFORMED: End = End::Unread(Unread::Malformed);

impl From<TooMuch> for End {
    fn from(TooMuch: TooMuch) -> Self {
        End::Unread(Unread::TooMuch)
    }
}

/// Before the text, some say what it is encoded in (RFC 8259 section 8.1 lets readers ignore it).
const MARK: &[u8] = "\u{feff}".as_bytes();

/// It begins as objects and lists do, or with a number right before one, as messages of Socket.IO do. What is something else holds no
/// named place.
pub(super) fn looks_like_it(body: &[u8]) -> bool {
    let body = body.strip_prefix(MARK).unwrap_or(body).trim_ascii_start();
    body.iter().find(|byte| !byte.is_ascii_digit()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}

/// With a marker at each of the places.
pub(super) fn redact(body: &[u8], places: &Places, masking: &mut Masking<'_>) -> Result<Done, Unread> {
    let out = Vec::with_capacity(body.len());
    let mut scan = Scan { rest: body, out, walk: places.walk(), masking, depth: 0, found: false };
    if body.starts_with(MARK) {
        scan.rest = &body[MARK.len()..];
        scan.out.extend_from_slice(MARK);
    }
    let mut ends_within = false;
    loop {
        scan.space();
        if scan.rest.is_empty() {
            break;
        }
        match scan.value(At::TOP) {
            Ok(()) => {}
            Err(End::Cut) => {
                ends_within = true;
                break;
            }
            Err(End::Unread(why)) => return Err(why),
        }
    }
    Ok(Done { redacted: scan.found.then_some(scan.out), ends_within, work: scan.walk.work() })
}

struct Scan<'a, 'm, 'k> {
    rest: &'a [u8],
    out: Vec<u8>,
    walk: Walk<'a>,
    masking: &'m mut Masking<'k>,
    depth: usize,
    found: bool,
}

impl<'a> Scan<'a, '_, '_> {
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

    fn value(&mut self, at: At) -> Result<(), End> {
        self.space();
        self.peek()?;
        let begins = self.out.len();
        let done = self.any(at);
        if self.walk.is_named(at) {
            self.found = true;
            let value = self.out.split_off(begins);
            self.out.extend_from_slice(&self.masking.of(&value, Text::Json));
        }
        done
    }

    fn any(&mut self, at: At) -> Result<(), End> {
        match self.peek()? {
            b'{' | b'[' if self.depth >= DEPTH => Err(MALFORMED),
            b'{' => self.object(at),
            b'[' => self.list(at),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                while matches!(self.peek(), Ok(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')) {
                    self.next()?;
                }
                Ok(())
            }
            _ => Err(MALFORMED),
        }
    }

    /// The value that is one step down from here.
    fn inside(&mut self, at: At, into: Into<'_>) -> Result<(), End> {
        let at = self.walk.step(at, into)?;
        self.depth += 1;
        self.value(at)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self, at: At) -> Result<(), End> {
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
                return Err(MALFORMED);
            }
            self.inside(at, Into::Member(&name))?;
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err(MALFORMED),
            }
        }
    }

    fn list(&mut self, at: At) -> Result<(), End> {
        self.next()?;
        self.space();
        if self.peek()? == b']' {
            return self.next().map(drop);
        }
        for element in 0_usize.. {
            self.inside(at, Into::Element(element))?;
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(()),
                _ => return Err(MALFORMED),
            }
        }
        Ok(())
    }

    /// As it means, escapes undone.
    fn string(&mut self) -> Result<Cow<'a, str>, End> {
        let begins = self.rest;
        if self.next()? != b'"' {
            return Err(MALFORMED);
        }
        let mut is_escaped = false;
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    self.next()?;
                }
                _ => {}
            }
        }
        let raw = &begins[..begins.len() - self.rest.len()];
        if let (false, Ok(text)) = (is_escaped, std::str::from_utf8(&raw[1..raw.len() - 1])) {
            return Ok(Cow::Borrowed(text));
        }
        // one that is no Unicode names nothing that anybody could have named
        Ok(Cow::Owned(serde_json::from_slice(raw).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(places: &[String], body: &str) -> Result<usize, Unread> {
        let places = Places::new(places.iter().map(|place| place.parse().unwrap()).collect());
        redact(body.as_bytes(), &places, &mut Masking::Alike).map(|done| done.work)
    }

    /// Each of many places is looked for at each of many values, at whatever depth: that takes no more of a long document than of a
    /// short one, beside going through it.
    #[test]
    fn many_places_cost_a_long_document_no_more_than_a_short_one() {
        let places: Vec<String> = (0..crate::redact::MOST).map(|n| format!("/**/a/*/name{n}/{n}")).collect();
        let wide = |count: usize| format!(r#"{{"a":[{}{{"name7":[0]}}]}}"#, r#"{"x":1,"name1":[1,2]},"#.repeat(count));
        let deep = |depth: usize| format!("{}{}{}", "[".repeat(depth), "1,".repeat(100) + "1", "]".repeat(depth));
        let unknown =
            |count: usize| format!("{{{}\"z\":1}}", (0..count).map(|n| format!(r#""n{n}":{n},"#)).collect::<String>());
        for (short, long) in [(wide(100), wide(20_000)), (deep(9), deep(150)), (unknown(9), unknown(20_000))] {
            let (short, long) = (work(&places, &short).unwrap(), work(&places, &long).unwrap());
            assert!(short > 0 && short == long, "{short} {long}");
        }
    }

    #[test]
    fn what_would_take_too_much_is_given_up() {
        let stars = "/*".repeat(24);
        let places: Vec<String> = (0..8).map(|n| format!("/**/a{stars}/{n}")).collect();
        // each way down is another history of what was `a`
        let mut tree = "1".to_owned();
        for _ in 0..14 {
            tree = format!(r#"{{"a":{tree},"b":{tree}}}"#);
        }
        assert_eq!(work(&places, &tree), Err(Unread::TooMuch));
        assert!(work(&places[..1], &tree[..tree.len() / 64]).is_ok());
    }
}
