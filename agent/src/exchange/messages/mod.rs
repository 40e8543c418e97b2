//! Messages in bodies: server-sent events and gRPC, read beside the chunks that pass. Enters: heads and chunks; leaves: messages
//! for the record. What cannot be read is told once. Must not know who sends the body on.

mod coded;
mod events;
mod grpc;

use std::rc::Rc;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use weir_host::Direction;

use self::coded::Coded;
use self::events::Events;
use self::grpc::Calls;
use crate::record::{Messages, Recording};

/// One body that has messages in it.
pub(super) struct Watch {
    messages: Rc<Messages>,
    direction: Direction,
    coded: Coded,
    format: Format,
    /// nothing more is read
    has_ended: bool,
}

enum Format {
    Events(Events),
    Calls(Calls),
}

/// Why nothing more is read.
type Stop = &'static str;

impl Watch {
    /// None where there are no messages in the body, or they are not recorded. `other` is the head of the same body on the other side
    /// of the filters, where that is another.
    pub(super) fn of(
        direction: Direction,
        head: &HeaderMap,
        other: Option<&HeaderMap>,
        recording: &mut Recording,
    ) -> Option<Box<Self>> {
        let kind = head.get(CONTENT_TYPE)?.as_bytes();
        let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is_events = direction == Direction::Response && essence.eq_ignore_ascii_case(b"text/event-stream");
        if !is_events && !is_grpc(essence) {
            return None;
        }
        let messages = recording.messages()?;
        let is_plain = if is_events { events::may_begin } else { grpc::may_begin };
        let coded = Coded::of(head, other, is_plain).map_err(|why| messages.stop(direction, why)).ok()?;
        let limit = messages.limit();
        let format = match is_events {
            true => Format::Events(Events::new(limit)),
            false => Format::Calls(Calls::new(limit, grpc::coding(head, other))),
        };
        Some(Box::new(Watch { messages, direction, coded, format, has_ended: false }))
    }

    pub(super) fn passed(&mut self, chunk: &[u8]) {
        if self.has_ended {
            return;
        }
        let Watch { messages, direction, coded, format, .. } = self;
        let mut stopped = Ok(());
        let said = coded.passed(chunk, &mut |text| {
            if stopped.is_ok() {
                stopped = format.passed(text, messages, *direction);
            }
        });
        if let Err(why) = said.and(stopped) {
            messages.stop(*direction, why);
            self.has_ended = true;
        }
    }
}

impl Format {
    fn passed(&mut self, text: &[u8], messages: &Messages, direction: Direction) -> Result<(), Stop> {
        match self {
            Format::Events(events) => {
                events.passed(text, |passed| messages.tell(direction, &passed));
                Ok(())
            }
            Format::Calls(calls) => calls.passed(text, |passed| messages.tell(direction, &passed)),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let held = self.coded.end();
        if self.has_ended {
            return;
        }
        let (messages, direction) = (&self.messages, self.direction);
        if let Err(why) = self.format.passed(&held, messages, direction) {
            messages.stop(direction, why);
        } else if let Format::Calls(calls) = &mut self.format {
            calls.end(|passed| messages.tell(direction, &passed));
        }
    }
}

/// `application/grpc`, `application/grpc-web`, each with or without `+proto` or the like. `grpc-web-text` is base64.
fn is_grpc(essence: &[u8]) -> bool {
    let lower = essence.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix(b"application/grpc") else { return false };
    let rest = rest.strip_prefix(b"-web").unwrap_or(rest);
    rest.is_empty() || rest.starts_with(b"+")
}

#[cfg(test)]
mod tests;
