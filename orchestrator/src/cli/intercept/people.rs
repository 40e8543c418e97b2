//! Decisions of a person at a terminal: a list with numbers, and commands of one letter.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{decide, edit, text, whole};
use crate::cli::{client::Client, failure::Failure, output, paint::Paint, person, units};

const HELP: &str = "c continue   e edit   r respond   t URL redirect   s show   b block   k kill   a continue all   q quit\n\
                    each takes a number, such as `k 3`; without one it is about the oldest";

pub(super) struct Person {
    paint: Paint,
    /// by the number they were shown with
    paused: BTreeMap<u32, Value>,
    last: u32,
}

impl Person {
    pub(super) fn new() -> Self {
        eprintln!("{HELP}");
        Self { paint: Paint::stdout(), paused: BTreeMap::new(), last: 0 }
    }

    pub(super) fn show(&mut self, item: Value) -> Result<(), Failure> {
        self.last += 1;
        output::say(self.line(self.last, &item))?;
        self.paused.insert(self.last, item);
        Ok(())
    }

    fn line(&self, number: u32, item: &Value) -> String {
        let status = item["status"].as_u64().map(|status| format!(" -> {status}")).unwrap_or_default();
        let body = match (item["body_held"].as_u64(), item["body_is_whole"].as_bool()) {
            (None | Some(0), _) => String::new(),
            (Some(bytes), Some(true)) => format!(", {}", units::size(bytes)),
            (Some(bytes), _) => format!(", first {}", units::size(bytes)),
        };
        let what = format!("{} {}{status}", text(item, "method"), text(item, "url"));
        let at = text(item, "agent_name");
        format!(
            "{} {} {}",
            self.paint.bold(&format!("[{number}]")),
            person::line(&what),
            self.paint.dim(&person::line(&format!("({}{body}, {at})", text(item, "at"))))
        )
    }

    /// Nobody has to decide about it any more.
    pub(super) fn gone(&mut self, id: &str) -> Result<(), Failure> {
        let number = self.paused.iter().find(|(_, item)| item["id"] == id).map(|(number, _)| *number);
        if let Some(number) = number {
            self.paused.remove(&number);
            output::say(self.paint.dim(&format!("[{number}] is over")))?;
        }
        Ok(())
    }

    /// Whether there is to be more.
    pub(super) async fn hear(&mut self, client: &Client, line: &str) -> Result<bool, Failure> {
        let mut words = line.split_whitespace();
        let Some(command) = words.next() else { return Ok(true) };
        let mut rest: Vec<&str> = words.collect();
        if command == "q" {
            return Ok(false);
        }
        if command == "a" {
            for number in self.paused.keys().copied().collect::<Vec<_>>() {
                self.decide(client, number, &json!({ "decision": "continue" })).await?;
            }
            return Ok(true);
        }
        let number = rest.iter().find_map(|word| word.parse::<u32>().ok());
        rest.retain(|word| word.parse::<u32>().is_err());
        let Some(number) = number.or_else(|| self.paused.keys().next().copied()) else {
            eprintln!("nothing pauses");
            return Ok(true);
        };
        let Some(item) = self.paused.get(&number).cloned() else {
            eprintln!("[{number}] does not pause");
            return Ok(true);
        };
        let decision = match (command, &rest[..]) {
            ("c", []) => json!({ "decision": "continue" }),
            ("k", []) => json!({ "decision": "kill" }),
            ("b", []) => json!({ "decision": "block" }),
            ("t", [to]) => json!({ "decision": "redirect", "to": to }),
            ("s", []) => {
                self.whole(client, &item).await?;
                return Ok(true);
            }
            ("e" | "r", []) => match self.edited(client, &item, command == "r").await? {
                Some(decision) => decision,
                None => return Ok(true),
            },
            _ => {
                eprintln!("{HELP}");
                return Ok(true);
            }
        };
        self.decide(client, number, &decision).await?;
        Ok(true)
    }

    async fn decide(&mut self, client: &Client, number: u32, decision: &Value) -> Result<(), Failure> {
        let Some(item) = self.paused.get(&number) else { return Ok(()) };
        match decide(client, &text(item, "id"), &text(item, "agent"), decision).await {
            Ok(decided) => {
                self.paused.remove(&number);
                let parts: Vec<String> = decided["changed"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|part| part.as_str())
                    .map(person::line)
                    .collect();
                let parts = if parts.is_empty() { String::new() } else { format!(" {}", parts.join(", ")) };
                output::say(format!("[{number}] {}{parts}", person::line(&text(&decided, "decision"))))?;
            }
            Err(Failure::Problem { status: 409, .. }) => {
                self.paused.remove(&number);
                output::say(format!("[{number}] was over already"))?;
            }
            // It pauses still.
            Err(Failure::Problem { text, .. }) => eprintln!("[{number}] {}", person::lines(&text)),
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    async fn whole(&self, client: &Client, item: &Value) -> Result<(), Failure> {
        match whole(client, item).await {
            Ok(paused) => {
                let shown = edit::Text::of(&paused, false);
                output::say(person::body(&shown.text))?;
                if let Some(note) = &shown.note {
                    eprintln!("({note})");
                }
                Ok(())
            }
            Err(Failure::Problem { status: 404, .. }) => {
                eprintln!("it is over");
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// What somebody made of it; none where it is to go on pausing.
    async fn edited(&self, client: &Client, item: &Value, responds: bool) -> Result<Option<Value>, Failure> {
        let paused = match whole(client, item).await {
            Ok(paused) => paused,
            Err(Failure::Problem { status: 404, .. }) => {
                eprintln!("it is over");
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let shown = edit::Text::of(&paused, responds);
        if let Some(note) = &shown.note {
            eprintln!("({note})");
        }
        match shown.in_editor().await.and_then(|edited| shown.decision(&edited)) {
            Ok(decision) => Ok(Some(decision)),
            Err(why) => {
                eprintln!("{}; it pauses still", person::lines(&why));
                Ok(None)
            }
        }
    }
}
