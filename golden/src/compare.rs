//! What was expected against what a runner saw.

use std::fmt::{self, Write as _};

use crate::{Case, Heard, Message, Outcome, Start, Upstream, Verdict, diff, render};

/// The filter did something else than its case says. The text shows where, expected lines with `-`, seen ones with `+`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Case {
    /// Does the outcome meet the case?
    ///
    /// # Errors
    /// The difference.
    pub fn check(&self, outcome: &Outcome) -> Result<(), Mismatch> {
        let mut found = String::new();
        if self.expect.verdict != outcome.verdict {
            let (expected, seen) = (self.expect.verdict.name(), outcome.verdict.name());
            let reason = outcome.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let _ = writeln!(found, "verdict:\n  - {expected}\n  + {seen}{reason}");
        }
        self.check_problems(outcome, &mut found);
        if let Some(seen) = &outcome.forwarded {
            let expected = self.expect.forwarded.as_ref().or(self.request.as_ref());
            compare("request as forwarded", expected, Some(seen), &mut found);
        } else {
            compare("request as forwarded", self.expect.forwarded.as_ref(), None, &mut found);
        }
        let unchanged = match (&self.upstream, self.expect.verdict) {
            (Upstream::Response(response), Verdict::Pass) => Some(response),
            _ => None,
        };
        let expected = self.expect.received.as_ref().or(unchanged);
        compare("response as received", expected, outcome.received.as_ref(), &mut found);
        self.check_heard(outcome, &mut found);
        let (expected, seen) = (&self.expect.tunnel, &outcome.tunnel);
        compare_lines("tunnel", &expected.lines(expected), &seen.lines(expected), &mut found);
        if found.is_empty() { Ok(()) } else { Err(Mismatch(found)) }
    }

    /// A conversation that was to fail is compared where the case says what was heard before.
    fn check_heard(&self, outcome: &Outcome, found: &mut String) {
        let unchanged = || Heard { said: self.messages.clone(), close: None };
        let has_talk = !self.messages.is_empty() && self.expect.verdict == Verdict::Pass;
        let Some(expected) = self.expect.heard.clone().or_else(|| has_talk.then(unchanged)) else { return };
        let none = || vec!["(no WebSocket)".to_owned()];
        let seen = outcome.heard.as_ref().map_or_else(none, Heard::lines);
        compare_lines("messages as heard", &expected.lines(), &seen, found);
    }

    fn check_problems(&self, outcome: &Outcome, found: &mut String) {
        let meets = |(pointer, part): &(String, String), seen: &(String, String)| {
            pointer == &seen.0 && seen.1.contains(part.as_str())
        };
        let expected = &self.expect.problems;
        let all_seen = expected.iter().all(|want| outcome.problems.iter().any(|seen| meets(want, seen)));
        let all_expected = outcome.problems.iter().all(|seen| expected.iter().any(|want| meets(want, seen)));
        if all_seen && all_expected {
            return;
        }
        let text = |problems: &[(String, String)]| -> Vec<String> {
            problems.iter().map(|(pointer, message)| format!("{pointer}: {message}")).collect()
        };
        let _ = write!(found, "problems:\n{}", diff::lines(&text(expected), &text(&outcome.problems)));
    }
}

fn compare<S: Start>(what: &str, expected: Option<&Message<S>>, seen: Option<&Message<S>>, found: &mut String) {
    let lines = |message: Option<&Message<S>>| message.map_or_else(|| vec!["(none)".to_owned()], render::message);
    compare_lines(what, &lines(expected), &lines(seen), found);
}

fn compare_lines(what: &str, expected: &[String], seen: &[String], found: &mut String) {
    if expected != seen {
        let _ = write!(found, "{what}:\n{}", diff::lines(expected, seen));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Case, Message, Outcome, Status, Verdict};

    fn case(expect: &str) -> Case {
        Case::parse(&format!("### request\nGET http://a/\n### upstream\n200\na: 1\n\nhi\n{expect}")).unwrap()
    }

    fn outcome(case: &Case) -> Outcome {
        let crate::Upstream::Response(response) = case.upstream.clone() else { panic!("it answers") };
        Outcome {
            verdict: Verdict::Pass,
            reason: None,
            forwarded: case.request.clone(),
            received: Some(response),
            ..Outcome::invalid(Vec::new())
        }
    }

    #[test]
    fn what_is_not_written_is_expected_unchanged() {
        let case = case("### expect\npass\n");
        case.check(&outcome(&case)).unwrap();
        let mut changed = outcome(&case);
        changed.received.as_mut().unwrap().fields.push(("b".to_owned(), "2".to_owned()));
        let text = case.check(&changed).unwrap_err().to_string();
        assert_eq!(text, "response as received:\n    200\n    a: 1\n  + b: 2\n    \n    hi\n");
    }

    #[test]
    fn a_verdict_is_compared_with_its_reason() {
        let case = case("### expect\nrespond\n### received\n403\n");
        let mut seen = outcome(&case);
        seen.received = Some(Message::new(Status(403)));
        seen.reason = Some("out of luck".to_owned());
        let text = case.check(&seen).unwrap_err().to_string();
        assert_eq!(text, "verdict:\n  - respond\n  + pass (out of luck)\n");
    }

    #[test]
    fn chunk_borders_order_of_names_and_framing_do_not_count() {
        let case = case("### expect\npass\n### received\n200\nb: 2\na: 1\n\nhi\n");
        let mut seen = outcome(&case);
        let received = seen.received.as_mut().unwrap();
        received.fields.extend([("b".into(), "2".into()), ("content-length".into(), "2".into())]);
        received.body = vec![b"h".to_vec(), b"i".to_vec()];
        case.check(&seen).unwrap();
    }
}
