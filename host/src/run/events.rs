//! Server-sent events on their way to the client: what is through the chain as a body is cut into events, and those meet the
//! filters that see messages, so that these judge what the client would get.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::{Run, slot::Hooked};
use crate::{
    Direction, Exchange, Failure, FailureKind, Judged, Message,
    decode::{self, Decoder, Step},
    event_stream::{EventStream, Piece},
};

/// A response that is a stream of events.
#[derive(Default)]
pub(super) struct Events {
    stream: EventStream,
    decoder: Option<Decoder>,
    ready: VecDeque<Bytes>,
    /// Nothing more is to come: the body has ended, or a filter has ended it.
    ended: bool,
    closed: bool,
    /// Others are to have their turn before it goes on.
    pauses: bool,
}

/// Bytes that wait to be taken before more is looked at.
const READY_BYTES: usize = 64 << 10;

/// Events that filters are shown in one go.
const AT_ONCE: usize = 256;

impl Run {
    /// The head of the upstream's response is open, and not sent. If a stream of server-sent events follows, filters that
    /// export `message` are asked whether they are to see them; if so, the head may lose its content coding.
    ///
    /// # Errors
    /// A filter failed, and its policy lets nothing go on without it.
    pub fn events_open(&mut self) -> Result<(), Failure> {
        if !self.may_see_messages() || !is_event_stream(self.exchange()) || !self.messages_open()? {
            return Ok(());
        }
        let codings = decode::codings(self.exchange(), Direction::Response);
        if codings.is_none() && is_coded(self.exchange()) {
            return self.messages_unreadable("the events come under a content coding that is not known here");
        }
        if codings.is_some() {
            let exchange = self.exchange_mut();
            exchange.keep_original(Direction::Response);
            if let Some(fields) = exchange.fields_mut(Direction::Response) {
                decode::uncoded(fields);
            }
        }
        let decoder = codings.map(|codings| Decoder::new(&codings));
        self.events = Some(Box::new(Events { decoder, ..Events::default() }));
        Ok(())
    }

    /// A filter has ended the stream of events.
    pub fn has_closed_events(&self) -> bool {
        self.events.as_ref().is_some_and(|events| events.closed)
    }

    /// There is more to be had at once, but not before others of the worker have had their turn.
    pub fn pauses(&self, direction: Direction) -> bool {
        self.events(direction).is_some_and(|events| events.pauses)
    }

    /// As [`Self::output`], where events are looked at.
    pub(super) fn event_output(&mut self, events: &mut Events) -> Hooked<Option<Bytes>> {
        let mut shown = 0;
        events.pauses = false;
        loop {
            if let Some(bytes) = events.ready.pop_front() {
                return Ok(Some(bytes));
            }
            if events.ended {
                return Ok(None);
            }
            if !self.sees_messages() {
                events.pass_held();
            }
            let (mut waits, mut is_starved) = (0, false);
            while waits < READY_BYTES && shown < AT_ONCE && !events.ended && !is_starved {
                match events.stream.next() {
                    Some(piece) => waits += self.event(events, piece)?,
                    None => is_starved = true,
                }
                shown += 1;
            }
            if !events.ready.is_empty() || events.ended {
                continue;
            }
            if shown >= AT_ONCE {
                events.pauses = true;
                return Ok(None);
            }
            if self.sees_messages() && events.stream.held() > self.longest_message() {
                self.too_long()?;
                continue;
            }
            match self.more_events(events)? {
                Some(bytes) if self.sees_messages() => events.stream.push(&bytes),
                Some(bytes) => events.ready.push_back(bytes),
                None if self.response.is_drained() => {
                    if let Some(piece) = events.stream.finish() {
                        self.event(events, piece)?;
                    }
                    events.ended = true;
                }
                None => return Ok(None),
            }
        }
    }

    /// Some of the body, without its coding. None: there is none yet, or no more.
    fn more_events(&mut self, events: &mut Events) -> Hooked<Option<Bytes>> {
        loop {
            let step = match &mut events.decoder {
                None => return self.response.output(&mut self.core, &mut self.slots),
                Some(decoder) => decoder.step(),
            };
            match step {
                Ok(Step::Chunk(bytes)) => return Ok(Some(bytes)),
                Ok(Step::End) => return Ok(None),
                Ok(Step::Starved) => {
                    let coded = self.response.output(&mut self.core, &mut self.slots)?;
                    let Some(decoder) = &mut events.decoder else { return Ok(coded) };
                    match coded {
                        Some(coded) => decoder.push(coded),
                        None if self.response.is_drained() => decoder.end(),
                        None => return Ok(None),
                    }
                }
                Err(broken) => return self.broken_coding(&broken).map(|()| None),
            }
        }
    }

    /// What was decoded cannot be coded again, so nothing goes on, whether or not a filter still looks.
    fn broken_coding(&mut self, broken: &decode::Broken) -> Hooked<()> {
        let Some(at) = self.slots.iter().position(|slot| slot.sees_messages) else { return Ok(()) };
        let slot = &mut self.slots[at];
        let kind = FailureKind::Coding(Direction::Response);
        let failure = slot.filter(&self.core.chain).failure("on-message", kind, broken.to_string());
        slot.fail(&mut self.core, at, failure)
    }

    /// Shows it to the filters. The bytes of what goes on.
    fn event(&mut self, events: &mut Events, piece: Piece) -> Hooked<usize> {
        let (lines, event) = match piece {
            Piece::Event(lines, event) if self.sees_messages() => (lines, event),
            Piece::Event(lines, _) | Piece::Plain(lines) => return Ok(events.goes_on(lines)),
        };
        if lines.len() > self.longest_message() {
            self.too_long()?;
            return Ok(events.goes_on(lines));
        }
        Ok(match self.message(Direction::Response, &Message::Event(event)) {
            Judged::Pass => events.goes_on(lines),
            Judged::Replace(Message::Event(event)) => events.goes_on(event.to_bytes()),
            // what is no event has been refused before
            Judged::Drop | Judged::Replace(_) => 0,
            Judged::Close(_) => {
                (events.ended, events.closed) = (true, true);
                self.response.stop();
                0
            }
            Judged::Failed(failure) => return Err(Box::new(crate::Answer::Failed(failure))),
        })
    }

    fn too_long(&mut self) -> Hooked<()> {
        self.message_too_long().map_err(|failure| Box::new(crate::Answer::Failed(failure)))
    }
}

impl Events {
    fn goes_on(&mut self, lines: Bytes) -> usize {
        let bytes = lines.len();
        self.ready.push_back(lines);
        bytes
    }

    /// Nobody looks any more.
    fn pass_held(&mut self) {
        while let Some(Piece::Plain(lines) | Piece::Event(lines, _)) =
            self.stream.next().or_else(|| self.stream.finish())
        {
            self.ready.push_back(lines);
        }
    }

    /// All of it is out.
    pub(super) fn is_drained(&self) -> bool {
        self.ended && self.ready.is_empty()
    }
}

/// By its head (HTML, section 9.2.1).
fn is_event_stream(exchange: &Exchange) -> bool {
    let kind = exchange.response.as_ref().and_then(|head| head.headers.get(CONTENT_TYPE));
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn is_coded(exchange: &Exchange) -> bool {
    let head = exchange.response.as_ref();
    let codings = head.into_iter().flat_map(|head| head.headers.get_all(CONTENT_ENCODING));
    codings
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|coding| !coding.trim_ascii().is_empty() && !coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}
