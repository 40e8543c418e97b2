//! Tunnels and messages of golden cases, natively: the agent's part, as far as a case can tell.

use weir_golden::{Case, Course, Heard, Outcome, Said, Speaker, Status, Verdict, Words};

use super::{Exchange, Tested, passage::entry};
use crate::{ClientHello, Connect, Content, Decision, MessageAction, Messages, Origin, Tunnel};

/// Asks about the tunnel, and then about the TLS in it, whose answer goes before.
pub(super) fn tunnel<F: Connect>(tested: &Tested<F>, case: &Case) -> Option<Outcome> {
    let asked = case.tunnel.as_ref()?;
    let from = &case.connection;
    let (client_address, user) = (from.client_address.clone(), from.user.clone());
    let mut to = Tunnel { entry: entry(&from.entry), client_address, user, target: asked.target.clone() };
    let mut course = Course::default();
    let connected = judge(tested.connect(&to), &mut course);
    if let Some(target) = &course.redirect {
        to.target.clone_from(target);
    }
    let hello = asked.hello.as_ref().filter(|_| connected.is_none());
    let greeted = hello.and_then(|hello| {
        let hello = ClientHello { server_name: hello.server_name.clone(), alpn: hello.alpn.clone() };
        match tested.client_hello(&to, &hello) {
            Decision::Redirect(_) => Some(failed("it redirects when the tunnel is open")),
            decision => judge(decision, &mut course),
        }
    });
    let open = || Outcome { verdict: Verdict::Open, tunnel: course.clone(), ..Outcome::invalid(Vec::new()) };
    Some(connected.or(greeted).unwrap_or_else(open))
}

/// Adds to the course; an outcome, if it is the end of it.
fn judge(decision: Decision, course: &mut Course) -> Option<Outcome> {
    match decision {
        Decision::Next => {}
        Decision::Intercept => course.intercept = Some(true),
        Decision::PassThrough => course.intercept = Some(false),
        Decision::Redirect(target) => course.redirect = Some(target),
        Decision::Deny(reason) => {
            let tunnel = Course { reason: Some(reason), ..Course::default() };
            return Some(Outcome { verdict: Verdict::Deny, tunnel, ..Outcome::invalid(Vec::new()) });
        }
    }
    None
}

/// Sends the exchange, and shows the messages where it opens a WebSocket.
pub(super) fn talk<F: Messages>(tested: &Tested<F>, exchange: Exchange, said: &[Said]) -> Outcome {
    let messages = said.iter().map(|Said { by, words }| {
        let origin = if *by == Speaker::Client { Origin::Client } else { Origin::Upstream };
        let content = match words {
            Words::Text(text) => Content::Text(text.clone()),
            Words::Binary(bytes) => Content::Binary(bytes.clone()),
        };
        (origin, content)
    });
    let (outcome, actions) = tested.converse_and(exchange, messages);
    if outcome.verdict != Verdict::Pass || outcome.received.as_ref().is_none_or(|head| head.start != Status(101)) {
        return outcome;
    }
    let Some(actions) = actions else {
        return Outcome { heard: Some(Heard { said: said.to_vec(), close: None }), ..outcome };
    };
    match heard(said, actions) {
        Ok(heard) => Outcome { heard: Some(heard), ..outcome },
        Err(reason) => failed(reason),
    }
}

fn heard(said: &[Said], actions: Vec<MessageAction>) -> Result<Heard, &'static str> {
    let mut heard = Heard::default();
    for (said, action) in said.iter().zip(actions) {
        match action {
            MessageAction::Pass => heard.said.push(said.clone()),
            MessageAction::Replace(Content::Text(text)) => heard.said.push(Said { words: Words::Text(text), ..*said }),
            MessageAction::Replace(Content::Binary(bytes)) => {
                heard.said.push(Said { words: Words::Binary(bytes), ..*said });
            }
            MessageAction::Replace(Content::Event(_)) => return Err("it puts an event in place of a message"),
            MessageAction::Drop => {}
            MessageAction::Close { code, reason } => {
                if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) || reason.len() > 123 {
                    return Err("it closes with what may not be sent (RFC 6455 section 7.4)");
                }
                heard.close = Some((code, reason));
            }
        }
    }
    Ok(heard)
}

fn failed(reason: &str) -> Outcome {
    Outcome { verdict: Verdict::Fail, reason: Some(reason.to_owned()), ..Outcome::invalid(Vec::new()) }
}
