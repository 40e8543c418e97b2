//! Undoes content codings (RFC 9110 section 8.4.1) for filters that asked for decoded bodies.
//!
//! Coded chunks go in as they come; decoded ones of a bounded size come out, one for each call, so that a body that
//! expands a millionfold costs no more memory than any other.

mod codec;
mod gzip;

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, StatusCode, header};

use self::codec::Codec;
use crate::{Direction, Exchange};

/// The most that comes out at once.
const CHUNK_BYTES: usize = 32 << 10;
/// Between two codings of one body.
const BETWEEN_BYTES: usize = 16 << 10;
/// What passes there is coded, and does not grow much: beyond so many times what came in, and some, it says nothing and goes on doing so.
const BETWEEN_GROWTH: u64 = 256;
const BETWEEN_SOME: u64 = 64 << 10;
/// More codings than anyone has a use for are left as they are.
const MAX_CODINGS: usize = 4;

/// A content coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Br,
    Zstd,
}

/// The codings of a body in the order they were applied; none if there are none, or one is not known here.
pub(crate) fn codings(exchange: &Exchange, direction: Direction) -> Option<Vec<Coding>> {
    let fields = exchange.fields(direction)?;
    if is_partial(exchange, direction) {
        return None;
    }
    named(fields).filter(|codings| !codings.is_empty())
}

/// The same of the fields of any message, empty if there are none.
pub(crate) fn named(fields: &HeaderMap) -> Option<Vec<Coding>> {
    let mut codings = Vec::new();
    for line in fields.get_all(header::CONTENT_ENCODING) {
        for name in line.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                "deflate" => codings.push(Coding::Deflate),
                "br" => codings.push(Coding::Br),
                "zstd" => codings.push(Coding::Zstd),
                "identity" => {}
                _ => return None,
            }
        }
    }
    (codings.len() <= MAX_CODINGS).then_some(codings)
}

/// A range of a coded body (RFC 9110 section 14) cannot be decoded by itself.
fn is_partial(exchange: &Exchange, direction: Direction) -> bool {
    let ranged = exchange.fields(direction).is_some_and(|fields| fields.contains_key(header::CONTENT_RANGE));
    let partial = exchange.response.as_ref().is_some_and(|head| head.status == StatusCode::PARTIAL_CONTENT);
    ranged || direction == Direction::Response && partial
}

/// Takes from a head what is no longer true of its body: the coding, the length, ranges and digests of the coded form;
/// a strong entity tag becomes weak (RFC 9110 section 8.8.1), for these are not the same bytes.
pub(crate) fn uncoded(fields: &mut HeaderMap) {
    for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::ACCEPT_RANGES] {
        fields.remove(name);
    }
    for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
        fields.remove(name);
    }
    if let Some(tag) = fields.get_mut(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) {
        let weak = [b"W/", tag.as_bytes()].concat();
        *tag = http::HeaderValue::from_bytes(&weak).expect("two more characters keep a field value valid");
    }
}

/// The body is not what its Content-Encoding says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// Not the format.
    #[error("the body is not valid {0:?}: {1}")]
    Invalid(Coding, String),
    /// It ends too early.
    #[error("the {0:?} body ends in its middle")]
    Truncated(Coding),
}

/// What one step gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Some of the body.
    Chunk(Bytes),
    /// More input is needed.
    Starved,
    /// That was all.
    End,
}

/// One body on its way through its decoders.
pub(crate) struct Decoder {
    input: VecDeque<Bytes>,
    ended: bool,
    empty: bool,
    /// bytes that came in, and that passed between codings
    coded: u64,
    between: u64,
    stages: Vec<Stage>,
    out: Vec<u8>,
}

/// One coding, and what it was given and has not looked at.
struct Stage {
    coding: Coding,
    codec: Codec,
    input: Bytes,
    /// It filled the last buffer to the brim, so it may hold more.
    more: bool,
}

impl Decoder {
    /// For a body with these codings, in the order they were applied.
    pub(crate) fn new(codings: &[Coding]) -> Self {
        let stage =
            |coding: &Coding| Stage { coding: *coding, codec: Codec::new(*coding), input: Bytes::new(), more: false };
        Self {
            input: VecDeque::new(),
            ended: false,
            empty: true,
            coded: 0,
            between: 0,
            stages: codings.iter().rev().map(stage).collect(),
            out: vec![0; CHUNK_BYTES],
        }
    }

    /// Coded bytes.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.empty = false;
            self.coded += chunk.len() as u64;
            self.input.push_back(chunk);
        }
    }

    /// No more will come.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Decodes a little.
    pub(crate) fn step(&mut self) -> Result<Step, Broken> {
        if self.empty {
            // A body of no bytes is nobody's broken gzip: some send the field with every response.
            return Ok(if self.ended { Step::End } else { Step::Starved });
        }
        let mut out = std::mem::take(&mut self.out);
        let filled = self.fill(self.stages.len() - 1, &mut out);
        self.out = out;
        Ok(match filled? {
            Filled::Bytes(count) => Step::Chunk(Bytes::copy_from_slice(&self.out[..count])),
            Filled::Starved => Step::Starved,
            Filled::End => Step::End,
        })
    }

    /// Fills `out` from the stage `at`, which draws on the one before it.
    fn fill(&mut self, at: usize, out: &mut [u8]) -> Result<Filled, Broken> {
        loop {
            let stage = &mut self.stages[at];
            if !stage.input.is_empty() || stage.more {
                let coding = stage.coding;
                let ran = stage.codec.run(&stage.input, out);
                let (consumed, produced) = ran.map_err(|reason| Broken::Invalid(coding, reason))?;
                stage.input.advance(consumed);
                stage.more = produced == out.len();
                if produced > 0 {
                    return Ok(Filled::Bytes(produced));
                }
                if consumed == 0 && !stage.input.is_empty() {
                    return Err(Broken::Invalid(coding, "it makes no progress".to_owned()));
                }
                continue;
            }
            match self.refill(at)? {
                Filled::Bytes(_) => {}
                Filled::Starved => return Ok(Filled::Starved),
                Filled::End if self.stages[at].codec.is_complete() => return Ok(Filled::End),
                Filled::End => return Err(Broken::Truncated(self.stages[at].coding)),
            }
        }
    }

    fn refill(&mut self, at: usize) -> Result<Filled, Broken> {
        if at == 0 {
            let Some(chunk) = self.input.pop_front() else {
                return Ok(if self.ended { Filled::End } else { Filled::Starved });
            };
            let count = chunk.len();
            self.stages[0].input = chunk;
            return Ok(Filled::Bytes(count));
        }
        let mut between = vec![0; BETWEEN_BYTES];
        let filled = self.fill(at - 1, &mut between)?;
        if let Filled::Bytes(count) = filled {
            self.between += count as u64;
            if self.between > self.coded.saturating_mul(BETWEEN_GROWTH).saturating_add(BETWEEN_SOME) {
                let grown = "what it was coded with before grows beyond measure".to_owned();
                return Err(Broken::Invalid(self.stages[at].coding, grown));
            }
            between.truncate(count);
            self.stages[at].input = Bytes::from(between);
        }
        Ok(filled)
    }
}

enum Filled {
    Bytes(usize),
    Starved,
    End,
}

#[cfg(test)]
mod tests;
