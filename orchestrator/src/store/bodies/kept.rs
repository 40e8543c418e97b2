//! Bodies that are kept beside their exchange, by the digest of their captured bytes: taken out of an exchange before it is
//! stored, named at the end of its message, put back when it is read. Pure.
//!
//! Small ones stay in the message: a row of its own for each would cost more than it can save.

use bytes::Bytes;
use prost::Message;
use weir_artifact::Digest;
use weir_proto::v1::{self, Exchange, Field};

use super::super::{
    StoreError,
    record::{PAGE, PLAIN, ZSTD, is_dense},
};

/// From so many captured bytes on a body is kept beside.
pub(in super::super) const BESIDE: usize = 4 << 10;

/// Of an exchange, which body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Request = 0,
    FilteredRequest = 1,
    Response = 2,
    OriginalResponse = 3,
}

const SLOTS: [Slot; 4] = [Slot::Request, Slot::FilteredRequest, Slot::Response, Slot::OriginalResponse];

/// The place of a body that is kept beside.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Kept {
    #[prost(uint32, tag = "1")]
    slot: u32,
    #[prost(bytes = "vec", tag = "2")]
    digest: Vec<u8>,
    #[prost(uint64, tag = "3")]
    captured: u64,
}

/// What stands at the end of a stored message. `weir.proto` reserves the number, so no agent can put it there: what it sends
/// under it is gone once the message was read.
#[derive(Clone, PartialEq, Message)]
struct Beside {
    #[prost(message, repeated, tag = "1000")]
    kept: Vec<Kept>,
}

/// A body on its way into the store.
#[derive(Debug, Clone)]
pub(in super::super) struct Piece {
    pub(in super::super) digest: Digest,
    /// Unpacked, bytes.
    pub(in super::super) size: usize,
    pub(in super::super) coding: i64,
    /// Packed; empty once they lie in the body store.
    pub(in super::super) bytes: Bytes,
    /// Where they lie there.
    pub(in super::super) object: Option<String>,
    /// What it takes of a disk, bytes.
    pub(in super::super) stored: usize,
}

impl Kept {
    pub(crate) fn is(&self, slot: Slot) -> bool {
        self.slot == slot as u32
    }

    /// None that this version knows, where a later one wrote it.
    pub(super) fn slot(&self) -> Option<Slot> {
        SLOTS.into_iter().find(|slot| self.is(*slot))
    }

    pub(crate) fn captured(&self) -> u64 {
        self.captured
    }

    pub(crate) fn digest(&self) -> Result<Digest, StoreError> {
        Digest::from_slice(&self.digest).ok_or(StoreError::Damaged("a recorded exchange"))
    }
}

/// Requests and responses are messages of two kinds.
macro_rules! content {
    ($exchange:ident.$message:ident) => {
        $exchange.$message.as_ref().and_then(|message| Some((message.body.as_ref()?, &message.headers[..])))
    };
}

impl Slot {
    pub(crate) fn body(self, exchange: &mut Exchange) -> Option<&mut v1::Body> {
        match self {
            Self::Request => exchange.request.as_mut()?.body.as_mut(),
            Self::FilteredRequest => exchange.filtered_request.as_mut()?.body.as_mut(),
            Self::Response => exchange.response.as_mut()?.body.as_mut(),
            Self::OriginalResponse => exchange.original_response.as_mut()?.body.as_mut(),
        }
    }

    fn content(self, exchange: &Exchange) -> Option<(&v1::Body, &[Field])> {
        match self {
            Self::Request => content!(exchange.request),
            Self::FilteredRequest => content!(exchange.filtered_request),
            Self::Response => content!(exchange.response),
            Self::OriginalResponse => content!(exchange.original_response),
        }
    }
}

/// Has it a body that is to be kept beside?
pub(in super::super) fn is_large(exchange: &Exchange) -> bool {
    SLOTS.into_iter().any(|slot| slot.content(exchange).is_some_and(|(body, _)| body.data.len() >= BESIDE))
}

/// Takes the large bodies out; what is left, as it is stored, and they.
pub(in super::super) fn split(
    exchange: &Exchange,
    mut packer: Option<&mut zstd::bulk::Compressor<'_>>,
) -> (Vec<u8>, Vec<Piece>) {
    let mut exchange = exchange.clone();
    let mut beside = Beside::default();
    let mut pieces: Vec<Piece> = Vec::new();
    for slot in SLOTS {
        let Some((body, headers)) = slot.content(&exchange).filter(|(body, _)| body.data.len() >= BESIDE) else {
            continue;
        };
        let digest = Digest::of(&body.data);
        let captured = body.data.len();
        if pieces.iter().all(|piece| piece.digest != digest) {
            pieces.push(pack(digest, &body.data, is_dense(headers), packer.as_deref_mut()));
        }
        beside.kept.push(Kept { slot: slot as u32, digest: digest.as_bytes().to_vec(), captured: captured as u64 });
        if let Some(body) = slot.body(&mut exchange) {
            body.data = Bytes::new();
        }
    }
    (message(&exchange, beside.kept), pieces)
}

/// An exchange as it is stored, without the bodies that are kept beside.
pub(in super::super) fn message(exchange: &Exchange, kept: Vec<Kept>) -> Vec<u8> {
    let mut message = exchange.encode_to_vec();
    // The fields of two messages, one after the other, are those of both.
    message.extend(Beside { kept }.encode_to_vec());
    message
}

fn pack(digest: Digest, data: &Bytes, dense: bool, packer: Option<&mut zstd::bulk::Compressor<'_>>) -> Piece {
    let packed = packer.filter(|_| !dense).and_then(|packer| packer.compress(data).ok());
    let (coding, bytes) = match packed.filter(|packed| packed.len() < data.len() - data.len() / 8) {
        Some(packed) => (ZSTD, Bytes::from(packed)),
        // Of the batch that it came in it would keep all.
        None => (PLAIN, Bytes::copy_from_slice(data)),
    };
    let stored = taken(bytes.len());
    Piece { digest, size: data.len(), coding, bytes, object: None, stored }
}

/// What so many bytes take of a disk, with their index entries.
fn taken(bytes: usize) -> usize {
    let bytes = bytes + 128;
    if bytes > PAGE / 2 { bytes.next_multiple_of(PAGE / 2) } else { bytes }
}

/// The places named in a stored message.
pub(in super::super) fn named(message: &[u8]) -> Result<Vec<Kept>, StoreError> {
    Beside::decode(message).map(|beside| beside.kept).map_err(|_| StoreError::Damaged("a recorded exchange"))
}

/// The bytes again, if they are those.
pub(in super::super) fn unpack(digest: Digest, size: usize, coding: i64, bytes: Bytes) -> Result<Bytes, StoreError> {
    let damaged = |reason: String| StoreError::Body { digest, reason };
    let plain = if coding == ZSTD {
        let plain = zstd::bulk::decompress(&bytes, size);
        plain.map_err(|error| damaged(format!("it cannot be unpacked: {error}")))?.into()
    } else {
        bytes
    };
    if plain.len() != size {
        return Err(damaged(format!("{} bytes of {size} are there", plain.len())));
    }
    if Digest::of(&plain) != digest {
        return Err(damaged("its bytes are not those that were stored".to_owned()));
    }
    Ok(plain)
}
