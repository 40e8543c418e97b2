//! Entity tags (RFC 9110 sections 8.8.3 and 13.1.2).

use sha2::{Digest as _, Sha256};

/// A strong tag: the same for the same bytes.
pub(crate) fn of(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Is the tag among those of If-None-Match? Compared weakly, as that field asks.
pub(crate) fn is_listed(own: &str, lines: &[String]) -> bool {
    lines.iter().any(|line| line.trim() == "*" || tags(line).any(|tag| tag == opaque(own)))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The opaque parts, with their quotes. A tag may have commas in it, so the quotes decide.
fn tags(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let begin = rest.find('"')?;
        let end = begin + 1 + rest.get(begin + 1..)?.find('"')?;
        let tag = rest.get(begin..=end)?;
        rest = rest.get(end + 1..)?;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags() {
        let listed = |line: &str| is_listed("\"a,b\"", &[line.to_owned()]);
        assert!(listed("*") && listed("\"a,b\"") && listed("W/\"x\", W/\"a,b\"") && listed("\"\",\"a,b\""));
        assert!(!listed("") && !listed("a,b") && !listed("\"a\", \"b\"") && !listed("\"a,b") && !listed("\"\u{e9}"));
        assert!(is_listed("W/\"a\"", &["\"a\"".to_owned()]));
    }
}
