//! Two exchanges beside each other, as people read it.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::{id, parsed};
use crate::cli::{
    client::Client,
    failure::Failure,
    output::{self, Format},
    paint::Paint,
    person, units,
};

#[derive(Deserialize)]
struct Diff {
    a: String,
    b: String,
    same: bool,
    request: Message,
    response: Message,
}

#[derive(Deserialize)]
struct Message {
    same: bool,
    line: Vec<Change>,
    headers: Vec<Field>,
    trailers: Vec<Field>,
    body: Body,
}

#[derive(Deserialize)]
struct Change {
    name: String,
    a: Option<String>,
    b: Option<String>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    a: Vec<String>,
    b: Vec<String>,
}

#[derive(Deserialize)]
struct Body {
    kind: String,
    a: Fact,
    b: Fact,
    lines: Vec<Line>,
    cut: bool,
}

#[derive(Deserialize)]
struct Fact {
    size: u64,
    captured: u64,
    digest: String,
    #[serde(default)]
    whole_digest: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    op: String,
    text: String,
}

pub(super) async fn diff(client: &Client, ids: [&str; 2], reveal: bool, format: Format) -> Result<(), Failure> {
    let (a, b) = (id::whole(client, ids[0]).await?, id::whole(client, ids[1]).await?);
    let asked: &[(&str, &str)] = if reveal { &[("reveal", "true")] } else { &[] };
    let answer: Value = client.get(&["exchanges", &a, "diff", &b], asked).await?;
    if format == Format::Json {
        return Ok(output::json(&answer)?);
    }
    Ok(output::say(text(&parsed(answer)?, Paint::stdout()))?)
}

fn text(diff: &Diff, paint: Paint) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", paint.red(&format!("- a {}", person::line(&diff.a))));
    let _ = writeln!(text, "{}", paint.green(&format!("+ b {}", person::line(&diff.b))));
    if diff.same {
        text.push_str("requests and responses are the same");
        return text;
    }
    for (what, message) in [("request", &diff.request), ("response", &diff.response)] {
        if message.same {
            let _ = writeln!(text, "\n{what}: the same");
        } else {
            let _ = writeln!(text, "\n{}", paint.bold(what));
            of_message(&mut text, message, paint);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn of_message(text: &mut String, message: &Message, paint: Paint) {
    let mut line = |op: &str, shown: &str| {
        let shown = format!("{op} {}", person::line(shown));
        let shown = match op {
            "-" => paint.red(&shown),
            "+" => paint.green(&shown),
            _ => paint.dim(&shown),
        };
        let _ = writeln!(text, "{}", shown.trim_end());
    };
    for Change { name, a, b } in &message.line {
        a.iter().for_each(|value| line("-", &format!("{name} {value}")));
        b.iter().for_each(|value| line("+", &format!("{name} {value}")));
    }
    for Field { name, a, b } in message.headers.iter().chain(&message.trailers) {
        a.iter().for_each(|value| line("-", &format!("{name}: {value}")));
        b.iter().for_each(|value| line("+", &format!("{name}: {value}")));
    }
    let body = &message.body;
    let is_whole_same = body.a.whole_digest == body.b.whole_digest;
    if body.kind == "equal" && body.a.size == body.b.size && is_whole_same {
        return;
    }
    line("", "");
    if body.lines.is_empty() {
        line("-", &fact(&body.a));
        line("+", &fact(&body.b));
    }
    body.lines.iter().for_each(|Line { op, text }| line(op, text));
    if body.cut {
        line("…", "there is more");
    }
}

fn fact(Fact { size, captured, digest, whole_digest }: &Fact) -> String {
    let digest = whole_digest.as_ref().unwrap_or(digest);
    let captured = if captured < size { format!(", {} captured", units::size(*captured)) } else { String::new() };
    format!("body of {}{captured}, {digest}", units::size(*size))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_and_nothing_commands_the_terminal() {
        let body = json!({"size": 3, "captured": 2, "digest": "sha256:00"});
        let same = json!({"same": true, "line": [], "headers": [], "trailers": [],
            "body": {"kind": "equal", "a": body, "b": body, "lines": [], "cut": false}});
        let mut response = same.clone();
        response["same"] = json!(false);
        response["line"] = json!([{"name": "status", "a": "200", "b": null}]);
        response["headers"] = json!([{"name": "x", "a": [], "b": ["1\u{1b}"]}]);
        response["body"]["kind"] = json!("text");
        response["body"]["lines"] =
            json!([{"op": "…", "text": ""}, {"op": " ", "text": "k"}, {"op": "-", "text": "a"}]);
        let diff = json!({"a": "1", "b": "2", "same": false, "request": same, "response": response});
        let diff: Diff = serde_json::from_value(diff).unwrap();
        let expect = "- a 1\n+ b 2\n\nrequest: the same\n\nresponse\n- status 200\n+ x: 1\\u{1b}\n\n…\n  k\n- a";
        assert_eq!(text(&diff, Paint::of(false)), expect);
        assert!(text(&diff, Paint::of(true)).contains("\u{1b}[31m- a\u{1b}[0m"));
    }
}
