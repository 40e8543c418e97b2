//! A paused message as text in the form of HTTP/1.1, for an editor, and what an edited text says of it. A body that is no text, or
//! not there as a whole, is not in the text and stays as it is.

use std::{fmt::Write as _, io::Write as _, process::Stdio};

use serde_json::{Value, json};

use super::text;

/// What is edited.
pub(super) struct Text {
    pub(super) text: String,
    /// What is missing in it.
    pub(super) note: Option<String>,
    kind: Kind,
    head: Head,
    /// the body that is in the text; none where it is not
    body: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Response,
    /// a response that a person makes
    Answer,
}

/// First line and fields.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    line: [String; 2],
    fields: Vec<(String, String)>,
}

impl Text {
    pub(super) fn of(paused: &Value, responds: bool) -> Self {
        let at_response = !paused["response"].is_null();
        let kind = match (responds, at_response) {
            (true, _) => Kind::Answer,
            (false, true) => Kind::Response,
            (false, false) => Kind::Request,
        };
        let head = match kind {
            Kind::Request => {
                let request = &paused["request"];
                Head { line: [text(request, "method"), text(request, "url")], fields: fields(request) }
            }
            Kind::Response => {
                let response = &paused["response"];
                let line = ["HTTP/1.1".to_owned(), response["status"].to_string()];
                Head { line, fields: fields(response) }
            }
            Kind::Answer => Head {
                line: ["HTTP/1.1".to_owned(), "200".to_owned()],
                fields: vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())],
            },
        };
        let (body, note) = match kind {
            Kind::Answer => (Some(String::new()), None),
            _ => body(paused),
        };
        let mut written = match kind {
            Kind::Request => format!("{} {} HTTP/1.1\n", head.line[0], head.line[1]),
            Kind::Response | Kind::Answer => format!("{} {}\n", head.line[0], head.line[1]),
        };
        for (name, value) in &head.fields {
            let _ = writeln!(written, "{name}: {value}");
        }
        written.push('\n');
        written.push_str(body.as_deref().unwrap_or_default());
        Self { text: written, note, kind, head, body }
    }

    /// What somebody makes of it in $VISUAL or $EDITOR.
    pub(super) async fn in_editor(&self) -> Result<String, String> {
        let editor =
            ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        let file = tempfile::Builder::new().prefix("weir-").suffix(".http").tempfile();
        let mut file = file.map_err(|error| format!("no file to edit can be made: {error}"))?;
        file.write_all(self.text.as_bytes()).map_err(|error| format!("the file to edit cannot be written: {error}"))?;
        // It may have arguments.
        let mut command = tokio::process::Command::new("sh");
        command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file.path()).stdin(Stdio::inherit());
        let status = command.status().await.map_err(|error| format!("{editor}: {error}"))?;
        if !status.success() {
            return Err(format!("{editor} ended with {status}"));
        }
        std::fs::read_to_string(file.path()).map_err(|error| format!("the edited file cannot be read: {error}"))
    }

    /// What the edited text decides.
    pub(super) fn decision(&self, edited: &str) -> Result<Value, String> {
        let (head, body) = parsed(edited, self.kind)?;
        let body = self.body_of(body);
        if self.kind == Kind::Answer {
            let body = body.unwrap_or_default();
            let status = status(&head)?;
            return Ok(
                json!({ "decision": "respond", "status": status, "headers": head.fields, "body": { "text": body } }),
            );
        }
        let mut decision = json!({ "decision": "modify" });
        if head.fields != self.head.fields {
            decision["headers"] = json!(head.fields);
        }
        match self.kind {
            Kind::Request => {
                if head.line[0] != self.head.line[0] {
                    decision["method"] = json!(head.line[0]);
                }
                if head.line[1] != self.head.line[1] {
                    decision["url"] = json!(head.line[1]);
                }
            }
            Kind::Response | Kind::Answer if head.line[1] != self.head.line[1] => {
                decision["status"] = json!(status(&head)?)
            }
            Kind::Response | Kind::Answer => {}
        }
        if let Some(body) = body {
            decision["body"] = json!({ "text": body });
        }
        let is_as_it_was = decision.as_object().is_some_and(|members| members.len() == 1);
        Ok(if is_as_it_was { json!({ "decision": "continue" }) } else { decision })
    }

    /// The edited body, if it is another. Editors end the last line of a file.
    fn body_of(&self, edited: &str) -> Option<String> {
        let before = self.body.as_deref()?;
        let edited = match edited.strip_suffix('\n') {
            Some(rest) if !before.ends_with('\n') => rest.strip_suffix('\r').unwrap_or(rest),
            _ => edited,
        };
        (edited != before).then(|| edited.to_owned())
    }
}

