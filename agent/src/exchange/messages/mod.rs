//! Messages in bodies: server-sent events and gRPC, read beside the chunks that pass. Enters: heads and chunks; leaves: messages
//! for the record. What cannot be read is told once. Must not know who sends the body on.

mod coded;
mod events;
mod grpc;

use std::rc::Rc;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use weir_host::Direction;

use self::coded::{Coded, Credit, GROWN};
use self::events::Events;
use self::grpc::Calls;
use crate::record::{Messages, Passed, Recording};

/// One body that has messages in it.
pub(super) struct Watch {
    messages: Rc<Messages>,
    direction: Direction,
    coded: Coded,
    format: Format,
    credit: Credit,
    /// nothing more is read
    has_ended: bool,
}

enum Format {
    Events(Events),
    Calls(Calls),
}

/// What a message costs that is told, however short: as much as so many bytes that are decompressed.
const TELLING: usize = 128;

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
        Some(Box::new(Watch { messages, direction, coded, format, credit: Credit::new(), has_ended: false }))
    }

    pub(super) fn passed(&mut self, chunk: &[u8]) {
        if self.has_ended {
            return;
        }
        let Watch { messages, direction, coded, format, credit, .. } = self;
        credit.came(chunk.len());
        let tell = |passed: Passed<'_>| {
            messages.tell(*direction, &passed);
            credit.spend(TELLING);
        };
        let mut stopped = Ok(());
        let said = coded.passed(chunk, credit, &mut |text| {
            if stopped.is_ok() {
                stopped = format.passed(text, credit, tell);
            }
        });
        let grown = if credit.is_spent() { Err(GROWN) } else { Ok(()) };
        if let Err(why) = said.and(stopped).and(grown) {
            if credit.is_spent() {
                format.end("it was not read to its end", tell);
            }
            messages.stop(*direction, why);
            self.has_ended = true;
        }
    }
}

impl Format {
    fn passed(&mut self, text: &[u8], credit: &Credit, tell: impl FnMut(Passed<'_>)) -> Result<(), Stop> {
        match self {
            Format::Events(events) => {
                events.passed(text, tell);
                Ok(())
            }
            Format::Calls(calls) => calls.passed(text, credit, tell),
        }
    }

    /// Nothing more comes, or is read: what a message that has no end is told with.
    fn end(&mut self, note: &'static str, tell: impl FnMut(Passed<'_>)) {
        // an event without an end is none
        if let Format::Calls(calls) = self {
            calls.end(note, tell);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let held = self.coded.end();
        if self.has_ended {
            return;
        }
        let Watch { messages, direction, format, credit, .. } = self;
        let tell = |passed: Passed<'_>| messages.tell(*direction, &passed);
        match format.passed(&held, credit, tell) {
            Err(why) => messages.stop(*direction, why),
            Ok(()) => format.end("it broke off", tell),
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
