//! Text for people: what came from the network must not reach their terminal as commands to it.

/// One line: control characters are shown, not sent.
pub(crate) fn line(text: &str) -> String {
    escaped(text, |_| false)
}

/// As [`line`], line ends kept.
pub(crate) fn lines(text: &str) -> String {
    escaped(text, |c| c == '\n')
}

/// As [`line`], line ends and tabs kept: bodies.
pub(crate) fn body(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, keep: fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // Those that turn the direction of text make it read as what it is not.
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() || turns) && !keep(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// `-` for what is not there.
pub(crate) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { line(text) }
}

/// The last eight digits of an id: enough to tell one from another, and `traffic show` takes them.
pub(crate) fn short_id(id: &str) -> &str {
    id.char_indices().rev().nth(7).and_then(|(at, _)| id.get(at..)).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(line("a\x1b[2J\r\nb"), "a\\u{1b}[2J\\r\\nb");
        assert_eq!(body("a\n\tb\x07\u{9b}c"), "a\n\tb\\u{7}\\u{9b}c");
        assert_eq!(line("żółć \u{202e}gpj"), "żółć \\u{202e}gpj");
    }
}
