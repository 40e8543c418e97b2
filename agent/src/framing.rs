//! Where the body of a message ends, as its head says (RFC 9112 section 6.3). Enters: the fields that say so; leaves: one
//! reading, or why there is none. The one place that knows these rules: who watches a client's bytes, and who passes a head
//! on, must not read it in two ways. Pure.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

/// Beyond it, the HTTP codec keeps numbers with a meaning of their own.
const LONGEST: u64 = u64::MAX - 2;

/// A message whose end cannot be known for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFraming {
    /// Not asked for with TE, and not to be undone here.
    #[error("a transfer coding other than chunked (RFC 9112 section 6.1)")]
    TransferCoding,
    #[error("a transfer coding that does not end with chunked (RFC 9112 section 6.3)")]
    Open,
    #[error("Transfer-Encoding in a message of HTTP/1.0 (RFC 9112 section 6.1)")]
    Version,
    #[error("a Content-Length that is not one number (RFC 9112 section 6.3)")]
    Length,
    /// Whoever stands on either side of us might believe the other of the two (section 11.2).
    #[error("Content-Length beside Transfer-Encoding (RFC 9112 section 6.3)")]
    Both,
}

/// What the fields of one head say, each kind by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framing {
    /// bytes
    pub(crate) length: Option<u64>,
    pub(crate) chunked: bool,
}

impl Framing {
    /// Of a head as it travels on. `Content-Length` may be there more than once, and as a list, of one number.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, BadFraming> {
        let mut framing = Framing::default();
        for value in headers.get_all(TRANSFER_ENCODING) {
            framing.transfer_encoding(value.as_bytes())?;
        }
        for value in headers.get_all(CONTENT_LENGTH) {
            for number in value.as_bytes().split(|b| *b == b',') {
                framing.content_length(number.trim_ascii())?;
            }
        }
        Ok(framing)
    }

    /// One value of `Content-Length`.
    pub(crate) fn content_length(&mut self, number: &[u8]) -> Result<(), BadFraming> {
        let length = decimal(number).ok_or(BadFraming::Length)?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(BadFraming::Length),
            _ => Ok(()),
        }
    }

    /// One line of `Transfer-Encoding`.
    pub(crate) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadFraming> {
        let mut codings = value.rsplit(|b| *b == b',');
        if !codings.next().unwrap_or_default().trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(BadFraming::Open);
        }
        if codings.next().is_some() || std::mem::replace(&mut self.chunked, true) {
            return Err(BadFraming::TransferCoding);
        }
        Ok(())
    }

    /// Of a request: a response may say both, and chunked wins.
    pub(crate) fn of_one_kind(self) -> Result<Self, BadFraming> {
        if self.chunked && self.length.is_some() { Err(BadFraming::Both) } else { Ok(self) }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = is.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?;
    number.filter(|number| *number <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &str, expect: Result<(Option<u64>, bool), BadFraming>) {
        let mut headers = HeaderMap::new();
        for line in fields.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let got = Framing::of(&headers).and_then(Framing::of_one_kind);
        assert_eq!(got.map(|framing| (framing.length, framing.chunked)), expect, "{fields}");
    }

    #[test]
    fn one_reading_or_none() {
        check("host: a", Ok((None, false)));
        check("content-length: 0", Ok((Some(0), false)));
        check("content-length: 3\ncontent-length: 3", Ok((Some(3), false)));
        check("content-length: 3, 3", Ok((Some(3), false)));
        check("transfer-encoding: Chunked", Ok((None, true)));
        for length in ["x", "+1", "-1", "", "1 1", "3, 4", "3,", "18446744073709551614", "99999999999999999999"] {
            check(&format!("content-length: {length}"), Err(BadFraming::Length));
        }
        check("content-length: 3\ncontent-length: 4", Err(BadFraming::Length));
        for coding in ["chunked, identity", "gzip", "xchunked", "chunked,", "", "chunked;q=1"] {
            check(&format!("transfer-encoding: {coding}"), Err(BadFraming::Open));
        }
        check("transfer-encoding: gzip, chunked", Err(BadFraming::TransferCoding));
        check("transfer-encoding: chunked\ntransfer-encoding: chunked", Err(BadFraming::TransferCoding));
        check("transfer-encoding: chunked\ncontent-length: 0", Err(BadFraming::Both));
    }
}
