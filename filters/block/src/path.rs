//! Paths, in the form in which an upstream will understand them.

use std::borrow::Cow;

/// Path and query as received -> the path as it is compared: without query, percent-encoding undone (also where it was
/// done twice), `\` as `/`, no empty and no dot segments (RFC 3986 section 5.2.4).
pub(crate) fn normal(path: &str) -> Cow<'_, [u8]> {
    let path = path.split(['?', '#']).next().unwrap_or(path).as_bytes();
    let is_plain =
        !path.windows(2).any(|pair| matches!(pair, b"//" | b"/.")) && !path.iter().any(|byte| b"%\\".contains(byte));
    if is_plain { path.into() } else { resolve(&decode(path)).into() }
}

/// The path without the `;parameters` of its segments, which some servers drop before they compare; none without any.
pub(crate) fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    if !path.contains(&b';') {
        return None;
    }
    let segments =
        path.split(|byte| *byte == b'/').map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or(segment));
    Some(resolve(&segments.collect::<Vec<_>>().join(&b'/')))
}

/// Undoes percent-encoding until none is left, in one pass however often it was done: a client chooses how often, and
/// pays for none of it. What is decoded may be the last digit of another escape, so the end of `out` is looked at again.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        out.push(*byte);
        while let [.., b'%', high, low] = out[..]
            && let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16))
        {
            out.truncate(out.len() - 3);
            out.push((high << 4 | low) as u8);
        }
    }
    out
}

fn resolve(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_folder = false;
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        is_folder = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut out = vec![b'/'];
    out.extend(segments.join(&b'/'));
    if is_folder && !segments.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_every_spelling() {
        for (text, expected) in [
            ("/admin/x?y=/../z", "/admin/x"),
            ("/%61dmin", "/admin"),
            ("/%2561dmin", "/admin"),
            ("//admin", "/admin"),
            ("/a/../admin/", "/admin/"),
            ("/a/%2e%2E/admin", "/admin"),
            ("/a/..%2fadmin", "/admin"),
            ("/./admin/.", "/admin/"),
            ("/../../admin", "/admin"),
            ("/\\admin", "/admin"),
            ("/a%5c..%5cadmin", "/admin"),
            ("/100%", "/100%"),
            ("/%zz", "/%zz"),
            ("/%%361dmin", "/admin"),
            ("/%2%3561dmin", "/admin"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b", "/a..b"),
            ("/", "/"),
            ("//", "/"),
            ("*", "*"),
        ] {
            assert_eq!(normal(text), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn encoding_done_thousands_of_times_costs_no_more_than_its_length() {
        let text = format!("/%{}61dmin", "25".repeat(500_000));
        assert_eq!(normal(&text), b"/admin".as_slice());
    }

    #[test]
    fn parameters_hide_nothing() {
        assert_eq!(without_parameters(b"/;x/admin;y=1/z").unwrap(), b"/admin/z");
        assert_eq!(without_parameters(b"/a/..;/admin").unwrap(), b"/admin");
        assert_eq!(without_parameters(b"/admin"), None);
    }
}
