//! Request bodies that have to come at a rate: what is sent byte by byte holds a connection, and where it is long, more. Only the time in
//! which its reader waits for the client counts.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Bytes a second.
const RATE: u64 = 16 << 10;

/// The client is slower than that.
#[derive(Debug, thiserror::Error)]
#[error("the body comes too slowly: {RATE} bytes a second are the least after a while")]
pub(super) struct TooSlow;

struct Steady {
    body: Body,
    received: u64,
    waited: Duration,
    /// Since when its reader waits, and until when it does.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    grace: Duration,
}

/// The same request, whose body comes or fails. The rate counts after `grace`.
pub(super) fn steady(request: Request, grace: Duration) -> Request {
    request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        Body::new(Steady { body, received: 0, waited: Duration::ZERO, waiting: None, grace })
    })
}

impl Steady {
    fn left(&self) -> Duration {
        let earned = Duration::from_micros(self.received.saturating_mul(1_000_000) / RATE);
        (self.grace + earned).saturating_sub(self.waited)
    }
}

impl HttpBody for Steady {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let left = this.left();
                let (_, until) = this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
                std::task::ready!(until.as_mut().poll(cx));
                Poll::Ready(Some(Err(axum::Error::new(TooSlow))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::{super::vouched::unfinished, *};

    fn every(pause: Duration, bytes: usize, times: usize, grace: Duration) -> Steady {
        let pieces = stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes]))
        });
        Steady { body: Body::from_stream(pieces), received: 0, waited: Duration::ZERO, waiting: None, grace }
    }

    #[tokio::test]
    async fn what_comes_byte_by_byte_fails_and_what_comes_at_the_rate_comes() {
        let grace = Duration::from_millis(100);
        let slow = Body::new(every(Duration::from_millis(10), 1, 100, grace));
        let error = axum::body::to_bytes(slow, usize::MAX).await.unwrap_err();
        assert_eq!(unfinished(&error).map(|problem| problem.status()), Some(408), "{error:?}");
        // 20 pieces of ten seconds' bytes in 1 s, or in longer where the machine is slow
        let steady = Body::new(every(Duration::from_millis(50), RATE as usize * 10, 20, grace));
        assert_eq!(axum::body::to_bytes(steady, usize::MAX).await.unwrap().len(), RATE as usize * 200);
    }

    #[tokio::test]
    async fn the_time_of_its_reader_is_not_counted() {
        let grace = Duration::from_secs(2);
        let mut body = Body::new(every(Duration::from_millis(1), 10, 20, grace)).into_data_stream();
        for _ in 0..20 {
            // longer in all than the body may be waited for
            tokio::time::sleep(Duration::from_millis(150)).await;
            body.next().await.unwrap().unwrap();
        }
    }
}
