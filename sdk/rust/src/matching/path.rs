//! Paths, in every form in which an upstream may understand them. Servers disagree on how often percent-encoding is
//! undone, on whether dot segments are resolved before or after that, on `\\` and on `;parameters`: each reading is held
//! against the patterns, and one that matches is enough.

use super::pattern;

/// A pattern of whole paths, in which `*` stands for any text, `/` included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(Vec<u8>);

impl PathPattern {
    /// Reads a pattern: `/admin*`, `*.php`. Percent-encoding in it is undone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with(['/', '*']) {
            return Err(format!("`{text}` is no path: it begins with `/` or `*`"));
        }
        if text.contains(['?', '#']) {
            return Err(format!("`{text}` has a query: paths are compared without"));
        }
        Ok(Self(decode(text.as_bytes())))
    }

    /// Is this reading of a path ([`readings`]) one of them?
    pub fn matches(&self, reading: &[u8]) -> bool {
        pattern::matches(&self.0, reading)
    }
}

/// Path and query as received -> the readings of its path, without query, none twice.
pub fn readings(received: &str) -> Vec<Vec<u8>> {
    let raw = received.split(['?', '#']).next().unwrap_or(received).as_bytes();
    let mut readings = vec![raw.to_vec()];
    if is_plain(raw) {
        return readings;
    }
    let mut add = |reading: Vec<u8>| {
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    };
    for decoded in [raw.to_vec(), decode_once(raw), decode(raw)] {
        add(decoded.clone());
        for separators in [b"/".as_slice(), b"/\\"] {
            add(resolve(&decoded, separators));
            add(resolve(&without_parameters(&decoded, separators), separators));
        }
    }
    readings
}

/// There is one reading only.
fn is_plain(path: &[u8]) -> bool {
    !path.windows(2).any(|pair| matches!(pair, b"//" | b"/.")) && !path.iter().any(|byte| b"%\\;".contains(byte))
}

/// The path without the `;parameters` of its segments, which some servers drop before they compare.
fn without_parameters(path: &[u8], separators: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut is_parameter = false;
    for byte in path {
        is_parameter = *byte == b';' || is_parameter && !separators.contains(byte);
        if !is_parameter {
            out.push(*byte);
        }
    }
    out
}

/// Undoes percent-encoding once, as RFC 3986 section 2.4 has it.
fn decode_once(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        if let [b'%', high, low, behind @ ..] = rest
            && let Some(byte) = escaped(*high, *low)
        {
            out.push(byte);
            rest = behind;
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    out
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (char::from(high).to_digit(16)?, char::from(low).to_digit(16)?);
    u8::try_from(high << 4 | low).ok()
}

/// Undoes percent-encoding until none is left, in one pass however often it was done: a client chooses how often, and
/// pays for none of it. What is decoded may be the last digit of another escape, so the end of `out` is looked at again.
pub fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        out.push(*byte);
        while let [.., b'%', high, low] = out[..]
            && let Some(byte) = escaped(high, low)
        {
            out.truncate(out.len() - 3);
            out.push(byte);
        }
    }
    out
}

/// Without empty and dot segments (RFC 3986 section 5.2.4).
fn resolve(path: &[u8], separators: &[u8]) -> Vec<u8> {
    if path == b"*" {
        return path.to_vec();
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_folder = false;
    for segment in path.split(|byte| separators.contains(byte)) {
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

    fn reads(text: &str, as_: &str) -> bool {
        readings(text).iter().any(|reading| reading == as_.as_bytes())
    }

    #[test]
    fn every_reading_of_a_spelling_is_among_them() {
        for (text, reading) in [
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
            ("/;x/admin;y=1/z", "/admin/z"),
            ("/a/..;/admin", "/admin"),
        ] {
            assert!(reads(text, reading), "{text} -> {reading}");
        }
    }

    #[test]
    fn normalising_more_than_the_upstream_does_hides_nothing() {
        for (text, reading) in [
            // undone once: an ordinary segment of its own
            ("/admin/%252e%252e/x", "/admin/%2e%2e/x"),
            // `\\` is an ordinary character to most
            ("/admin/..\\x", "/admin/..\\x"),
            ("/admin/%5c../x", "/admin/\\../x"),
            // a router that resolves nothing
            ("/admin/../x", "/admin/../x"),
        ] {
            assert!(reads(text, reading), "{text} -> {reading}");
        }
    }

    #[test]
    fn encoding_done_thousands_of_times_costs_no_more_than_its_length() {
        let text = format!("/%{}61dmin", "25".repeat(500_000));
        assert!(reads(&text, "/admin"));
    }

    #[test]
    fn an_ordinary_path_has_one_reading() {
        assert_eq!(readings("/a/b.c?d=%20"), [b"/a/b.c".to_vec()]);
    }
}
