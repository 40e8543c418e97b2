//! Whether something is asked on a connection, or was a while ago. An answer that is being sent counts as much as a question.

use std::{
    future::pending,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// Of one connection.
#[derive(Clone)]
pub(super) struct Occupied(Arc<watch::Sender<State>>);

#[derive(Clone, Copy)]
struct State {
    /// Questions that are not answered to their end.
    open: usize,
    /// When that changed last.
    since: Instant,
}

/// A question, until its answer ends.
pub(super) struct Question(Arc<watch::Sender<State>>);

impl Occupied {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State { open: 0, since: Instant::now() })))
    }

    pub(super) fn question(&self) -> Question {
        self.0.send_modify(|state| *state = State { open: state.open + 1, since: Instant::now() });
        Question(Arc::clone(&self.0))
    }

    /// Until nothing was asked for so long.
    pub(super) async fn idle(&self, patience: Duration) {
        let mut news = self.0.subscribe();
        loop {
            let State { open, since } = *news.borrow_and_update();
            let quiet = async {
                if open > 0 {
                    pending::<()>().await;
                }
                sleep_until(since + patience).await;
            };
            tokio::select! {
                () = quiet => return,
                changed = news.changed() => if changed.is_err() {
                    return sleep(patience).await;
                },
            }
        }
    }
}

impl Question {
    /// The same body; the question ends with it.
    pub(super) fn until_the_end_of(self, body: Body) -> Body {
        Body::new(Answer { body, _question: self })
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.send_modify(|state| *state = State { open: state.open.saturating_sub(1), since: Instant::now() });
    }
}

struct Answer {
    body: Body,
    _question: Question,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
