//! A request head of HTTP/1, looked at before the HTTP codec sees it: that one refuses with a bare status, and reads a head
//! that two readers may understand in two ways (RFC 9112 section 11.2). Enters: the first bytes of a message; leaves: how
//! long its head is and where its body ends, or what is wrong with it and whose fault it is. Pure.
//!
//! What passes here the codec takes, with the same reading: the parser is the same, and what it leaves to the codec is
//! looked at by stricter rules than the codec's.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{StatusCode, Uri};
use httparse::{Header, ParserConfig, Request, Status};

use crate::exchange::{Problem, Unfit};
use crate::framing::{BadFraming, Framing};

/// Bytes of line ends before a request line: one pair is to be ignored (RFC 9112 section 2.2).
const EMPTY_LINES: usize = 16;
/// The HTTP codec takes no longer target, and no longer name of a field.
const LONGEST_TARGET: usize = u16::MAX as usize - 1;
const LONGEST_NAME: usize = u16::MAX as usize;

/// How much of a head there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) fields: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// bytes, the empty line included
    pub(super) length: usize,
    pub(super) body: Framing,
}

/// `None` while it may still become a head. The same answer however the bytes were cut.
pub(super) fn check(bytes: &[u8], limits: Limits) -> Option<Result<Head, Problem>> {
    // The parser skips them all, and each would be looked at.
    if bytes.get(..EMPTY_LINES).is_some_and(|start| start.iter().all(|b| matches!(b, b'\r' | b'\n'))) {
        return Some(bad(StatusCode::BAD_REQUEST, "there are only empty lines where a request should be"));
    }
    let seen = &bytes[..bytes.len().min(limits.bytes)];
    let mut fields: Vec<Header<'_>> = Vec::with_capacity(limits.fields);
    let room = &mut fields.spare_capacity_mut()[..limits.fields];
    let mut request = Request::new(&mut []);
    match ParserConfig::default().parse_request_with_uninit_headers(&mut request, seen, room) {
        Ok(Status::Complete(length)) => Some(sound(&request, &seen[..length])),
        Ok(Status::Partial) if seen.len() < limits.bytes => None,
        Ok(Status::Partial) => Some(too_long(request.version.is_none(), limits.bytes)),
        Err(httparse::Error::TooManyHeaders) => {
            Some(too_large(format!("the request head has more than {} fields", limits.fields)))
        }
        Err(httparse::Error::Version) => {
            let why = "the request asks for a version of HTTP that is spoken in no such way";
            Some(bad(StatusCode::HTTP_VERSION_NOT_SUPPORTED, why))
        }
        Err(error) => Some(bad(StatusCode::BAD_REQUEST, format!("this is no HTTP request: {error}"))),
    }
}

/// Each look begins at the first byte again, so a client that sends a long head byte by byte must not get one for each.
/// What is short, and whatever ends a line, is looked at at once: there are no more lines than fields.
pub(super) fn is_worth_a_look(read: &[u8], before: usize, looked_at: usize, limits: Limits) -> bool {
    const SHORT: usize = 1024;
    let long = read.len() >= limits.bytes || read.len() >= 2 * looked_at;
    read.len() <= SHORT || long || read[before..].contains(&b'\n')
}

fn bad<T>(status: StatusCode, why: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { status, ..Problem::bad_request(why.into()) })
}

fn too_large<T>(why: String) -> Result<T, Problem> {
    bad(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why)
}

fn too_long<T>(in_first_line: bool, limit: usize) -> Result<T, Problem> {
    match in_first_line {
        true => bad(StatusCode::URI_TOO_LONG, format!("the request line has more than {limit} bytes")),
        false => too_large(format!("the request head has more than {limit} bytes")),
    }
}

/// What else there is to know of a head that parses.
fn sound(request: &Request<'_, '_>, head: &[u8]) -> Result<Head, Problem> {
    if has_bare_line_feed(head) {
        let why = "a line of the request head ends without a carriage return (RFC 9112 section 2.2)";
        return bad(StatusCode::BAD_REQUEST, why);
    }
    let target = request.path.unwrap_or_default();
    if target.len() > LONGEST_TARGET {
        return too_long(true, LONGEST_TARGET);
    }
    if !is_plain_path(target) && Uri::try_from(target).is_err() {
        return bad(StatusCode::BAD_REQUEST, "the request target is no URI (RFC 9112 section 3.2)");
    }
    if request.headers.iter().any(|field| field.name.len() > LONGEST_NAME) {
        return too_large(format!("the name of a field has more than {LONGEST_NAME} bytes"));
    }
    let body = framing(request).map_err(|bad| Problem::from(Unfit::Framing(bad)))?;
    if request.method == Some("CONNECT") && (body.chunked || body.length.is_some_and(|length| length > 0)) {
        return bad(StatusCode::BAD_REQUEST, "a CONNECT request has no content (RFC 9110 section 9.3.6)");
    }
    Ok(Head { length: head.len(), body })
}

fn framing(request: &Request<'_, '_>) -> Result<Framing, BadFraming> {
    let mut framing = Framing::default();
    for field in request.headers.iter() {
        // nearly all names are told apart by their length
        match field.name.len() {
            14 if CONTENT_LENGTH == field.name => framing.content_length(field.value)?,
            17 if TRANSFER_ENCODING == field.name => framing.transfer_encoding(field.value)?,
            _ => {}
        }
    }
    if framing.chunked && request.version == Some(0) {
        return Err(BadFraming::Version);
    }
    framing.of_one_kind()
}

