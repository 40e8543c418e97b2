//! Long answers, handed over piece by piece to whoever takes them: an answer holds what it is made from, such as a turn of exports,
//! and whoever takes nothing for a while loses it, as does whose credential counts no longer. Over HTTP/2 nothing else sees that: a stream
//! may stand still on a connection that is alive.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::{Frame, SizeHint};
use tokio::{sync::mpsc, time::timeout};

/// Longest piece. So whoever reads an answer has to take 64 KiB a minute.
const PIECE: usize = 64 << 10;

/// A piece, or why there are no more.
enum Piece {
    Data(Bytes),
    Failed(axum::Error),
    End,
}

/// The other end.
struct Pumped {
    pieces: mpsc::Receiver<Piece>,
    hint: SizeHint,
    ended: bool,
}

/// The answer was not taken, or is no longer for whoever asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the answer was given up")]
struct GivenUp;

/// The same answer, whose end does not depend on its reader. It is cut off when it `lapsed`.
pub(super) fn pumped(
    response: Response,
    stall: Duration,
    lapsed: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let hint = response.body().size_hint();
    if hint.upper().is_some_and(|most| most <= PIECE as u64) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let (send, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        let given_up = tokio::select! {
            pumped = pump(body, &send, stall) => pumped.is_none().then_some("nobody took it"),
            () = lapsed => Some("its credential counts no longer"),
        };
        if let Some(reason) = given_up {
            tracing::info!(reason, "an answer was given up");
        }
    });
    Response::from_parts(parts, Body::new(Pumped { pieces, hint, ended: false }))
}

/// None where nobody took it; who went away has it end at once.
async fn pump(body: Body, send: &mpsc::Sender<Piece>, stall: Duration) -> Option<()> {
    let mut data = body.into_data_stream();
    loop {
        let next = tokio::select! {
            next = data.next() => next,
            // who went away is not waited for
            () = send.closed() => return Some(()),
        };
        let mut bytes = match next {
            None => return put(send, Piece::End, stall).await,
            Some(Err(error)) => return put(send, Piece::Failed(error), stall).await,
            Some(Ok(bytes)) => bytes,
        };
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            put(send, Piece::Data(piece), stall).await?;
            if send.is_closed() {
                return Some(());
            }
        }
    }
}

async fn put(send: &mpsc::Sender<Piece>, piece: Piece, stall: Duration) -> Option<()> {
    // An error is of one who went away.
    timeout(stall, send.send(piece)).await.ok().map(drop)
}

impl HttpBody for Pumped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        self.ended = !matches!(piece, Some(Piece::Data(_)));
        Poll::Ready(match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            Some(Piece::Failed(error)) => Some(Err(error)),
            // Given up: an end would have a part taken for the whole.
            None => Some(Err(axum::Error::new(GivenUp))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use std::future::pending;

    use futures_util::stream;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    fn answer(pieces: usize) -> Body {
        let pieces = stream::iter((0..pieces).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![1; 100_000]))));
        pumped(Response::new(Body::from_stream(pieces)), SHORT, pending()).into_body()
    }

    #[tokio::test]
    async fn what_is_taken_comes_whole_and_keeps_its_length() {
        assert_eq!(to_bytes(answer(20), usize::MAX).await.unwrap().len(), 2_000_000);
        let known = pumped(Response::new(Body::from(vec![1; 300_000])), SHORT, pending()).into_body();
        assert_eq!(known.size_hint().exact(), Some(300_000));
        assert_eq!(to_bytes(known, usize::MAX).await.unwrap().len(), 300_000);
    }

    #[tokio::test]
    async fn what_is_not_taken_ends_as_a_failure() {
        let mut body = answer(20).into_data_stream();
        assert!(body.next().await.unwrap().is_ok());
        tokio::time::sleep(SHORT * 5).await;
        let rest: Vec<_> = body.collect().await;
        assert!(rest.last().unwrap().is_err());
    }

    #[tokio::test]
    async fn what_lapsed_ends_as_a_failure_whether_or_not_it_is_taken() {
        for is_taken in [true, false] {
            let (lapse, lapsed) = tokio::sync::oneshot::channel::<()>();
            let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![1; 100_000])));
            let hour = Duration::from_secs(3600);
            let answer = Response::new(Body::from_stream(pieces));
            let mut body = pumped(answer, hour, async { _ = lapsed.await }).into_body().into_data_stream();
            body.next().await.unwrap().unwrap();
            lapse.send(()).unwrap();
            if !is_taken {
                tokio::time::sleep(SHORT).await;
            }
            let rest: Vec<_> = body.collect().await;
            assert!(rest.last().unwrap().is_err() && rest.iter().filter(|piece| piece.is_err()).count() == 1);
        }
    }

    #[tokio::test]
    async fn a_failure_is_no_end() {
        let pieces = [Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("broken"))];
        let body = pumped(Response::new(Body::from_stream(stream::iter(pieces))), SHORT, pending()).into_body();
        assert!(to_bytes(body, usize::MAX).await.is_err());
    }
}
