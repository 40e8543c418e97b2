//! Messages of gRPC: a flag, a length of four bytes, the message (gRPC over HTTP/2, "Length-Prefixed-Message"). Pure.

use super::Stop;
use crate::record::{Kind, Passed};

const HEAD: usize = 5;
const COMPRESSED: u8 = 1;
/// Of gRPC-Web: what follows are trailers.
const TRAILERS: u8 = 0x80;

pub(super) struct Calls {
    limit: usize,
    head: [u8; HEAD],
    head_bytes: usize,
    data: Vec<u8>,
    /// bytes of the message that have come
    taken: u64,
}

impl Calls {
    pub(super) fn new(limit: usize) -> Self {
        Calls { limit, head: [0; HEAD], head_bytes: 0, data: Vec::new(), taken: 0 }
    }

    pub(super) fn passed(&mut self, mut chunk: &[u8], mut tell: impl FnMut(Passed<'_>)) -> Result<(), Stop> {
        while !chunk.is_empty() {
            if self.head_bytes < HEAD {
                self.head[self.head_bytes] = chunk[0];
                self.head_bytes += 1;
                chunk = &chunk[1..];
                if self.head[0] & !(COMPRESSED | TRAILERS) != 0 {
                    return Err("what should be a flag of gRPC is none");
                }
            } else {
                let left = self.length() - self.taken;
                let count = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
                let room = self.limit.saturating_sub(self.data.len());
                self.data.extend_from_slice(&chunk[..count.min(room)]);
                self.taken += count as u64;
                chunk = &chunk[count..];
            }
            if self.head_bytes == HEAD && self.taken == self.length() {
                self.message_ends("", &mut tell);
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, mut tell: impl FnMut(Passed<'_>)) {
        if self.head_bytes > 0 {
            self.message_ends("it broke off", &mut tell);
        }
    }

    fn length(&self) -> u64 {
        let [_, length @ ..] = self.head;
        u64::from(u32::from_be_bytes(length))
    }

    fn message_ends(&mut self, note: &str, tell: &mut impl FnMut(Passed<'_>)) {
        let note = if note.is_empty() && self.head[0] & TRAILERS != 0 { "trailers" } else { note };
        let is_compressed = self.head[0] & COMPRESSED != 0;
        let (data, size) = (&self.data, self.taken);
        tell(Passed { kind: Kind::Grpc, data, size, note, is_compressed, ..Passed::default() });
        *self = Self::new(self.limit);
    }
}
