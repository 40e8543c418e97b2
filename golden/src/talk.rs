//! Messages of WebSockets as cases write them: `> text hello` is the client's, `< binary \xff` the upstream's.

use crate::{
    ParseError,
    parse::{Line, Section, fault, unescaped},
};

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// `>`
    Client,
    /// `<`
    Upstream,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// `text`
    Text(String),
    /// `binary`
    Binary(Vec<u8>),
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// By whom.
    pub by: Speaker,
    /// What.
    pub words: Words,
}

/// What arrives at the other side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// In the order in which it was said.
    pub said: Vec<Said>,
    /// A filter ends the conversation so: `close CODE REASON`.
    pub close: Option<(u16, String)>,
}

pub(crate) fn messages(section: &Section<'_>) -> Result<Vec<Said>, ParseError> {
    section.lines.iter().copied().filter(|(_, line)| !line.is_empty()).map(said).collect()
}

pub(crate) fn heard(section: &Section<'_>) -> Result<Heard, ParseError> {
    let mut heard = Heard::default();
    for (number, line) in section.lines.iter().copied().filter(|(_, line)| !line.is_empty()) {
        if heard.close.is_some() {
            return fault(number, "nothing is heard behind a close");
        }
        match line.strip_prefix("close ") {
            Some(close) => heard.close = Some(closed((number, close))?),
            None => heard.said.push(said((number, line))?),
        }
    }
    Ok(heard)
}

fn closed((number, text): Line<'_>) -> Result<(u16, String), ParseError> {
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    match code.parse() {
        Ok(code) => Ok((code, reason.to_owned())),
        Err(_) => fault(number, "a close is written `close CODE REASON`"),
    }
}

fn said((number, line): Line<'_>) -> Result<Said, ParseError> {
    let mut words = line.splitn(3, ' ');
    let by = match words.next() {
        Some(">") => Speaker::Client,
        Some("<") => Speaker::Upstream,
        _ => return fault(number, "a message is written `> text …` by the client and `< text …` by the upstream"),
    };
    let kind = words.next();
    let bytes = unescaped((number, words.next().unwrap_or_default()))?;
    let words = match kind {
        Some("text") => match String::from_utf8(bytes) {
            Ok(text) => Words::Text(text),
            Err(_) => return fault(number, "a text is UTF-8; other bytes are `binary`"),
        },
        Some("binary") => Words::Binary(bytes),
        _ => return fault(number, "a message is `text` or `binary`"),
    };
    Ok(Said { by, words })
}

impl Heard {
    /// As a case writes it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let said = self.said.iter().map(|Said { by, words }| {
            let arrow = if *by == Speaker::Client { '>' } else { '<' };
            match words {
                Words::Text(text) => format!("{arrow} text {}", shown(text)),
                Words::Binary(bytes) => format!("{arrow} binary {}", bytes.escape_ascii()),
            }
        });
        let close = self.close.iter().map(|(code, reason)| format!("close {code} {reason}").trim_end().to_owned());
        said.chain(close).collect()
    }
}

/// One line, as it may be written.
fn shown(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            control if control.is_ascii_control() => line.push_str(&format!("\\x{:02x}", u32::from(control))),
            other => line.push(other),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use crate::{Case, Heard, Outcome, Said, Speaker, Verdict, Words};

    const CASE: &str = "### request\nGET http://a/\n### upstream\n101\n### messages\n> text hé\\n\n< binary \\xff |\n> text\n\
                        ### expect\npass\n";

    fn error(text: &str) -> String {
        Case::parse(text).unwrap_err().to_string()
    }

    fn outcome(case: &Case, heard: Option<Heard>) -> Outcome {
        let crate::Upstream::Response(response) = case.upstream.clone() else { panic!("it answers") };
        let (forwarded, received) = (case.request.clone(), Some(response));
        Outcome { verdict: Verdict::Pass, forwarded, received, heard, ..Outcome::invalid(Vec::new()) }
    }

    #[test]
    fn messages_are_said_in_turn_and_expected_unchanged() {
        let case = Case::parse(CASE).unwrap();
        let text = |text: &str| Said { by: Speaker::Client, words: Words::Text(text.to_owned()) };
        let bytes = Said { by: Speaker::Upstream, words: Words::Binary(b"\xff |".to_vec()) };
        assert_eq!(case.messages, [text("hé\n"), bytes, text("")]);
        let mut heard = Heard { said: case.messages.clone(), close: None };
        case.check(&outcome(&case, Some(heard.clone()))).unwrap();
        heard.said.truncate(1);
        heard.close = Some((4001, String::new()));
        let text = case.check(&outcome(&case, Some(heard))).unwrap_err().to_string();
        assert_eq!(text, "messages as heard:\n    > text hé\\n\n  - < binary \\xff |\n  - > text \n  + close 4001\n");
        assert!(case.check(&outcome(&case, None)).is_err(), "the conversation has to begin");
    }

    #[test]
    fn what_is_heard_is_written_as_what_is_said() {
        let case = Case::parse(&format!("{CASE}### heard\n< text card=?\nclose 1008 no cards\n")).unwrap();
        let said = vec![Said { by: Speaker::Upstream, words: Words::Text("card=?".to_owned()) }];
        let heard = Heard { said, close: Some((1008, "no cards".to_owned())) };
        case.check(&outcome(&case, Some(heard))).unwrap();
    }

    #[test]
    fn faults_name_their_line() {
        let messages = |lines: &str| {
            error(&format!("### request\nGET http://a\n### upstream\n101\n### messages\n{lines}\n### expect\npass\n"))
        };
        assert!(messages("hello").starts_with("line 6: a message is written"));
        assert_eq!(messages("> hello"), "line 6: a message is `text` or `binary`");
        assert_eq!(messages("> text \\xff"), "line 6: a text is UTF-8; other bytes are `binary`");
        assert!(messages("> text \\q").starts_with("line 6: the escapes are"));
        let heard = |lines: &str| error(&format!("{CASE}### heard\n{lines}\n"));
        assert_eq!(heard("close x"), "line 12: a close is written `close CODE REASON`");
        assert_eq!(heard("close 1000\n> text a"), "line 13: nothing is heard behind a close");
        let no_socket = error("### request\nGET http://a\n### messages\n> text a\n### expect\npass\n");
        assert!(no_socket.starts_with("line 3: "), "{no_socket}");
    }
}
