//! Messages in bodies: server-sent events and gRPC, read beside the chunks that pass. Enters: heads and chunks; leaves: messages
//! for the record. What cannot be read is told once. Must not know who sends the body on.

mod events;
mod grpc;

use std::rc::Rc;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use weir_host::Direction;

use self::events::Events;
use self::grpc::Calls;
use crate::record::{Messages, Recording};

/// One body that has messages in it.
pub(super) struct Watch {
    messages: Rc<Messages>,
    direction: Direction,
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
    /// None where there are no messages in the body, or they are not recorded.
    pub(super) fn of(direction: Direction, head: &HeaderMap, recording: &mut Recording) -> Option<Box<Self>> {
        let kind = head.get(CONTENT_TYPE)?.as_bytes();
        let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is_events = direction == Direction::Response && essence.eq_ignore_ascii_case(b"text/event-stream");
        if !is_events && !is_grpc(essence) {
            return None;
        }
        let messages = recording.messages()?;
        if is_events
            && head.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            messages.stop(direction, "the events are compressed: Content-Encoding");
            return None;
        }
        let limit = messages.limit();
        let format = if is_events { Format::Events(Events::new(limit)) } else { Format::Calls(Calls::new(limit)) };
        Some(Box::new(Watch { messages, direction, format, has_ended: false }))
    }

    pub(super) fn passed(&mut self, chunk: &[u8]) {
        if self.has_ended {
            return;
        }
        let (messages, direction) = (&self.messages, self.direction);
        let stopped = match &mut self.format {
            Format::Events(events) => {
                events.passed(chunk, |passed| messages.tell(direction, &passed));
                Ok(())
            }
            Format::Calls(calls) => calls.passed(chunk, |passed| messages.tell(direction, &passed)),
        };
        if let Err(why) = stopped {
            messages.stop(direction, why);
            self.has_ended = true;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (messages, direction) = (&self.messages, self.direction);
        if let (Format::Calls(calls), false) = (&mut self.format, self.has_ended) {
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
