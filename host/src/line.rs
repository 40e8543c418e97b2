//! Text that guests wrote, fit for logs and records: one line, of bounded length.

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
};

/// Why something failed, as it is logged, recorded and reported: with a note of what was cut still within 4 KiB.
const REASON_BYTES: usize = 3 << 10;

/// One line, whatever the guest wrote: control characters are escaped, the rest of an overlong one is counted.
pub(crate) fn line(text: &str, limit: usize) -> Cow<'_, str> {
    let end = text.floor_char_boundary(limit);
    let (kept, cut) = (&text[..end], text.len() - end);
    if cut == 0 && !kept.contains(char::is_control) {
        return Cow::Borrowed(kept);
    }
    let mut line = String::with_capacity(kept.len() + 32);
    for c in kept.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    if cut != 0 {
        write!(line, "… ({cut} bytes more)").expect("writing to a string cannot fail");
    }
    Cow::Owned(line)
}

/// A reason that may hold what a guest wrote. Uncut, one filter could fill the record of every exchange it fails.
pub(crate) fn reason(of: &impl Display) -> String {
    line(&of.to_string(), REASON_BYTES).into_owned()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(line("plain é", 100), "plain é");
        assert_eq!(line("a\nINFO forged\u{1b}[2J\u{9b}", 100), "a\\nINFO forged\\u{1b}[2J\\u{9b}");
        assert_eq!(line("abécd", 3), "ab… (4 bytes more)");
    }
}
