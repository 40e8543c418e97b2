//! What a client speaks. Enters: the first bytes of a connection or of a tunnel; leaves: a [`Protocol`], or that more
//! bytes are needed. Pure: it never sees a socket, and answers the same however the bytes were cut.
//!
//! What is called `Other` here goes past filters and recorder, so the question is not what is well formed but what some
//! origin would answer: whatever may be that is HTTP or TLS, and its parser says what is wrong with it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tls,
    Http1,
    Http2,
    /// none of these
    Other,
}

/// Bytes after which there is always an answer.
pub const MAX_PEEK: usize = 16 << 10;

/// RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The binary header of the PROXY protocol: what it stands before is HTTP to those who take it.
const PROXY_HEADER: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Words that decide with the space behind them: HTTP/0.9 has no more than this of a request line, and some servers take
/// a path without a slash. The other is the text header of the PROXY protocol.
const DECISIVE: [&[u8]; 2] = [b"GET", b"PROXY"];

/// Methods of IANA's registry, and those that servers' parsers know besides: with a path behind them they need no version
/// (HTTP/0.9), and no single space.
const METHODS: [&str; 46] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "NOTIFY",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "*",
];

/// What the last word of a request line begins with; the latter two are HTTP to the parser of Node.js.
const VERSIONS: [&[u8]; 3] = [b"HTTP/", b"RTSP/", b"ICE/"];

/// `None` asks for more bytes; with [`MAX_PEEK`] of them there is always an answer.
pub fn detect(bytes: &[u8]) -> Option<Protocol> {
    match bytes {
        [] => None,
        [0x14..=0x18 | 0x80..=0xff, ..] => tls(bytes),
        _ if bytes.starts_with(PREFACE) => Some(Protocol::Http2),
        _ if PREFACE.starts_with(bytes) => None,
        _ => http1(bytes),
    }
}

/// Whether bytes that are not enough for an answer may become TLS, and not HTTP.
pub fn may_be_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x18 | 0x80..=0xff, ..])
}

/// A record (RFC 8446 section 5.1). A first hello may come in fragments of one byte, with any minor version, and after
/// records of another kind, and there are servers that take all this; some take a lower major version too. So does a
/// hello in the format of SSL 2 (RFC 5246 appendix E.2). What the TLS stage does not take, it refuses.
fn tls(bytes: &[u8]) -> Option<Protocol> {
    let is = match bytes {
        [_] => None,
        [0x14..=0x18, 3, ..] => Some(true),
        [0x16, 0..=2, _, _, _, first, ..] => Some(*first == 1),
        [0x16, 0..=2, ..] => None,
        [0x80..=0xff, _, 1, version, ..] => Some(matches!(version, 0 | 3)),
        [0x80..=0xff, _, 1] | [0x80..=0xff, _] => None,
        _ => Some(false),
    };
    is.map(|is| if is { Protocol::Tls } else { Protocol::Other })
}

fn http1(bytes: &[u8]) -> Option<Protocol> {
    // RFC 9112 section 2.2: servers ignore empty lines before the request line, and some ignore spaces too.
    let begins = bytes.iter().position(|b| !is_space(*b));
    let is = match begins {
        _ if PROXY_HEADER.starts_with(bytes) => None,
        _ if bytes.starts_with(PROXY_HEADER) => Some(true),
        None => None,
        Some(begins) => request_line(&bytes[begins..]),
    };
    match is {
        Some(true) => Some(Protocol::Http1),
        Some(false) => Some(Protocol::Other),
        // So long a line, or so many empty ones: HTTP says in its own words that it is too long.
        None => (bytes.len() >= MAX_PEEK).then_some(Protocol::Http1),
    }
}

/// Whether it is a line that servers of HTTP answer, or refuse as bad HTTP: RFC 9112 section 3, and the spaces that it
/// lets them take for one. `EHLO host`, `NICK name`, `CONNECT {}` (NATS) and `SSH-2.0-x` begin with a token as well.
fn request_line(line: &[u8]) -> Option<bool> {
    let end = line.iter().position(|b| !is_token(*b))?;
    let (word, rest) = line.split_at(end);
    match rest {
        _ if word.is_empty() => return Some(false),
        [b'\r'] => return None,
        [b'\n', ..] | [b'\r', b'\n', ..] => return Some(false),
        [b, ..] if !is_space(*b) => return Some(false),
        _ if DECISIVE.contains(&word) => return Some(true),
        _ => {}
    }
    // Up to its end, or to a byte that stands in no line of text.
    let stop = rest.iter().position(|b| *b == b'\n' || b.is_ascii_control() && !is_space(*b));
    let mut words = rest[..stop.unwrap_or(rest.len())].split(|b| is_space(*b)).filter(|word| !word.is_empty());
    let is_method = METHODS.iter().any(|method| method.as_bytes() == word);
    let is_path = |word: &[u8]| matches!(word, [b'/' | b'*', ..]) || word.windows(3).any(|part| part == b"://");
    let is_version = |word: &[u8]| {
        VERSIONS.iter().any(|name| word.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)))
    };
    let is = words.clone().next().is_some_and(|target| is_method && is_path(target)) || words.any(is_version);
    if is { Some(true) } else { stop.map(|_| false) }
}

