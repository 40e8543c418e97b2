//! Messages -> lines, as a case would write them: what a reader compares.

use crate::{Fields, Message, Start};

/// Fields are sorted by name, values of one name stay in order; what frames the message on its connection is left out,
/// since the agent decides it.
pub(crate) fn message<S: Start>(message: &Message<S>) -> Vec<String> {
    let mut lines = vec![message.start.to_string()];
    fields(&message.fields, &mut lines);
    let body = message.joined();
    if !body.is_empty() {
        lines.push(String::new());
        text(&body, &mut lines);
    }
    if let Some(trailers) = &message.trailers {
        lines.push(String::new());
        lines.push("trailers".to_owned());
        fields(trailers, &mut lines);
    }
    lines
}

fn fields(fields: &Fields, lines: &mut Vec<String>) {
    let framing = |name: &str| ["content-length", "transfer-encoding", "connection", "trailer"].contains(&name);
    let mut sorted: Vec<_> = fields.iter().filter(|(name, _)| !framing(name)).collect();
    sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
    lines.extend(sorted.into_iter().map(|(name, value)| format!("{name}: {value}")));
}

fn text(body: &[u8], lines: &mut Vec<String>) {
    let printable = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n') && !text.ends_with('\n');
    match std::str::from_utf8(body) {
        Ok(text) if printable(text) => lines.extend(text.split('\n').map(str::to_owned)),
        _ => lines.extend(body.split_inclusive(|byte| *byte == b'\n').map(|line| format!("| {}", line.escape_ascii()))),
    }
}
