//! Bodies that can be made and checked while they pass: incompressible, of any size, never in memory as a whole.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use anyhow::ensure;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The body type of every client and origin here.
pub type Boxed = BoxBody<Bytes, hyper::Error>;

/// No body.
pub fn empty() -> Boxed {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Boxed {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// `size` bytes that follow from `seed`.
pub struct Pattern {
    seed: u64,
    at: u64,
    size: u64,
    chunk: usize,
    sized: bool,
    pace: Option<Interval>,
    trailers: Option<HeaderMap>,
}

impl Pattern {
    /// With a Content-Length, in chunks of 16 KiB, as fast as the peer takes it.
    pub fn new(seed: u64, size: u64) -> Self {
        Self { seed, at: 0, size, chunk: 16 << 10, sized: true, pace: None, trailers: None }
    }

    /// Without a Content-Length.
    pub fn chunked(mut self) -> Self {
        self.sized = false;
        self
    }

    /// In chunks of this many bytes (a multiple of 8).
    pub fn by(mut self, chunk: usize) -> Self {
        self.chunk = chunk.next_multiple_of(8);
        self
    }

    /// One chunk per `period`.
    pub fn paced(mut self, period: Duration) -> Self {
        let mut pace = interval(period);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.pace = Some(pace);
        self
    }

    /// Trailers after the last byte.
    pub fn trailed(mut self, trailers: HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self.chunked()
    }

    /// As the body type of everything here.
    pub fn boxed(self) -> Boxed {
        self.map_err(|never: std::convert::Infallible| match never {}).boxed()
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.at == self.size {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(cx));
        }
        let length = (self.size - self.at).min(self.chunk as u64);
        let chunk = bytes_at(self.seed, self.at, length as usize);
        self.at += length;
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.size && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized { SizeHint::with_exact(self.size - self.at) } else { SizeHint::default() }
    }
}

/// Says whether bytes that arrive are those of a [`Pattern`].
pub struct Check {
    seed: u64,
    at: u64,
}

impl Check {
    /// Of the pattern with this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, at: 0 }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let before = (self.at % 8) as usize;
        let expected = bytes_at(self.seed, self.at - before as u64, before + bytes.len());
        ensure!(expected[before..] == *bytes, "other bytes than sent within {} of byte {}", bytes.len(), self.at);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.at
    }
}

/// Reads a whole body against the pattern; gives its size and trailers.
pub async fn check<B>(mut body: B, seed: u64) -> anyhow::Result<(u64, Option<HeaderMap>)>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<anyhow::Error>,
{
    let (mut check, mut trailers) = (Check::new(seed), None);
    while let Some(frame) = body.frame().await {
        match frame.map_err(Into::into)?.into_data() {
            Ok(data) => check.take(&data)?,
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((check.size(), trailers))
}

/// `at` is a multiple of 8. SplitMix64 of the position, so that any part can be made without what is before it.
fn bytes_at(seed: u64, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
    let mut word = at / 8;
    while bytes.len() < length {
        let mut z = (seed ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
        word += 1;
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_of_the_pattern_checks_and_any_change_does_not() {
        let whole = bytes_at(7, 0, 1000);
        for step in [1, 3, 8, 13, 999] {
            let mut check = Check::new(7);
            whole.chunks(step).for_each(|chunk| check.take(chunk).unwrap());
            assert_eq!(check.size(), 1000);
        }
        let mut altered = whole.clone();
        altered[500] ^= 1;
        assert!(Check::new(7).take(&altered).is_err());
        assert!(Check::new(8).take(&whole).is_err());
    }
}
