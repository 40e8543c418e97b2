//! A body that is read ahead of its time, for somebody to see, or that another takes the place of. Enters: what a person or a
//! filter wants of it; leaves: what is held, which goes on as it would have.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;

use super::super::{linger, source::Source};
use super::{BodyStream, Broken};

/// What was read and has not gone on.
#[derive(Default)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

impl Held {
    /// One piece, however small those were in which it came.
    fn take(&mut self, chunk: Bytes) {
        if self.bytes.is_empty() {
            self.bytes = chunk;
            return;
        }
        let before = std::mem::take(&mut self.bytes);
        let mut whole = before.try_into_mut().unwrap_or_else(|before| BytesMut::from(&before[..]));
        whole.extend_from_slice(&chunk);
        self.bytes = whole.freeze();
    }
}

impl BodyStream {
    /// Reads up to `most` bytes before their time. True: that is all of it. What was read goes on as it would have, whether
    /// this comes to its end or is dropped.
    pub(in crate::exchange) async fn hold(&mut self, most: usize) -> Result<bool, Broken> {
        while !self.done && !self.is_sender_over() {
            if self.held().len() >= most {
                return Ok(false);
            }
            let Some(frame) = std::future::poll_fn(|cx| self.poll_sender(cx)).await? else {
                self.ended_before_its_time();
                break;
            };
            self.keep(frame);
        }
        Ok(true)
    }

    /// Reads on as long as there is room, while somebody looks at what is held: the end of a client over HTTP/1 comes behind what
    /// it has sent, so whoever reads nothing does not hear that it has left. Comes to an end only where the client breaks off.
    pub(in crate::exchange) async fn reads_on(&mut self, mut has_room: impl FnMut(usize) -> bool) -> Broken {
        let mut is_full = !self.lingers || self.gate.is_some() || self.done;
        while !is_full && !self.is_sender_over() {
            let next = |cx: &mut std::task::Context<'_>| {
                // It may be silent for as long as somebody looks.
                self.idle.moved();
                self.poll_sender(cx)
            };
            match std::future::poll_fn(next).await {
                Err(broken) => return broken,
                Ok(None) => {
                    self.ended_before_its_time();
                    break;
                }
                Ok(Some(frame)) => {
                    is_full = !has_room(frame.data_ref().map_or(0, Bytes::len));
                    self.keep(frame);
                }
            }
        }
        std::future::pending().await
    }

    fn keep(&mut self, frame: Frame<Bytes>) {
        let held = self.held.get_or_insert_default();
        match frame.into_data() {
            Ok(chunk) => held.take(chunk),
            Err(frame) => held.trailers = frame.into_trailers().ok(),
        }
    }

    /// Nothing more comes of what is read ahead: what there is of it goes on from memory.
    fn ended_before_its_time(&mut self) {
        self.source = Source::Local(None);
        if self.is_sender_at_end() {
            (self.ended, self.done) = (true, true);
        }
    }

    fn is_sender_over(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.trailers.is_some()) || self.source.is_end_stream()
    }

    pub(in crate::exchange) fn held(&self) -> Bytes {
        self.held.as_ref().map(|held| held.bytes.clone()).unwrap_or_default()
    }

    pub(in crate::exchange) fn has_held(&self) -> bool {
        self.held.is_some()
    }

    /// Another body goes in its place, and nothing more of the sender's is wanted.
    pub(in crate::exchange) fn replace(&mut self, source: Source) {
        let before = std::mem::replace(&mut self.source, source);
        if self.lingers && !before.is_end_stream() {
            linger::discard(before);
        }
        (self.held, self.rest) = (None, Bytes::new());
        self.remaining = self.source.len();
        self.ended = self.source.is_end_stream();
        (self.done, self.replaced) = (self.ended, true);
        self.live.record(|ledger| ledger.may_change(self.direction));
    }

    /// Nothing of it is to go, whatever the sender has.
    pub(in crate::exchange) fn drop_content(&mut self) {
        (self.source, self.held, self.rest) = (Source::Local(None), None, Bytes::new());
        (self.remaining, self.ended, self.done) = (Some(0), true, true);
    }
}
