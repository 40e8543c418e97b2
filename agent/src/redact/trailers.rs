//! Trailers as a body of gRPC-Web has them: lines like those of a head (PROTOCOL-WEB of gRPC). Pure.

use http::HeaderName;

use super::mask::{Masking, Text};

/// With a marker for each value of these fields; none where there is none. A line that begins with a blank goes on with the one before.
pub(super) fn redact(text: &[u8], names: &[HeaderName], masking: &mut Masking<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut is_named, mut found) = (false, false);
    for line in text.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
        let content = line.trim_ascii();
        let value = match line.first() {
            _ if content.is_empty() => None,
            Some(b' ' | b'\t') => Some(content),
            _ => {
                let (name, value) = match content.iter().position(|byte| *byte == b':') {
                    Some(colon) => (&content[..colon], Some(content[colon + 1..].trim_ascii_start())),
                    None => (content, None),
                };
                is_named = HeaderName::from_bytes(name.trim_ascii_end()).is_ok_and(|name| names.contains(&name));
                value
            }
        };
        match value {
            Some(value) if is_named && !value.is_empty() => {
                let begins = value.as_ptr() as usize - line.as_ptr() as usize;
                out.extend_from_slice(&line[..begins]);
                out.extend_from_slice(&masking.of(value, Text::Words));
                out.extend_from_slice(&line[begins + value.len()..]);
                found = true;
            }
            _ => out.extend_from_slice(line),
        }
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_fields_that_are_named_give_way() {
        let names = [HeaderName::from_static("x-token"), HeaderName::from_static("cookie")];
        for (text, expect) in [
            ("grpc-status: 0\r\nX-Token: s\r\n", Some("grpc-status: 0\r\nX-Token: [redacted]\r\n")),
            ("x-token:s\ncookie :  a=b ", Some("x-token:[redacted]\ncookie :  [redacted] ")),
            ("x-token: s\r\n\tmore\r\na: b\r\n c", Some("x-token: [redacted]\r\n\t[redacted]\r\na: b\r\n c")),
            ("x-token:\r\n s", Some("x-token:\r\n [redacted]")),
            ("x-token: \r\nother: s", None),
            ("x-token", None),
            (" x-token: s", None),
            ("", None),
        ] {
            let shown = redact(text.as_bytes(), &names, &mut Masking::Alike);
            assert_eq!(shown.map(|text| String::from_utf8(text).unwrap()).as_deref(), expect, "{text:?}");
        }
    }
}
