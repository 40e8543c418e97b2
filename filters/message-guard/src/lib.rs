//! Holds messages of WebSockets and server-sent events against patterns. In: whole messages; out: the same, with matches
//! replaced, or nothing, or the end of the conversation. It sees no head and no other body.
#![forbid(unsafe_code)]

mod config;
mod rule;

use weir_sdk::{Content, Filter, MessageAction, Messages, Origin, Problems, Response, ServerEvent, Subscription, info};

use crate::{
    config::{Config, Then},
    rule::Rule,
};

/// The filter.
#[derive(Debug)]
pub struct MessageGuard {
    rules: Vec<Rule>,
    max_bytes: Option<usize>,
}

/// Message too big (RFC 6455 section 7.4.1).
const TOO_BIG: u16 = 1009;

impl Filter for MessageGuard {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.rules.is_empty() && config.max_bytes.is_none() {
            problems.push("", "neither `rules` nor `max_bytes`: everything would pass");
        }
        let rules = config.rules.into_iter().enumerate();
        let rules = rules.filter_map(|(index, rule)| Rule::new(rule, &format!("/rules/{index}"), &mut problems));
        let rules = rules.collect();
        problems.or(Self { rules, max_bytes: config.max_bytes.map(|bytes| bytes as usize) })
    }

    /// Requests and bodies it does not ask for.
    fn subscription(&self) -> Subscription {
        Subscription::new()
    }
}

impl Messages for MessageGuard {
    fn message(&self, _: &Response, origin: Origin, content: Content, (): &mut ()) -> MessageAction {
        if self.max_bytes.is_some_and(|most| said(&content).len() > most) {
            return close(TOO_BIG, "the message is too long");
        }
        let mut replaced = None;
        for rule in self.rules.iter().filter(|rule| rule.hears(origin)) {
            let bytes = replaced.as_deref().unwrap_or_else(|| said(&content));
            match rule.then {
                Then::Replace => replaced = rule.replace(bytes).or(replaced),
                Then::Drop if rule.finds(bytes) => return MessageAction::Drop,
                Then::Close if rule.finds(bytes) => return close(rule.code, &rule.reason),
                Then::Drop | Then::Close => {}
            }
        }
        replaced.map_or(MessageAction::Pass, |bytes| MessageAction::Replace(with(content, bytes)))
    }
}

fn close(code: u16, reason: &str) -> MessageAction {
    info!("closed with {code} {reason}");
    MessageAction::Close { code, reason: reason.to_owned() }
}

/// What rules look at: of an event, its data.
fn said(content: &Content) -> &[u8] {
    match content {
        Content::Text(text) => text.as_bytes(),
        Content::Binary(bytes) => bytes,
        Content::Event(event) => event.data.as_bytes(),
    }
}

/// Patterns match bytes, so what they leave of a character need not be one.
fn with(content: Content, bytes: Vec<u8>) -> Content {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match content {
        Content::Text(_) => Content::Text(text(&bytes)),
        Content::Binary(_) => Content::Binary(bytes),
        Content::Event(event) => Content::Event(ServerEvent { data: text(&bytes), ..event }),
    }
}

weir_sdk::export!(MessageGuard, with Messages);

#[cfg(test)]
mod tests;
