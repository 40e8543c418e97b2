//! The address of a request as a URI (RFC 3986), which not everything that is sent as one is.

use weir_proto::v1::Request;

use crate::read::split;

/// The address, and whether it reads back as what was recorded.
pub(super) fn url(request: &Request) -> (String, bool) {
    let Request { scheme, authority, path, .. } = request;
    let scheme = if is_scheme(scheme) { scheme } else { "http" };
    let authority = if authority.is_empty() { "unknown.invalid" } else { authority };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let url = format!("{scheme}://{}{slash}{}", escaped(authority, is_authority), escaped(path, is_path));
    let reads_back = split(&url).is_ok_and(|found| {
        found.scheme == request.scheme && found.authority == request.authority && found.path == request.path
    });
    (url, reads_back)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn escaped(text: &str, fits: fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_escape = byte == b'%'
            && text.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        if is_escape || (byte != b'%' && fits(byte)) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn is_authority(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']')
}

fn is_path(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'/' | b'?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parts: [&str; 3], expect: &str, reads_back: bool) {
        let [scheme, authority, path] = parts.map(str::to_owned);
        let request = Request { scheme, authority, path, ..Request::default() };
        assert_eq!(url(&request), (expect.to_owned(), reads_back));
    }

    #[test]
    fn what_is_no_uri_is_made_one_and_told() {
        check(["https", "A.example:8443", "/a%20b?c=d&e=%"], "https://A.example:8443/a%20b?c=d&e=%25", false);
        check(["https", "[2001:db8::1]:443", "/a?b=c&d=%20"], "https://[2001:db8::1]:443/a?b=c&d=%20", true);
        check(["http", "a", "*"], "http://a/*", false);
        check(["", "a:443", ""], "http://a:443/", false);
        check(["http", "", "/x"], "http://unknown.invalid/x", false);
        check(["http", "a", "/|\"é#x"], "http://a/%7C%22%C3%A9%23x", false);
    }
}