/// Without a branch for each byte.
fn has_bare_line_feed(head: &[u8]) -> bool {
    let bare = head.iter().zip(head.iter().skip(1)).fold(false, |bare, (a, b)| bare | ((*b == b'\n') & (*a != b'\r')));
    bare || head.first() == Some(&b'\n')
}

/// Nearly all targets inside tunnels: a URI for sure.
fn is_plain_path(target: &str) -> bool {
    target.starts_with('/') && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { bytes: 256, fields: 4 };

    fn at_once(bytes: &[u8]) -> Option<Result<Head, u16>> {
        check(bytes, LIMITS).map(|verdict| verdict.map_err(|problem| problem.status.as_u16()))
    }

    /// The same when it comes byte by byte.
    fn verdict(head: &str) -> Option<Result<(), u16>> {
        let whole = at_once(head.as_bytes());
        assert_eq!((0..=head.len()).find_map(|n| at_once(&head.as_bytes()[..n])), whole, "{head:?}");
        whole.map(|verdict| verdict.map(|_| ()))
    }

    #[test]
    fn a_head_passes_and_half_a_head_waits() {
        assert_eq!(verdict("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), Some(Ok(())));
        assert_eq!(verdict("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), Some(Ok(())));
        assert_eq!(verdict("OPTIONS * HTTP/1.0\r\n\r\nbody"), Some(Ok(())));
        assert_eq!(verdict("\r\n\r\nGET /a?b=%20#c HTTP/1.1\r\n\r\n"), Some(Ok(())));
        assert_eq!(verdict("GET http://a.example/ HTTP/1.1\r\nHost: a."), None);
        assert_eq!(verdict("GET"), None);
    }

    #[test]
    fn where_the_body_ends_is_known() {
        let body =
            |fields: &str| at_once(format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes()).unwrap().unwrap().body;
        assert_eq!(body("Content-Length: 7"), Framing { length: Some(7), chunked: false });
        assert_eq!(body("transfer-ENCODING:chunked"), Framing { length: None, chunked: true });
        assert_eq!(body("A: b"), Framing::default());
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_looked_at_as_often_as_it_has_lines() {
        let limits = Limits { bytes: 64 << 10, fields: 128 };
        let head = format!("GET / HTTP/1.1\r\nA: {0}\r\nB: {0}\r\n\r\n", "x".repeat(30_000));
        let (mut looked_at, mut looks) = (0, 0);
        for n in 1..=head.len() {
            if is_worth_a_look(&head.as_bytes()[..n], n - 1, looked_at, limits) {
                (looked_at, looks) = (n, looks + usize::from(n > 1024));
            }
        }
        assert_eq!(looked_at, head.len());
        assert!(looks < 16, "{looks}");
    }

    #[test]
    fn what_is_wrong_has_a_status_of_its_own() {
        assert_eq!(verdict("GARBAGE\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict(&"\r\n".repeat(7)), None);
        assert_eq!(verdict(&"\n".repeat(16)), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/1.1\r\nno colon here\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("GET http:///nowhere HTTP/1.1\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 1\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/9.9\r\n\r\n"), Some(Err(505)));
        assert_eq!(verdict(&format!("GET /{} HTTP/1.1\r\n\r\n", "p".repeat(200))), Some(Ok(())));
        assert_eq!(verdict(&format!("GET /{} HTTP/1.1\r\n\r\n", "p".repeat(300))), Some(Err(414)));
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "p".repeat(300))), Some(Err(431)));
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(5))), Some(Err(431)));
        let long = Limits { bytes: 1 << 20, ..LIMITS };
        let status = |head: String| check(head.as_bytes(), long).unwrap().unwrap_err().status.as_u16();
        assert_eq!(status(format!("GET /{} HTTP/1.1\r\n\r\n", "p".repeat(70_000))), 414);
        assert_eq!(status(format!("GET / HTTP/1.1\r\n{}: y\r\n\r\n", "p".repeat(70_000))), 431);
    }

    #[test]
    fn a_head_has_one_reading() {
        for (fields, expect) in [
            ("Content-Length: x", Err(400)),
            ("Content-Length: +1", Err(400)),
            ("Content-Length: 1, 1", Err(400)),
            ("Content-Length: 1\r\ncontent-length: 2", Err(400)),
            ("Content-Length: 1\r\ncontent-length: 1", Ok(())),
            ("Content-Length: 4\r\nTransfer-Encoding: chunked", Err(400)),
            ("TRANSFER-ENCODING: xchunked\r\nContent-length: 1", Err(400)),
            ("Transfer-Encoding: chunked, identity", Err(400)),
            ("Transfer-Encoding: gzip, chunked", Err(501)),
            ("A: b\nC: d", Err(400)),
            ("A: b\r\n\nC: d", Err(400)),
        ] {
            assert_eq!(verdict(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")), Some(expect), "{fields:?}");
        }
        for bare in ["GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n", "\nGET / HTTP/1.1\r\n\r\n"] {
            assert_eq!(verdict(bare), Some(Err(400)), "{bare:?}");
        }
        assert_eq!(verdict("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Some(Err(400)));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            head in "[\r\n]{0,3}(GET|POST|CONNECT)? ?[/a:\\x01 ]{0,3} HTTP/1[.][01]\r?\n((Content-Length|Transfer-Encoding|A): ?(0|3|chunked|x{0,90})\r?\n){0,6}\r?\n?[ -~]{0,9}",
        ) {
            verdict(&head);
        }

        #[test]
        fn a_plain_path_is_a_uri(path in "/[ -~]{0,40}") {
            prop_assert!(!is_plain_path(&path) || Uri::try_from(&path).is_ok());
        }
    }
}
