//! One direction of a run: how a head and its body move through the filters, one position after the other.
//!
//! The head stands at `next`: the filters before it have seen it. A body goes as far as its head. Where a filter holds
//! the head, what went through it so far queues, and passes the filters behind when the head moves on. Where a hook
//! waits, all that comes behind what it waits with stays where it is.

mod drive;
mod taps;

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;

use self::drive::Work;
use super::{core::Core, slot::Slot};
use crate::{
    Answer, BodyMode, Direction, Length, Progress,
    decode::{Coding, Decoder},
};

/// How far the end of a body has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Not here yet.
    Coming,
    /// On its way through the filters.
    Moving,
    /// At the decoder, which has not given everything.
    Decoding,
    /// With a middleware, which gives one of its own.
    Inside,
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

/// The hook at this position waits.
struct Waiting {
    at: usize,
    with: Paused,
}

/// What a hook waits with.
enum Paused {
    /// The head, and the codings that the body is under in front of this filter.
    Head(Option<Vec<Coding>>),
    Chunk(Bytes),
    Trailers,
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
    waiting: Option<Waiting>,
    /// The middleware that has the head.
    given: Option<usize>,
    /// Middleware takes part.
    has_taps: bool,
    /// To be done before anything else comes in, in this order.
    works: VecDeque<Work>,
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
            waiting: None,
            given: None,
            has_taps: false,
            works: VecDeque::new(),
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
        self.works.clear();
        self.waiting = None;
        self.given = None;
        self.decoding = None;
    }

    pub(super) fn head(&mut self, core: &mut Core, slots: &mut [Slot], bodyless: bool) -> Flow<Progress> {
        self.head = Head::Moving;
        self.bodyless = bodyless;
        if bodyless {
            self.end = End::Through;
        }
        self.drive(core, slots)
    }

    pub(super) fn chunk(&mut self, core: &mut Core, slots: &mut [Slot], chunk: Bytes) -> Flow<Progress> {
        if self.head != Head::Stopped && self.end == End::Coming && !chunk.is_empty() {
            self.fed = true;
            self.feed(core, slots, Work::Chunk(0, chunk))?;
        }
        self.drive(core, slots)
    }

    pub(super) fn end(&mut self, core: &mut Core, slots: &mut [Slot], trailers: Option<HeaderMap>) -> Flow<Progress> {
        if self.head != Head::Stopped && self.end == End::Coming {
            self.fed = true;
            self.end = End::Moving;
            core.exchange_mut().set_trailers(self.direction, trailers);
            self.feed(core, slots, Work::End(0))?;
        }
        self.drive(core, slots)
    }

    /// What is through the chain.
    pub(super) fn output(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<Option<Bytes>> {
        if self.head != Head::Open {
            return Ok(None);
        }
        if self.queue.is_empty() {
            let _ = self.drive(core, slots)?;
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

    pub(super) fn is_waiting(&self, slots: &[Slot]) -> bool {
        self.waiting.is_some() || self.is_blocked(slots)
    }

    pub(super) fn can_resume(&self, slots: &[Slot]) -> bool {
        match &self.waiting {
            Some(waiting) => slots[self.slot(waiting.at)].can_resume(),
            None => self.has_news(slots),
        }
    }

    pub(super) fn sees_body(&self, slots: &[Slot]) -> bool {
        let takes_part = |slot: &Slot| {
            let sees_trailers = !slot.is_out() && !slot.runs_beside && slot.subscription.trailers(self.direction);
            slot.mode(self.direction) != BodyMode::None || sees_trailers
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
            self.declared(slots).map_or(Length::Unknown, Length::Exact)
        }
    }

    fn on_the_way<'a>(&self, slots: &'a [Slot]) -> impl Iterator<Item = &'a Slot> {
        slots[..self.len].iter()
    }

    /// Index in chain order of the filter at a position.
    fn slot(&self, position: usize) -> usize {
        match self.direction {
            Direction::Request => position,
            Direction::Response => self.len - 1 - position,
        }
    }
}
