//! What a client speaks. Enters: the first bytes of a connection or of a tunnel; leaves: a [`Protocol`], or that more
//! bytes are needed. Pure: it never sees a socket, and answers the same however the bytes were cut.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tls,
    Http1,
    Http2,
    /// none of these, or nothing at all
    Other,
}

/// No request line that is still undecided after so many bytes is one.
pub const MAX_PEEK: usize = 16 << 10;

/// The first byte of a ClientHello, and of no other protocol that is known here (RFC 8446 section 5.1).
pub const TLS_HANDSHAKE: u8 = 0x16;

/// RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `None` asks for more bytes; with [`MAX_PEEK`] of them there is always an answer.
pub fn detect(bytes: &[u8]) -> Option<Protocol> {
    if bytes.is_empty() {
        return None;
    }
    if bytes[0] == TLS_HANDSHAKE {
        return tls(bytes);
    }
    if PREFACE.starts_with(bytes) {
        return (bytes.len() == PREFACE.len()).then_some(Protocol::Http2);
    }
    if bytes.starts_with(PREFACE) {
        return Some(Protocol::Http2);
    }
    http1(bytes)
}

/// A handshake record that holds a ClientHello (RFC 8446 sections 5.1 and 4): type 22, version 3.x, a length, message 1.
/// A hello of SSL 2 is `Other`: nobody should answer it.
fn tls(bytes: &[u8]) -> Option<Protocol> {
    let record_fits = |length: &[u8]| (4..=(1 << 14) + 256).contains(&u16::from_be_bytes([length[0], length[1]]));
    let is = match bytes.len() {
        0 | 1 => None,
        2 => (bytes[1] != 3).then_some(false),
        3 | 4 => (bytes[1] != 3 || bytes[2] > 4).then_some(false),
        5 => (bytes[1] != 3 || bytes[2] > 4 || !record_fits(&bytes[3..5])).then_some(false),
        _ => Some(bytes[1] == 3 && bytes[2] <= 4 && record_fits(&bytes[3..5]) && bytes[5] == 1),
    };
    is.map(|is| if is { Protocol::Tls } else { Protocol::Other })
}

/// A request line of any method (RFC 9112 section 3): `token SP target SP HTTP/1.`. Less would do for browsers, but
/// `EHLO host`, `NICK name` and `SSH-2.0-x` begin with a token as well.
fn http1(bytes: &[u8]) -> Option<Protocol> {
    // RFC 9112 section 2.2: a server should ignore an empty line before the request line.
    let bytes = match bytes {
        [b'\r'] => return None,
        [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
        _ => bytes,
    };
    let (is, at_bound) = request_line(bytes);
    match is {
        Some(true) => Some(Protocol::Http1),
        Some(false) => Some(Protocol::Other),
        // A target of 16 KiB: HTTP/1 says in its own words (414) that it is too long.
        None if bytes.len() + 2 >= MAX_PEEK => Some(if at_bound { Protocol::Http1 } else { Protocol::Other }),
        None => None,
    }
}

/// Whether it is one, if that can be said; and whether it has the method and the start of a target.
fn request_line(bytes: &[u8]) -> (Option<bool>, bool) {
    const LONGEST_METHOD: usize = 32;
    let Some(end) = bytes.iter().position(|b| !is_token(*b)) else {
        return (if bytes.len() > LONGEST_METHOD { Some(false) } else { None }, false);
    };
    if end == 0 || end > LONGEST_METHOD || bytes[end] != b' ' {
        return (Some(false), false);
    }
    let target = &bytes[end + 1..];
    let Some(end) = target.iter().position(|b| *b <= b' ' || *b == 0x7f) else {
        return (None, target.first().is_some_and(|b| is_token(*b) || *b == b'/'));
    };
    if end == 0 || target[end] != b' ' {
        return (Some(false), false);
    }
    let version = &target[end + 1..];
    let n = version.len().min(7);
    if version[..n] != b"HTTP/1."[..n] {
        return (Some(false), false);
    }
    ((n == 7).then_some(true), true)
}

/// RFC 9110 section 5.6.2.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answer must be the same when the bytes come one at a time, and must not need all of them.
    fn check(bytes: &[u8], expect: Option<Protocol>) {
        let grown = (1..=bytes.len()).find_map(|n| detect(&bytes[..n]));
        assert_eq!(grown, expect, "one at a time: {:?}", String::from_utf8_lossy(bytes));
        assert_eq!(detect(bytes), expect, "at once: {:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn http1_is_a_request_line_of_any_method() {
        check(b"GET / HTTP/1.1\r\n", Some(Protocol::Http1));
        check(b"CONNECT a.example:443 HTTP/1.1\r\n", Some(Protocol::Http1));
        check(b"M-SEARCH * HTTP/1.1\r\n", Some(Protocol::Http1));
        check(b"PROPFIND http://a.example/x HTTP/1.0\r\n", Some(Protocol::Http1));
        check(b"\r\nGET / HTTP/1.1\r\n", Some(Protocol::Http1));
        check(b"GET / HTTP/1", None);
        check(b"GE", None);
    }

    #[test]
    fn the_preface_is_http2_and_nothing_less() {
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Protocol::Http2));
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", Some(Protocol::Http2));
        check(b"PRI * HTTP/2.0\r\n\r\n", None);
        check(b"PRI * HTTP/1.1\r\n", Some(Protocol::Http1));
        check(b"PRI * HTTP/2.0\r\n\r\nXX", Some(Protocol::Other));
    }

    #[test]
    fn tls_is_a_record_with_a_client_hello() {
        check(&[0x16, 3, 1, 2, 0, 1], Some(Protocol::Tls));
        check(&[0x16, 3, 3, 0x40, 0, 1, 9, 9], Some(Protocol::Tls));
        check(&[0x16, 3, 1, 2, 0], None);
        check(&[0x16, 3, 1, 2, 0, 2], Some(Protocol::Other));
        check(&[0x16, 3, 9], Some(Protocol::Other));
        check(&[0x16, 2], Some(Protocol::Other));
        check(&[0x16, 3, 1, 0xff, 0xff], Some(Protocol::Other));
        check(&[0x80, 0x2e, 1, 0, 2], Some(Protocol::Other));
    }

    #[test]
    fn what_begins_with_a_token_need_not_be_http() {
        check(b"EHLO mail.example\r\n", Some(Protocol::Other));
        check(b"SSH-2.0-OpenSSH_9.2\r\n", Some(Protocol::Other));
        check(b"GET key\r\n", Some(Protocol::Other));
        check(b"RTSP a b/1.1\r\n", Some(Protocol::Other));
        check(b"\x05\x01\x00", Some(Protocol::Other));
        check(&[b'A'; 40], Some(Protocol::Other));
    }

    #[test]
    fn an_endless_request_line_is_left_to_http() {
        let line = [b"GET /".as_slice(), &[b'a'; MAX_PEEK]].concat();
        check(&line[..MAX_PEEK], Some(Protocol::Http1));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_changes_its_mind(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let answers: Vec<_> = (0..=bytes.len()).filter_map(|n| detect(&bytes[..n])).collect();
            prop_assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        }

        #[test]
        fn nor_with_what_looks_like_http(bytes in "(PRI|GET|[A-Z]{1,4})? ?[*/a ]{0,3} ?HTTP/[12][.][01]\r?\n?[ -~]{0,9}") {
            let answers: Vec<_> = (0..=bytes.len()).filter_map(|n| detect(&bytes.as_bytes()[..n])).collect();
            prop_assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        }
    }
}
