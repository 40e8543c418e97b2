//! A body on its way to an upstream. Enters: nothing, or any local stream of frames; leaves: what hyper's client polls, once
//! more where an upstream did not take the request. Must not know where a body comes from.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Duration, Instant, sleep};

pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// `!Send`: it stays on its worker.
pub enum Outgoing {
    Empty,
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>),
}

impl Outgoing {
    pub fn stream(body: impl Body<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Outgoing::Stream(Box::pin(body))
    }
}

/// A first piece up to this is kept until there is an answer: with HTTP/2 it is under way before the upstream can refuse.
const KEPT: usize = 64 << 10;

/// A body, for as long as its request may have to be sent again; nothing where there is none.
pub(super) struct Upload(Option<Rc<Carried>>);

struct Carried {
    body: RefCell<Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>>,
    moved: Cell<Instant>,
    /// for its sender; else for the upstream
    waits: Cell<bool>,
    /// which of the bodies made of it may read on
    turn: Cell<u32>,
    sent: RefCell<Sent>,
    keeps: bool,
}

/// What has gone of it.
enum Sent {
    Nothing,
    /// and nothing else
    First(Bytes),
    Gone,
}

/// The body that connections are made for.
pub(super) struct Upward {
    carried: Option<Rc<Carried>>,
    turn: u32,
    again: Option<Bytes>,
}

#[derive(Debug, thiserror::Error)]
#[error("the request is sent anew on another connection")]
struct Superseded;

impl Upload {
    /// `keeps` a small body, so that it can be sent again.
    pub(super) fn new(body: Outgoing, keeps: bool) -> (Self, Upward) {
        let carried = match body {
            Outgoing::Stream(body) if !body.is_end_stream() => Some(Rc::new(Carried {
                body: RefCell::new(body),
                moved: Cell::new(Instant::now()),
                waits: Cell::new(false),
                turn: Cell::new(0),
                sent: RefCell::new(Sent::Nothing),
                keeps,
            })),
            _ => None,
        };
        let upward = Upward { carried: carried.clone(), turn: 0, again: None };
        (Upload(carried), upward)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// When it last moved.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.0.as_ref().map(|carried| carried.moved.get())
    }

    /// Ends when the body does, or with true once the upstream has taken nothing of it for the limit: then the body is
    /// gone.
    pub(super) fn stalled(&self, limit: Duration) -> Option<impl Future<Output = bool> + use<>> {
        let carried = Rc::downgrade(self.0.as_ref()?);
        Some(async move {
            loop {
                sleep(limit).await;
                // Whoever carried it is gone, or has all of it.
                let Some(carried) = carried.upgrade().filter(|carried| !carried.body.borrow().is_end_stream()) else {
                    return false;
                };
                if !carried.waits.get() && carried.moved.get().elapsed() >= limit {
                    carried.turn.set(carried.turn.get() + 1);
                    carried.body.replace(Box::pin(Empty::new().map_err(|never| match never {})));
                    return true;
                }
            }
        })
    }

    /// The whole body once more, unless too much of it is gone. What was made of it before reads no further.
    pub(super) fn again(&self) -> Option<Upward> {
        let Some(carried) = &self.0 else { return Some(Upward { carried: None, turn: 0, again: None }) };
        let again = match &*carried.sent.borrow() {
            Sent::Nothing => None,
            Sent::First(first) => Some(first.clone()),
            Sent::Gone => return None,
        };
        carried.turn.set(carried.turn.get() + 1);
        Some(Upward { carried: Some(Rc::clone(carried)), turn: carried.turn.get(), again })
    }
}

impl Carried {
    fn note(&self, frame: Option<&Frame<Bytes>>) {
        self.moved.set(Instant::now());
        let Some(frame) = frame else { return };
        let mut sent = self.sent.borrow_mut();
        *sent = match (&*sent, frame.data_ref()) {
            (Sent::Nothing, Some(first)) if self.keeps && first.len() <= KEPT => Sent::First(first.clone()),
            _ => Sent::Gone,
        };
    }
}

impl Body for Upward {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.again.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(carried) = &self.carried else { return Poll::Ready(None) };
        if carried.turn.get() != self.turn {
            return Poll::Ready(Some(Err(Superseded.into())));
        }
        let polled = carried.body.borrow_mut().as_mut().poll_frame(cx);
        carried.waits.set(polled.is_pending());
        let frame = ready!(polled);
        match &frame {
            Some(Err(_)) => {}
            Some(Ok(frame)) => carried.note(Some(frame)),
            None => carried.note(None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.again.is_none() && self.carried.as_ref().is_none_or(|carried| carried.body.borrow().is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let Some(carried) = &self.carried else { return SizeHint::with_exact(0) };
        let mut hint = carried.body.borrow().size_hint();
        if let Some(again) = self.again.as_ref().map(|again| again.len() as u64) {
            // the upper bound first: the lower may not pass it
            let (lower, upper) = (hint.lower() + again, hint.upper().map(|upper| upper + again));
            if let Some(upper) = upper {
                hint.set_upper(upper);
            }
            hint.set_lower(lower);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body_util::{Full, StreamBody};

    use super::*;

    fn body(pieces: &[&'static [u8]]) -> Outgoing {
        let frames: Vec<Result<_, BodyError>> = pieces.iter().map(|piece| Ok(Frame::data((*piece).into()))).collect();
        Outgoing::stream(StreamBody::new(futures_util::stream::iter(frames)))
    }

    async fn piece(upward: &mut Upward) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *upward).poll_frame(cx)).await;
        frame.map(|frame| frame.expect("no error").into_data().expect("data"))
    }

    #[tokio::test]
    async fn a_body_is_whole_again_while_no_more_than_its_first_piece_is_gone() {
        let (upload, mut first) = Upload::new(body(&[b"one", b"two"]), true);
        assert_eq!(piece(&mut first).await.unwrap(), "one");
        let mut second = upload.again().unwrap();
        assert!(poll_fn(|cx| Pin::new(&mut first).poll_frame(cx)).await.unwrap().is_err(), "it reads no further");
        let mut third = upload.again().unwrap();
        assert_eq!(piece(&mut second).await.unwrap(), "one");
        assert_eq!(piece(&mut third).await.unwrap(), "one");
        assert_eq!(piece(&mut third).await.unwrap(), "two");
        assert!(piece(&mut third).await.is_none() && upload.again().is_none());
        let (upload, mut first) = Upload::new(body(&[b"one"]), false);
        piece(&mut first).await;
        assert!(upload.again().is_none(), "it was not to be kept");
    }

    #[tokio::test]
    async fn a_body_again_is_as_long_as_before() {
        let whole = Full::new(Bytes::from_static(b"hello")).map_err(|never| match never {});
        let (upload, mut first) = Upload::new(Outgoing::stream(whole), true);
        assert_eq!(first.size_hint().exact(), Some(5));
        piece(&mut first).await;
        let again = upload.again().unwrap();
        assert_eq!((again.size_hint().exact(), again.is_end_stream()), (Some(5), false));
    }
}
