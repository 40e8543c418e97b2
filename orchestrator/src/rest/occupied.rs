//! Whether something is asked on a connection, or was a while ago. An answer that is being sent counts as much as a question. While
//! there is one the connection makes way for no other.

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

use crate::room::Place;

/// Of one connection.
#[derive(Clone)]
pub(super) struct Occupied(Arc<Connection>);

struct Connection {
    state: watch::Sender<State>,
    place: Arc<Place>,
}

#[derive(Clone, Copy)]
struct State {
    /// Questions that are not answered to their end.
    open: usize,
    /// When that changed last.
    since: Instant,
    /// Was there any?
    is_asked: bool,
}

/// A question, until its answer ends.
pub(super) struct Question(Arc<Connection>);

impl Occupied {
    /// Of the connection that has this place.
    pub(super) fn new(place: Arc<Place>) -> Self {
        let state = watch::Sender::new(State { open: 0, since: Instant::now(), is_asked: false });
        Self(Arc::new(Connection { state, place }))
    }

    pub(super) fn question(&self) -> Question {
        self.0.begin();
        Question(Arc::clone(&self.0))
    }

    /// It became another protocol's: what is said there is no question, and goes on for as long as there is a connection.
    pub(super) fn for_good(&self) {
        self.0.begin();
    }

    /// Until nothing was asked for so long on a connection that just came.
    pub(super) async fn unasked(&self, patience: Duration) {
        let mut news = self.0.state.subscribe();
        let asked = async { drop(news.wait_for(|state| state.is_asked).await) };
        tokio::select! {
            () = sleep(patience) => {}
            () = asked => pending().await,
        }
    }

    /// Until nothing was asked for so long.
    pub(super) async fn idle(&self, patience: Duration) {
        let mut news = self.0.state.subscribe();
        loop {
            let State { open, since, .. } = *news.borrow_and_update();
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

impl Connection {
    fn begin(&self) {
        self.state.send_modify(|state| {
            if state.open == 0 {
                self.place.busy();
            }
            *state = State { open: state.open + 1, since: Instant::now(), is_asked: true };
        });
    }

    fn end(&self) {
        self.state.send_modify(|state| {
            *state = State { open: state.open.saturating_sub(1), since: Instant::now(), ..*state };
            if state.open == 0 {
                self.place.idle();
            }
        });
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
        self.0.end();
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