/// Lenient servers take each of these for a space (RFC 9112 section 3).
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t'..=b'\r')
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
        check(b"ANYTHING x HTTP/", Some(Protocol::Http1));
        check(b"ANYTHING x HTTP", None);
        check(b"HEAD x", None);
        check(b"GE", None);
    }

    #[test]
    fn what_origins_answer_although_it_is_not_well_formed_is_http_too() {
        for line in [
            "\r\n\r\nGET /admin HTTP/1.1\r\n",
            "\n\nGET /admin HTTP/1.1\r\n",
            "\n \t\rGET /admin HTTP/1.1\r\n",
            "GET  /admin HTTP/1.1\r\n",
            "GET /admin  HTTP/1.1\r\n",
            "GET\t/admin\tHTTP/1.1\r\n",
            "GET\r/admin\rHTTP/1.1\r\n",
            "GET /admin\r\n",
            "GET admin\n",
            "POST /admin\r\n",
            "HEAD http://a.example/\r\n",
            "get /admin http/1.1\r\n",
            "ANY  /admin  HTTP/1.1 \r\n",
            "DESCRIBE /admin RTSP/1.0\r\n",
            "PRI * HTTP/2.0\r\n\r\nXX",
            "GET / HTTP/9.9\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "\r\n\r\n\0\r\nQUIT\n\x21\x11",
        ] {
            check(line.as_bytes(), Some(Protocol::Http1));
        }
        check(format!("{} /admin HTTP/1.1\r\n", "A".repeat(200)).as_bytes(), Some(Protocol::Http1));
    }

    #[test]
    fn the_preface_is_http2_and_nothing_less() {
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Protocol::Http2));
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", Some(Protocol::Http2));
        check(b"PRI * HTTP/2.0\r\n\r\n", None);
        check(b"PRI * HTTP/1.1\r\n", Some(Protocol::Http1));
    }

    #[test]
    fn tls_is_whatever_may_hold_a_client_hello() {
        check(&[0x16, 3, 1, 2, 0, 1], Some(Protocol::Tls));
        check(&[0x16, 3, 5, 2, 0, 1], Some(Protocol::Tls));
        check(&[0x16, 3, 1, 0, 1, 1, 0x16, 3, 1], Some(Protocol::Tls));
        check(&[0x16, 3, 1, 0, 0], Some(Protocol::Tls));
        check(&[0x15, 3, 1, 0, 2, 1, 90, 0x16], Some(Protocol::Tls));
        check(&[0x16, 2, 1, 2, 0, 1], Some(Protocol::Tls));
        check(&[0x80, 0x2e, 1, 3, 1], Some(Protocol::Tls));
        check(&[0x80, 0x2e, 1, 0, 2], Some(Protocol::Tls));
        check(&[0x16], None);
        check(&[0x16, 2, 0, 0, 5, 0], Some(Protocol::Other));
        check(&[0x16, 9], Some(Protocol::Other));
        check(&[0xff, 0xfb, 0x1f], Some(Protocol::Other));
    }

    #[test]
    fn what_begins_with_a_token_need_not_be_http() {
        for said in [
            &b"EHLO mail.example\r\n"[..],
            b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n",
            b"CONNECT {\"verbose\":false}\r\n",
            b"CONNECT\naccept-version:1.2\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"SET key value\r\n",
            b"COPY key other\r\n",
            b"get key\r\n",
            b"delete key\r\n",
            b"NICK GET\r\n",
            b"REGISTER sip:a.example SIP/2.0\r\n",
            b"ruok\n",
            b"0\x0c\x02\x01\x01`\x07",
            b" \0\0\x01",
            b"{\"id\":1}",
            b"\x05\x01\x00",
        ] {
            check(said, Some(Protocol::Other));
        }
    }

    #[test]
    fn what_never_ends_is_left_to_http() {
        for begin in [&b"ANY "[..], b"", b"\r\n"] {
            let fill = if begin == b"\r\n" { b'\n' } else { b'a' };
            let line = [begin, &[fill; MAX_PEEK]].concat();
            assert_eq!(detect(&line[..MAX_PEEK - 1]), None);
            assert_eq!(detect(&line[..MAX_PEEK]), Some(Protocol::Http1));
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_changes_its_mind(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let answers: Vec<_> = (0..=bytes.len()).filter_map(|n| detect(&bytes[..n])).collect();
            prop_assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        }

        #[test]
        fn nor_with_what_looks_like_http(
            bytes in "[\r\n \t]{0,2}(PRI|GET|HEAD|CONNECT|[A-Z]{1,4})?[ \t\r]{0,2}[*/a:{\\x01]{0,4}[ \r]{0,2}(HTTP|RTSP|X)/[12][.][01]\r?\n?[ -~]{0,9}",
        ) {
            let answers: Vec<_> = (0..=bytes.len()).filter_map(|n| detect(&bytes.as_bytes()[..n])).collect();
            prop_assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        }
    }
}
