//! Messages of gRPC: a flag, a length of four bytes, the message (gRPC over HTTP/2, "Length-Prefixed-Message"). One that is
//! compressed, as `grpc-encoding` tells, is told as what it says, if anybody here can find out. Pure.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use weir_host::{Codings, Undoing};

use super::Stop;
use super::coded::{Credit, GROWN};
use crate::record::{Kind, Passed};

const HEAD: usize = 5;
const COMPRESSED: u8 = 1;
/// Of gRPC-Web: what follows are trailers.
const TRAILERS: u8 = 0x80;
/// What one message may grow to.
const MOST: u64 = 4 << 20;
/// What it costs to begin with one, as much as so many bytes that are decompressed.
const SETUP: usize = 1 << 10;

pub(super) struct Calls {
    limit: usize,
    /// of messages that are compressed; none: nobody here can tell
    coding: Option<Codings>,
    message: Message,
}

/// One of them, as far as it has come.
#[derive(Default)]
struct Message {
    head: [u8; HEAD],
    head_bytes: usize,
    data: Vec<u8>,
    /// bytes of it that have come
    taken: u64,
    said: Option<Said>,
}

/// What a compressed message says.
struct Said {
    /// none where it says no more that could be read
    undoing: Option<Box<Undoing>>,
    size: u64,
    fault: &'static str,
}

/// The coding of compressed messages by these heads.
pub(super) fn coding(head: &HeaderMap, other: Option<&HeaderMap>) -> Option<Codings> {
    let of = |head: &HeaderMap| {
        let lines = head.get_all("grpc-encoding").iter().map(|line| (CONTENT_ENCODING, line.clone()));
        Codings::of(&lines.collect()).ok().flatten()
    };
    of(head).or_else(|| other.and_then(of))
}

/// A body that has no coding begins like this.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|flag| flag & !(COMPRESSED | TRAILERS) == 0)
}

impl Calls {
    pub(super) fn new(limit: usize, coding: Option<Codings>) -> Self {
        Calls { limit, coding, message: Message::default() }
    }

    pub(super) fn passed(
        &mut self,
        mut chunk: &[u8],
        credit: &Credit,
        mut tell: impl FnMut(Passed<'_>),
    ) -> Result<(), Stop> {
        while !chunk.is_empty() {
            if credit.is_spent() {
                return Err(GROWN);
            }
            let message = &mut self.message;
            if message.head_bytes < HEAD {
                message.head[message.head_bytes] = chunk[0];
                message.head_bytes += 1;
                chunk = &chunk[1..];
                if !may_begin(&message.head) {
                    return Err("what should be a flag of gRPC is none");
                }
                if let (HEAD, true, Some(coding)) = (message.head_bytes, message.is_compressed(), &self.coding) {
                    message.said = Some(Said::new(coding, message.length(), credit));
                }
            } else {
                let left = message.length() - message.taken;
                let count = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
                message.take(&chunk[..count], self.limit, credit);
                chunk = &chunk[count..];
            }
            if message.head_bytes == HEAD && message.taken == message.length() {
                std::mem::take(message).tell("", &mut tell);
            }
        }
        Ok(())
    }

    /// Nothing more of it: what came of a message that has not ended.
    pub(super) fn end(&mut self, note: &'static str, mut tell: impl FnMut(Passed<'_>)) {
        if self.message.head_bytes > 0 {
            std::mem::take(&mut self.message).tell(note, &mut tell);
        }
    }
}

impl Message {
    fn length(&self) -> u64 {
        let [_, length @ ..] = self.head;
        u64::from(u32::from_be_bytes(length))
    }

    fn is_compressed(&self) -> bool {
        self.head[0] & COMPRESSED != 0
    }

    fn take(&mut self, bytes: &[u8], limit: usize, credit: &Credit) {
        self.taken += bytes.len() as u64;
        match &mut self.said {
            Some(said) => said.more(bytes, &mut self.data, limit, credit),
            None => keep(bytes, &mut self.data, limit),
        }
    }

    fn tell(mut self, note: &'static str, tell: &mut impl FnMut(Passed<'_>)) {
        let said = self.said.take().map(|said| said.end(note.is_empty()));
        let note = match &said {
            Some((_, fault)) if note.is_empty() && !fault.is_empty() => fault,
            _ => note,
        };
        let (is_cut, is_trailers) = (!note.is_empty(), self.head[0] & TRAILERS != 0);
        let note = if is_trailers && !is_cut { "trailers" } else { note };
        let is_compressed = self.is_compressed() && said.is_none();
        let (data, size) = (&self.data, said.map_or(self.taken, |(size, _)| size));
        tell(Passed { kind: Kind::Grpc, data, size, note, is_compressed, is_cut, is_trailers, ..Passed::default() });
    }
}

impl Said {
    /// Of so many bytes, of which none says nothing.
    fn new(coding: &Codings, length: u64, credit: &Credit) -> Self {
        let is_read = length > 0 && credit.spend(SETUP);
        Said { undoing: is_read.then(|| Box::new(coding.undoing())), size: 0, fault: "" }
    }

    fn more(&mut self, bytes: &[u8], kept: &mut Vec<u8>, limit: usize, credit: &Credit) {
        let Some(undoing) = &mut self.undoing else { return };
        let size = &mut self.size;
        let take = |text: &[u8]| {
            keep(text, kept, limit);
            *size += text.len() as u64;
            credit.spend(text.len()) && *size <= MOST
        };
        let pushed = undoing.push(Bytes::copy_from_slice(bytes), take);
        self.fault = match pushed {
            Err(_) => "it does not decompress",
            Ok(()) if self.size > MOST || credit.is_spent() => GROWN,
            Ok(()) => return,
        };
        self.undoing = None;
    }

    /// How long it is as far as it could be read, and why not further.
    fn end(self, is_whole: bool) -> (u64, &'static str) {
        let is_read = self.undoing.is_none_or(|undoing| undoing.end()) || !is_whole;
        (self.size, if is_read { self.fault } else { "it does not decompress" })
    }
}

fn keep(bytes: &[u8], kept: &mut Vec<u8>, limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
