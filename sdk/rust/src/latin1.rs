//! Header values, paths and methods are strings of one character per byte, U+0000 to U+00FF (latin-1), as in the Fetch
//! standard. For values of ASCII, which nearly all are, there is nothing to do.

/// Bytes -> the string that stands for them.
pub fn from_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes that a string stands for; none when a character is above U+00FF.
pub fn to_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

/// A value that holds UTF-8, as text; none when its bytes are not UTF-8.
pub fn to_utf8(text: &str) -> Option<String> {
    String::from_utf8(to_bytes(text)?).ok()
}

/// Text -> the string whose bytes are its UTF-8.
pub fn from_utf8(text: &str) -> String {
    from_bytes(text.as_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_character_per_byte_both_ways() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(super::to_bytes(&super::from_bytes(&all)).unwrap(), all);
        assert_eq!(super::to_utf8(&super::from_utf8("π ≈ 3")).as_deref(), Some("π ≈ 3"));
        assert_eq!(super::to_bytes("π"), None);
    }
}
