//! One direction of a run: how a head and its body move through the filters, one position after the other.
//!
//! The head stands at `next`: the filters before it have seen it. A body goes as far as its head. Where a filter holds
//! the head, what went through it so far queues, and passes the filters behind when the head moves on.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;

use super::{core::Core, slot::Slot};
use crate::{
    Answer, BodyMode, Direction, FailureKind, Length, Progress,
    bindings::weir::filter::http::Part,
    decode::{self, Decoder, Step},
};

/// Decoded bytes that may wait to be sent. More come when these are taken.
const READY_BYTES: usize = 256 << 10;

/// How far the end of a body has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Not here yet.
    Coming,
    /// At the decoder, which has not given everything.
    Decoding,
    /// As far as the head.
    Through,
}

/// A filter keeps the head back.
struct Hold {
    at: usize,
    /// Bytes of the body that it was shown since, and how many it may be shown.
    shown: usize,
    limit: usize,
}

/// Bodies are decoded in front of this position.
struct Decoding {
    at: usize,
    decoder: Decoder,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Coming,
    Moving,
    Open,
    /// The exchange took another course.
    Stopped,
}

/// One direction of a run.
pub(super) struct Pipe {
    direction: Direction,
    /// Filters on the way; positions count in the order that this direction meets them.
    len: usize,
    next: usize,
    head: Head,
    bodyless: bool,
    hold: Option<Hold>,
    decoding: Option<Decoding>,
    end: End,
    queue: VecDeque<Bytes>,
    queued: usize,
    /// Some of the body came in before the head was open, so all of it goes through here.
    fed: bool,
}

type Flow<T> = Result<T, Box<Answer>>;

impl Pipe {
    pub(super) fn new(direction: Direction, len: usize) -> Self {
        Self {
            direction,
            len,
            next: 0,
            head: Head::Coming,
            bodyless: false,
            hold: None,
            decoding: None,
            end: End::Coming,
            queue: VecDeque::new(),
            queued: 0,
            fed: false,
        }
    }

    /// Filters that the head has reached.
    pub(super) fn entered(&self) -> usize {
        self.next
    }

    pub(super) fn stop(&mut self) {
        self.head = Head::Stopped;
        self.queue.clear();
        self.decoding = None;
    }

    /// Index in chain order of the filter at a position.
    fn slot(&self, position: usize) -> usize {
        match self.direction {
            Direction::Request => position,
            Direction::Response => self.len - 1 - position,
        }
    }

    pub(super) fn head(&mut self, core: &mut Core, slots: &mut [Slot], bodyless: bool) -> Flow<Progress> {
        self.head = Head::Moving;
        self.bodyless = bodyless;
        if bodyless {
            self.end = End::Through;
        }
        self.advance(core, slots)
    }

    pub(super) fn chunk(&mut self, core: &mut Core, slots: &mut [Slot], chunk: Bytes) -> Flow<Progress> {
        if self.head != Head::Stopped && self.end == End::Coming && !chunk.is_empty() {
            self.fed = true;
            self.feed(core, slots, 0, chunk)?;
            self.pump(core, slots)?;
        }
        self.settle(core, slots)
    }

    pub(super) fn end(&mut self, core: &mut Core, slots: &mut [Slot], trailers: Option<HeaderMap>) -> Flow<Progress> {
        if self.head != Head::Stopped && self.end == End::Coming {
            self.fed = true;
            core.exchange_mut().set_trailers(self.direction, trailers);
            self.end_from(core, slots, 0)?;
        }
        self.settle(core, slots)
    }

