//! Words of a POSIX shell that stand for given bytes, and that do nothing to the terminal which they are shown on.

/// A word for these bytes; a shell cannot hold NUL, which is left out, and drops newlines at the end of what is not plain.
pub(crate) fn quote(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(text) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => printf(bytes),
    }
}

/// Nothing that a terminal or a paste takes for a command, and nothing that reads as what it is not.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| {
        let hidden =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        hidden || (c.is_control() && !matches!(c, '\n' | '\t'))
    })
}

fn printf(bytes: &[u8]) -> String {
    let mut word = String::from("\"$(printf '");
    for (place, byte) in bytes.iter().filter(|byte| **byte != 0).enumerate() {
        match byte {
            // It would be taken for an option.
            b'-' if place == 0 => word.push_str("\\055"),
            b'\'' => word.push_str("'\\''"),
            b'%' => word.push_str("%%"),
            b'\\' => word.push_str("\\\\"),
            // A shell that is typed into looks for this within double quotes.
            b'!' => word.push_str("\\041"),
            b' '..=b'~' => word.push(char::from(*byte)),
            _ => word.push_str(&format!("\\{byte:03o}")),
        }
    }
    word.push_str("')\"");
    word
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn as_the_shell_reads(words: &[String]) -> Vec<u8> {
        // A dot before each, so that an empty one can be told from none.
        let script = format!("printf '.%s' {}", words.join(" "));
        let output = Command::new("/bin/sh").arg("-c").arg(script).env("LC_ALL", "C").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    fn check(words: &[&[u8]]) {
        let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
        assert!(quoted.iter().all(|word| is_plain(word)), "{quoted:?}");
        let expect: Vec<u8> = words.iter().flat_map(|word| [b".", *word].concat()).collect();
        assert_eq!(as_the_shell_reads(&quoted), expect, "{quoted:?}");
    }

    #[test]
    fn what_shells_make_much_of() {
        check(&[
            b"",
            b"'",
            b"''a'",
            b"$(id) `id` \"$HOME\" \\ ! * ? [a] {a,b} ~ # & ; | > <",
            b"a\nb\n",
            b"-n",
            b"\xff'%s\\n\\",
        ]);
        check(&["ä\u{202e}\u{1b}[2J".as_bytes(), b"\x1b", b"a\r\nb", b"\t%d\x7f", b"-\x01\x01", b"--\x01"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_bytes_come_back(words in prop::collection::vec(prop::collection::vec(1_u8.., 0..60), 1..8)) {
            // The shell drops these at the end of what had to be written as commands.
            let words: Vec<&[u8]> = words.iter().map(|word| word.trim_ascii_end()).collect();
            check(&words);
        }

        #[test]
        fn any_text_comes_back(text in "[^\0]{0,60}") {
            check(&[text.trim_end().as_bytes()]);
        }
    }
}
