//! A body that the chain gives and the guest reads.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use wasmtime_wasi_http::Error;

use super::wire::{Piece, Wire};
use crate::Direction;

pub(crate) struct InputBody {
    wire: Arc<Wire>,
    direction: Direction,
}

impl InputBody {
    pub(crate) fn new(wire: &Arc<Wire>, direction: Direction) -> Self {
        Self { wire: Arc::clone(wire), direction }
    }
}

impl Body for InputBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.wire.poll_input(self.direction, cx).map(|input| {
            Some(match input? {
                Piece::Chunk(chunk) => Ok(Frame::data(chunk)),
                Piece::Trailers(trailers) => Ok(Frame::trailers(trailers)),
                Piece::Broken => Err(Error::ConnectionTerminated),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.wire.is_at_end(self.direction)
    }
}

impl Drop for InputBody {
    fn drop(&mut self) {
        self.wire.dropped_input(self.direction);
    }
}