    /// What is through the chain.
    pub(super) fn output(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<Option<Bytes>> {
        if self.head != Head::Open {
            return Ok(None);
        }
        if self.queue.is_empty() {
            self.pump(core, slots)?;
        }
        let chunk = self.queue.pop_front();
        self.queued -= chunk.as_ref().map_or(0, Bytes::len);
        Ok(chunk)
    }

    pub(super) fn is_drained(&self) -> bool {
        self.head == Head::Open && self.end == End::Through && self.queue.is_empty()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.head == Head::Stopped
    }

    pub(super) fn sees_body(&self, slots: &[Slot]) -> bool {
        let takes_part = |slot: &Slot| {
            slot.mode(self.direction) != BodyMode::None || !slot.is_out() && slot.subscription.trailers(self.direction)
        };
        !self.bodyless && (self.fed || self.decoding.is_some() || self.on_the_way(slots).any(takes_part))
    }

    pub(super) fn length(&self, slots: &[Slot]) -> Length {
        let changes = |slot: &Slot| slot.mode(self.direction) >= BodyMode::Transform || slot.has_changed_body();
        let untouched = self.decoding.is_none() && !self.on_the_way(slots).any(changes);
        if self.bodyless || untouched {
            Length::AsReceived
        } else if self.end == End::Through {
            Length::Exact(self.queued as u64)
        } else {
            Length::Unknown
        }
    }

    fn on_the_way<'a>(&self, slots: &'a [Slot]) -> impl Iterator<Item = &'a Slot> {
        slots[..self.len].iter()
    }

    /// Moves the head on until a filter holds it or it is through.
    fn advance(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<Progress> {
        while self.next < self.len {
            let at = self.next;
            let index = self.slot(at);
            let slot = &mut slots[index];
            // What the filter is shown is coded as the head says before the filter can change it.
            let wants = slot.subscription.decoded && slot.mode(self.direction) != BodyMode::None;
            let coded = wants && !self.bodyless && self.decoding.is_none();
            let codings = if coded { decode::codings(core.exchange(), self.direction) } else { None };
            let holds = slot.head(core, index, self.direction, self.bodyless)?;
            self.next += 1;
            if let Some(codings) = codings.filter(|_| slot.mode(self.direction) != BodyMode::None) {
                self.decode(core, at, &codings);
            }
            if holds && self.end != End::Through {
                let limit = slot.subscription.max_buffer as usize;
                self.hold = Some(Hold { at, shown: 0, limit });
            }
            self.replay(core, slots, at)?;
            if self.is_held(slots) {
                return Ok(Progress::Held);
            }
            self.hold = None;
        }
        self.head = Head::Open;
        core.freeze(match self.direction {
            Direction::Request => Part::Request,
            Direction::Response => Part::Response,
        });
        self.freeze_trailers(core);
        Ok(Progress::Open)
    }

    /// The queue passes the filter that the head has just passed.
    fn replay(&mut self, core: &mut Core, slots: &mut [Slot], at: usize) -> Flow<()> {
        self.queued = 0;
        for chunk in std::mem::take(&mut self.queue) {
            self.feed(core, slots, at, chunk)?;
        }
        if self.end == End::Through && !self.bodyless {
            self.end_from(core, slots, at)?;
        }
        self.pump(core, slots)
    }

    fn is_held(&self, slots: &[Slot]) -> bool {
        let Some(hold) = &self.hold else { return false };
        hold.shown <= hold.limit && self.end != End::Through && !slots[self.slot(hold.at)].is_out()
    }

    /// Where the head stands after something went in.
    fn settle(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<Progress> {
        match self.head {
            Head::Moving if self.is_held(slots) => Ok(Progress::Held),
            Head::Moving => {
                self.hold = None;
                self.advance(core, slots)
            }
            Head::Open => {
                self.freeze_trailers(core);
                Ok(Progress::Open)
            }
            Head::Coming | Head::Stopped => Ok(Progress::Open),
        }
    }

    /// A chunk from a position as far as the head, or into the decoder on the way.
    fn feed(&mut self, core: &mut Core, slots: &mut [Slot], from: usize, chunk: Bytes) -> Flow<()> {
        let decoder_at = self.decoding.as_ref().map_or(self.next, |decoding| decoding.at);
        if from > decoder_at {
            return self.pass(core, slots, from..self.next, chunk).map(|chunk| self.enqueue(chunk));
        }
        let passed = self.pass(core, slots, from..decoder_at, chunk)?;
        match (&mut self.decoding, passed) {
            (Some(decoding), Some(chunk)) => decoding.decoder.push(chunk),
            (None, chunk) => self.enqueue(chunk),
            (Some(_), None) => {}
        }
        Ok(())
    }

    /// A chunk through the body hooks of these positions.
    fn pass(
        &mut self,
        core: &mut Core,
        slots: &mut [Slot],
        positions: std::ops::Range<usize>,
        chunk: Bytes,
    ) -> Flow<Option<Bytes>> {
        let mut chunk = chunk;
        for at in positions {
            if let Some(hold) = self.hold.as_mut().filter(|hold| hold.at == at) {
                hold.shown += chunk.len();
            }
            let index = self.slot(at);
            match slots[index].chunk(core, index, self.direction, chunk)? {
                Some(next) if !next.is_empty() => chunk = next,
                _ => return Ok(None),
            }
        }
        Ok(Some(chunk))
    }

    fn enqueue(&mut self, chunk: Option<Bytes>) {
        if let Some(chunk) = chunk {
            self.queued += chunk.len();
            self.queue.push_back(chunk);
        }
    }

    /// The end of the body from a position as far as the head, or to the decoder on the way.
    fn end_from(&mut self, core: &mut Core, slots: &mut [Slot], from: usize) -> Flow<()> {
        let decoder_at = self.decoding.as_ref().map(|decoding| decoding.at).filter(|at| from <= *at);
        self.end_through(core, slots, from..decoder_at.unwrap_or(self.next))?;
        self.end = End::Through;
        if decoder_at.is_some() {
            self.end = End::Decoding;
            if let Some(decoding) = &mut self.decoding {
                decoding.decoder.end();
            }
            self.pump(core, slots)?;
        }
        Ok(())
    }

    /// The end of the body through the hooks of these positions: what one gives at its end is a chunk for those behind
    /// it, and a filter's trailers come after its body.
    fn end_through(&mut self, core: &mut Core, slots: &mut [Slot], positions: std::ops::Range<usize>) -> Flow<()> {
        let behind = positions.end;
        for at in positions {
            let index = self.slot(at);
            if let Some(last) = slots[index].end(core, index, self.direction)? {
                let passed = self.pass(core, slots, at + 1..behind, last)?;
                match &mut self.decoding {
                    Some(decoding) if decoding.at == behind && behind < self.next => {
                        passed.into_iter().for_each(|chunk| decoding.decoder.push(chunk));
                    }
                    _ => self.enqueue(passed),
                }
            }
            slots[index].trailers(core, index, self.direction)?;
        }
        Ok(())
    }

    /// Undoes the body's coding in front of a filter.
    fn decode(&mut self, core: &mut Core, at: usize, codings: &[decode::Coding]) {
        core.exchange_mut().keep_original(self.direction);
        if let Some(fields) = core.exchange_mut().fields_mut(self.direction) {
            decode::uncoded(fields);
        }
        self.decoding = Some(Decoding { at, decoder: Decoder::new(codings) });
    }

    /// Draws on the decoder while there is room for what it gives.
    fn pump(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<()> {
        while self.has_room(slots) {
            let Some(Decoding { at, decoder }) = &mut self.decoding else { return Ok(()) };
            let at = *at;
            match decoder.step() {
                Ok(Step::Chunk(chunk)) => {
                    let passed = self.pass(core, slots, at..self.next, chunk)?;
                    self.enqueue(passed);
                }
                Ok(Step::Starved) => return Ok(()),
                Ok(Step::End) if self.end == End::Decoding => {
                    self.end_through(core, slots, at..self.next)?;
                    self.end = End::Through;
                    self.freeze_trailers(core);
                    return Ok(());
                }
                Ok(Step::End) => return Ok(()),
                Err(broken) => return self.blame_sender(core, slots, at, &broken),
            }
        }
        Ok(())
    }

    fn has_room(&self, slots: &[Slot]) -> bool {
        match self.head {
            Head::Open => self.queued < READY_BYTES,
            Head::Moving => self.is_held(slots),
            Head::Coming | Head::Stopped => false,
        }
    }

    fn blame_sender(&self, core: &mut Core, slots: &mut [Slot], at: usize, broken: &decode::Broken) -> Flow<()> {
        let index = self.slot(at);
        let kind = FailureKind::Coding(self.direction);
        let failure = slots[index].filter(&core.chain).failure("on-body", kind, broken.to_string());
        slots[index].fail(core, index, failure)
    }

    fn freeze_trailers(&self, core: &mut Core) {
        if self.head == Head::Open && self.end == End::Through {
            core.freeze(match self.direction {
                Direction::Request => Part::RequestTrailers,
                Direction::Response => Part::ResponseTrailers,
            });
        }
    }
}
