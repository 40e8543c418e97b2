//! Messages of an exchange, as people read them: a line each.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::parsed;
use crate::cli::{client::Client, failure::Failure, paint::Paint, person, units};

/// How many are shown.
const SHOWN: usize = 500;
/// What is shown of one, in characters.
const LONGEST: usize = 2000;

/// One as REST answers it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Message {
    at: String,
    from: String,
    kind: String,
    code: Option<u32>,
    size: u64,
    captured: u64,
    text: Option<String>,
    compressed: bool,
    fate: String,
    sent: Option<Sent>,
    note: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Sent {
    size: u64,
    text: Option<String>,
}

/// Text of all there are, up to a bound; empty where there are none.
pub(super) async fn shown(client: &Client, id: &str, paint: Paint) -> Result<String, Failure> {
    let items = match client.list(&["exchanges", id, "messages"], &[], SHOWN + 1).await {
        Ok(items) => items,
        Err(Failure::Problem { status: 404, .. }) => return Ok(String::new()),
        Err(failure) => return Err(failure),
    };
    let is_more = items.len() > SHOWN;
    let mut text = String::new();
    for item in items.into_iter().take(SHOWN) {
        line(&mut text, &parsed::<Message>(item)?, paint);
    }
    if is_more {
        let _ = writeln!(text, "(the first {SHOWN}; GET /api/v1/exchanges/{id}/messages has all)");
    }
    Ok(text)
}

/// For programs: all of them, up to the same bound.
pub(super) async fn json(client: &Client, id: &str) -> Result<Vec<Value>, Failure> {
    client.list(&["exchanges", id, "messages"], &[], SHOWN).await
}

fn line(out: &mut String, message: &Message, paint: Paint) {
    let arrow = if message.from == "client" { ">" } else { "<" };
    let time = message.at.get(11..23).unwrap_or("-");
    let head = format!("{arrow} {} {} {}", person::line(time), person::line(&message.kind), units::size(message.size));
    let head = if message.from == "client" { paint.cyan(&head) } else { paint.green(&head) };
    let _ = write!(out, "{head}");
    if let Some(code) = message.code {
        let _ = write!(out, " {code}");
    }
    content(out, message.text.as_deref(), message.size);
    if message.compressed {
        out.push_str(" (compressed)");
    }
    if message.captured < message.size && message.text.is_some() {
        let _ = write!(out, " ({} captured)", units::size(message.captured));
    }
    if let Some(note) = &message.note {
        let _ = write!(out, " ({})", person::line(note));
    }
    if !matches!(&*message.fate, "" | "passed") {
        let _ = write!(out, " ({} by a filter)", person::line(&message.fate));
    }
    out.push('\n');
    if let Some(sent) = &message.sent {
        let _ = write!(out, "  sent as {}", units::size(sent.size));
        content(out, sent.text.as_deref(), sent.size);
        out.push('\n');
    }
}

fn content(out: &mut String, text: Option<&str>, size: u64) {
    match text {
        Some("") => {}
        Some(text) => {
            let short: String = text.chars().take(LONGEST).collect();
            let cut = if short.len() < text.len() { "…" } else { "" };
            let _ = write!(out, "  {}{cut}", person::line(&short));
        }
        None if size > 0 => out.push_str("  (not text)"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_said_commands_the_terminal() {
        let message = Message {
            at: "2026-11-26T07:08:09.123456Z".to_owned(),
            from: "upstream".to_owned(),
            kind: "text".to_owned(),
            size: 6,
            captured: 6,
            text: Some("a\x1b[2J\n".to_owned()),
            fate: "replaced".to_owned(),
            sent: Some(Sent { size: 1, text: Some("b".to_owned()) }),
            ..Message::default()
        };
        let mut out = String::new();
        line(&mut out, &message, Paint::of(false));
        assert_eq!(out, "< 07:08:09.123 text 6 B  a\\u{1b}[2J\\n (replaced by a filter)\n  sent as 1 B  b\n");
    }
}
