//! Content codings of a body that has messages in it, undone as it passes. Enters: chunks as they pass; leaves: what they say. A
//! head that tells of no coding may have lost it on the way: then the first bytes decide, and what the other head told. What
//! grows beyond measure is given up: all that is undone of one body, and of messages in it, is measured together. Pure.

use std::cell::Cell;

use bytes::Bytes;
use http::HeaderMap;
use weir_host::{Codings, Undoing};

use super::Stop;

/// Bytes that a mark of a coding has.
const MARK: usize = 4;
/// A body may say so many times as much as it has bytes, and some: more than one message may grow to.
const GROWTH: usize = 128;
const SOME: usize = 5 << 20;

/// Why it is given up then.
pub(super) const GROWN: Stop = "it grows beyond what is decompressed";

/// What the bytes of one body that have come may still grow to; none once it was not enough.
pub(super) struct Credit(Cell<Option<usize>>);

impl Credit {
    pub(super) fn new() -> Self {
        Self(Cell::new(Some(SOME)))
    }

    /// So many bytes of the body. Of what those before them left there is some at most: what one chunk grows to is bounded too.
    pub(super) fn came(&self, bytes: usize) {
        let more = bytes.saturating_mul(GROWTH);
        self.0.set(self.0.get().map(|left| left.min(SOME).saturating_add(more)));
    }

    /// Was there so much of it?
    pub(super) fn spend(&self, bytes: usize) -> bool {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(bytes)));
        !self.is_spent()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get().is_none()
    }
}

/// One body.
pub(super) struct Coded {
    at: At,
    /// what the other head told
    perhaps: Option<Codings>,
    /// do these bytes begin what has no coding?
    is_plain: fn(&[u8]) -> bool,
}

enum At {
    /// the first bytes
    Begins(Vec<u8>),
    Plain,
    Within(Box<Undoing>),
}

fn known(head: &HeaderMap) -> Result<Option<Codings>, Stop> {
    Codings::of(head).map_err(|_| "its Content-Encoding is none that is known here")
}

impl Coded {
    pub(super) fn of(head: &HeaderMap, other: Option<&HeaderMap>, is_plain: fn(&[u8]) -> bool) -> Result<Self, Stop> {
        let (at, perhaps) = match known(head)? {
            Some(codings) => (At::Within(Box::new(codings.undoing())), None),
            None => (At::Begins(Vec::new()), other.map(known).transpose()?.flatten()),
        };
        Ok(Self { at, perhaps, is_plain })
    }

    /// More of the body.
    pub(super) fn passed(&mut self, chunk: &[u8], credit: &Credit, tell: &mut impl FnMut(&[u8])) -> Result<(), Stop> {
        match &mut self.at {
            At::Plain => tell(chunk),
            At::Within(undoing) => return undo(undoing, chunk, credit, tell),
            At::Begins(held) => {
                held.extend_from_slice(chunk);
                if held.len() >= MARK {
                    let held = std::mem::take(held);
                    self.at = self.begun(&held);
                    return self.passed(&held, credit, tell);
                }
            }
        }
        Ok(())
    }

    fn begun(&self, held: &[u8]) -> At {
        let is_other = !(self.is_plain)(held);
        let codings = self.perhaps.clone().filter(|_| is_other).or_else(|| Codings::marked(held));
        codings.map_or(At::Plain, |codings| At::Within(Box::new(codings.undoing())))
    }

    /// Nothing more comes: what was held back until then.
    pub(super) fn end(&mut self) -> Vec<u8> {
        match &mut self.at {
            At::Begins(held) => std::mem::take(held),
            At::Plain | At::Within(_) => Vec::new(),
        }
    }
}

fn undo(undoing: &mut Undoing, chunk: &[u8], credit: &Credit, tell: &mut impl FnMut(&[u8])) -> Result<(), Stop> {
    let take = |text: &[u8]| {
        let is_enough = credit.spend(text.len());
        if is_enough {
            tell(text);
        }
        is_enough
    };
    undoing.push(Bytes::copy_from_slice(chunk), take).map_err(|_| "it is not what its Content-Encoding says")?;
    if credit.is_spent() { Err(GROWN) } else { Ok(()) }
}
