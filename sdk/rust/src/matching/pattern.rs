//! Text with `*` in it.

/// Does the pattern, in which `*` stands for any run of bytes, match the whole text? Linear for one star, never worse
/// than pattern times text.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how far it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, reach)) = star {
            star = Some((at, reach + 1));
            (p, t) = (at + 1, reach + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #[test]
    fn stars() {
        let check = |pattern: &str, text: &str| super::matches(pattern.as_bytes(), text.as_bytes());
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "/a"),
            ("/a*", "/a"),
            ("/a*", "/a/b"),
            ("*/b", "/a/b"),
            ("/*/c*", "/a/b/c/d"),
            ("a*b*c", "abbbcc"),
        ] {
            assert!(check(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("/a", "/ab"), ("/a", "/"), ("*/b", "/a/bc"), ("a*b*c", "acb")] {
            assert!(!check(pattern, text), "{pattern} {text}");
        }
    }
}
