//! A body on its way to an upstream. Enters: nothing, or any local stream of frames; leaves: what hyper's client polls, once
//! more where an upstream did not take the request. Must not know where a body comes from.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use tokio::sync::Notify;
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
    over: Cell<bool>,
    /// told when it is over
    end: Notify,
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
                over: Cell::new(false),
                end: Notify::new(),
            })),
            _ => None,
        };
        let upward = Upward { carried: carried.clone(), turn: 0, again: None };
        (Upload(carried), upward)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All of it is on its way, or nobody sends the rest.
    pub(super) fn is_over(&self) -> bool {
        self.0.as_ref().is_none_or(|carried| carried.is_over())
    }

    /// When it last moved.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.0.as_ref().map(|carried| carried.moved.get())
    }

    /// Ends when the body does, or with true once the upstream has taken nothing of it for the limit: then the body is
    /// gone. None for a body that is over. For a request that was answered, which is not sent again.
    pub(super) fn stalled(&self, limit: Duration) -> Option<impl Future<Output = bool> + use<>> {
        let carried = Rc::clone(self.0.as_ref().filter(|carried| !carried.is_over())?);
        Some(async move {
            while !carried.is_over() {
                tokio::select! {
                    () = carried.end.notified() => continue,
                    () = sleep(limit) => {}
                }
                if !carried.waits.get() && carried.moved.get().elapsed() >= limit {
                    carried.turn.set(carried.turn.get() + 1);
                    carried.body.replace(Box::pin(Empty::new().map_err(|never| match never {})));
                    return true;
                }
            }
            false
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
        carried.over.set(false);
        Some(Upward { carried: Some(Rc::clone(carried)), turn: carried.turn.get(), again })
    }
}

impl Carried {
    /// Nobody reads on: all of it was read, or its reader is gone.
    fn end(&self) {
        self.over.set(true);
        self.end.notify_one();
    }

    fn is_over(&self) -> bool {
        self.over.get() || self.body.borrow().is_end_stream()
    }

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
            Some(Err(_)) => carried.end(),
            Some(Ok(frame)) => carried.note(Some(frame)),
            None => {
                carried.note(None);
                carried.end();
            }
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

impl Drop for Upward {
    fn drop(&mut self) {
        if let Some(carried) = self.carried.as_ref().filter(|carried| carried.turn.get() == self.turn) {
            carried.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body_util::{Full, StreamBody};
    use tokio::time::timeout;

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

    #[tokio::test]
    async fn nobody_minds_a_body_that_is_over() {
        let (long, patience) = (Duration::from_secs(3600), Duration::from_secs(10));
        let (upload, mut upward) = Upload::new(body(&[b"one"]), true);
        let read = async { while piece(&mut upward).await.is_some() {} };
        let (stalled, ()) = tokio::join!(timeout(patience, upload.stalled(long).unwrap()), read);
        assert!(!stalled.unwrap() && upload.stalled(long).is_none(), "it was read");
        let (upload, upward) = Upload::new(body(&[b"one"]), true);
        let (stalled, ()) = tokio::join!(timeout(patience, upload.stalled(long).unwrap()), async { drop(upward) });
        assert!(!stalled.unwrap() && upload.stalled(long).is_none(), "its reader is gone");
        let (upload, mut upward) = Upload::new(body(&[b"one"]), true);
        assert!(upload.stalled(Duration::from_millis(1)).unwrap().await, "nobody reads it");
        assert!(poll_fn(|cx| Pin::new(&mut upward).poll_frame(cx)).await.unwrap().is_err());
    }
}