fn fields(message: &Value) -> Vec<(String, String)> {
    serde_json::from_value(message["headers"].clone()).unwrap_or_default()
}

/// The body as text, and why not.
fn body(paused: &Value) -> (Option<String>, Option<String>) {
    let held = paused["body_held"].as_u64().unwrap_or_default();
    if paused["body_withheld"] == json!(true) {
        let hidden = "the agent's rules of redaction hide the body: it goes on as it is";
        return (None, Some(hidden.to_owned()));
    }
    if paused["body_is_whole"] != json!(true) {
        return (None, Some(format!("{held} bytes of the body are held, which are not all: it goes on as it is")));
    }
    match paused["body"]["text"].as_str() {
        Some(text) if !text.contains('\r') || text.is_empty() => (Some(text.to_owned()), None),
        Some(_) => (None, Some("the body has carriage returns, which editors change: it goes on as it is".to_owned())),
        None => (None, Some("the body is no text: it goes on as it is".to_owned())),
    }
}

fn status(head: &Head) -> Result<u16, String> {
    head.line[1].parse().map_err(|_| format!("`{}` is no status", head.line[1]))
}

fn parsed(edited: &str, kind: Kind) -> Result<(Head, &str), String> {
    let mut rest = edited;
    let mut next = || {
        let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = behind;
        line.trim_end_matches('\r')
    };
    let first = next();
    let mut words = first.split_whitespace();
    let line = match (words.next(), words.next()) {
        (Some(a), Some(b)) => [a.to_owned(), b.to_owned()],
        _ => return Err(format!("`{first}` is no first line: expected {}", expected(kind))),
    };
    let mut fields = Vec::new();
    loop {
        let line = next();
        if line.is_empty() {
            break;
        }
        let (name, value) =
            line.split_once(':').ok_or_else(|| format!("`{line}` is no field: expected `name: value`"))?;
        fields.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok((Head { line, fields }, rest))
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "`METHOD URL`",
        Kind::Response | Kind::Answer => "`HTTP/1.1 STATUS`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Value {
        json!({ "request": { "method": "POST", "url": "http://a/x", "headers": [["host", "a"], ["x", "1"]] }, "response": null,
            "body": { "text": "mine" }, "body_held": 4, "body_is_whole": true })
    }

    fn check(shown: &Text, edited: &str, expect: Value) {
        assert_eq!(shown.decision(edited).unwrap(), expect, "{edited}");
    }

    #[test]
    fn what_was_not_changed_is_not_sent() {
        let shown = Text::of(&request(), false);
        assert_eq!(shown.text, "POST http://a/x HTTP/1.1\nhost: a\nx: 1\n\nmine");
        check(&shown, &shown.text, json!({ "decision": "continue" }));
        check(&shown, &format!("{}\n", shown.text), json!({ "decision": "continue" }));
        let edited = "PUT http://a/y HTTP/1.1\r\nhost: a\r\n\r\nyours\n\n";
        let expect = json!({ "decision": "modify", "method": "PUT", "url": "http://a/y", "headers": [["host", "a"]],
            "body": { "text": "yours\n" } });
        check(&shown, edited, expect);
        check(
            &shown,
            "POST http://a/x HTTP/1.1\nhost: a\nx: 1\n\n",
            json!({ "decision": "modify", "body": { "text": "" } }),
        );
        assert!(shown.decision("").unwrap_err().contains("METHOD URL"));
        assert!(shown.decision("GET http://a/\nno field\n\n").unwrap_err().contains("no field"));
    }

    #[test]
    fn a_body_that_cannot_be_edited_stays() {
        for (member, value) in
            [("body_is_whole", json!(false)), ("body_withheld", json!(true)), ("body", json!({ "base64": "AA==" }))]
        {
            let mut paused = request();
            paused[member] = value;
            let shown = Text::of(&paused, false);
            assert!(shown.note.is_some() && shown.text.ends_with("\n\n"), "{}", shown.text);
            check(&shown, &format!("{}something", shown.text), json!({ "decision": "continue" }));
        }
    }

    #[test]
    fn responses_and_answers() {
        let mut paused = request();
        paused["response"] = json!({ "status": 200, "headers": [["x", "1"]] });
        let shown = Text::of(&paused, false);
        assert_eq!(shown.text, "HTTP/1.1 200\nx: 1\n\nmine");
        check(&shown, "HTTP/1.1 404\nx: 1\n\nmine", json!({ "decision": "modify", "status": 404 }));
        assert!(shown.decision("HTTP/1.1 many\n\n").unwrap_err().contains("no status"));
        let answer = Text::of(&request(), true);
        let expect = json!({ "decision": "respond", "status": 418, "headers": [], "body": { "text": "short" } });
        check(&answer, "HTTP/1.1 418 I'm a teapot\n\nshort\n", expect);
    }
}
