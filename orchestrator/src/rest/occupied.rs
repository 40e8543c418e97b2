//! Whether something is asked on a connection, or was a while ago. An answer that is being sent counts as much as a question, unless
//! nobody takes it: over HTTP/2 it may lie there for as long as its reader likes. While there is one of somebody who is signed in, the
//! connection makes way for no other.

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
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

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
    /// Those of them whose credential counts.
    signed_in: usize,
    /// When that changed last.
    since: Instant,
    /// Was there any?
    is_asked: bool,
}

/// A question, until its answer ends.
pub(super) struct Question(Arc<Asked>);

/// The same for whoever looks at its credential.
#[derive(Clone)]
pub(crate) struct Asking(Arc<Asked>);

struct Asked {
    connection: Arc<Connection>,
    stage: Mutex<Stage>,
}

#[derive(Default)]
struct Stage {
    is_signed_in: bool,
    is_over: bool,
    /// It became another protocol's: what is said there goes on for as long as there is a connection.
    is_for_good: bool,
}

impl Occupied {
    /// Of the connection that has this place.
    pub(super) fn new(place: Arc<Place>) -> Self {
        let state = State { open: 0, signed_in: 0, since: Instant::now(), is_asked: false };
        Self(Arc::new(Connection { state: watch::Sender::new(state), place }))
    }

    pub(super) fn question(&self) -> Question {
        self.0.change(|state| *state = State { open: state.open + 1, is_asked: true, ..*state });
        Question(Arc::new(Asked { connection: Arc::clone(&self.0), stage: Mutex::default() }))
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
    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            let before = state.signed_in;
            change(state);
            state.since = Instant::now();
            match (before, state.signed_in) {
                (0, 1..) => self.place.busy(),
                // Anybody may ask: of those who are at nothing, who asked last makes way last.
                (_, 0) => self.place.idle(),
                (1.., 1..) => {}
            }
        });
    }
}

impl Question {
    pub(super) fn asking(&self) -> Asking {
        Asking(Arc::clone(&self.0))
    }

    /// The connection became another protocol's.
    pub(super) fn for_good(&self) {
        self.0.stage.lock().is_for_good = true;
    }

    /// The same body. The question ends with it, or when nobody took any of it for so long.
    pub(super) fn until_the_end_of(self, body: Body, stall: Duration) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let (offered, mut news) = watch::channel(Some(Instant::now()));
        // It keeps no place by itself.
        let asked = Arc::downgrade(&self.0);
        let stalls = tokio::spawn(async move {
            loop {
                let until = news.borrow().unwrap_or_else(Instant::now) + stall;
                tokio::select! {
                    () = sleep_until(until) => {}
                    // Only its end is told.
                    _ = news.changed() => return,
                }
                if news.borrow().is_some_and(|since| since.elapsed() >= stall) {
                    return asked.upgrade().iter().for_each(|asked| asked.end());
                }
            }
        });
        Body::new(Answer { body, offered, _question: self, stalls: stalls.abort_handle() })
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if !self.0.stage.lock().is_for_good {
            self.0.end();
        }
    }
}

impl Asking {
    /// Its credential counts: the connection makes way for no other until it is answered.
    pub(crate) fn is_signed_in(&self) {
        let mut stage = self.0.stage.lock();
        if !stage.is_signed_in && !stage.is_over {
            stage.is_signed_in = true;
            self.0.connection.change(|state| state.signed_in += 1);
        }
    }

    /// Until the connection has to make way.
    pub(crate) fn left(&self) -> CancellationToken {
        self.0.connection.place.left().clone()
    }
}

impl Asked {
    fn end(&self) {
        let mut stage = self.stage.lock();
        if std::mem::replace(&mut stage.is_over, true) {
            return;
        }
        let was_signed_in = usize::from(stage.is_signed_in);
        self.connection.change(|state| {
            state.open = state.open.saturating_sub(1);
            state.signed_in = state.signed_in.saturating_sub(was_signed_in);
        });
    }
}

struct Answer {
    body: Body,
    /// Since when the peer could take some: nothing while the answer is waited for.
    offered: watch::Sender<Option<Instant>>,
    stalls: AbortHandle,
    _question: Question,
}

impl Answer {
    fn offer(&self, since: Option<Instant>) {
        self.offered.send_if_modified(|offered| {
            *offered = since;
            false
        });
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.stalls.abort();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.offer(frame.is_ready().then(Instant::now));
        frame
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
    use std::net::IpAddr;

    use axum::body::to_bytes;
    use futures_util::stream;

    use super::*;
    use crate::room::{MakesWay, Room};

    const STALL: Duration = Duration::from_millis(20);
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// With one place, and the only one who is in.
    fn one() -> (Arc<Room>, Arc<Place>, Occupied) {
        let room = Room::new(1, 1, MakesWay::Idle);
        let place = Arc::new(room.enter(PEER, false).unwrap().0);
        (room, Arc::clone(&place), Occupied::new(place))
    }

    #[tokio::test]
    async fn a_question_of_nobody_keeps_no_place() {
        let (room, place, occupied) = one();
        let _held = occupied.question().until_the_end_of(Body::from("401"), STALL);
        assert!(room.enter(PEER, false).is_ok() && place.left().is_cancelled());
    }

    #[tokio::test]
    async fn one_who_is_signed_in_keeps_it_to_the_end_of_the_answer() {
        let (room, _place, occupied) = one();
        let question = occupied.question();
        question.asking().is_signed_in();
        let held = question.until_the_end_of(Body::from("200"), STALL);
        assert!(room.enter(PEER, false).is_err());
        assert_eq!(to_bytes(held, 9).await.unwrap(), "200");
        assert!(room.enter(PEER, false).is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_keeps_it_for_a_while() {
        let (room, _place, occupied) = one();
        let question = occupied.question();
        question.asking().is_signed_in();
        let _held = question.until_the_end_of(Body::from("200"), STALL);
        assert!(room.enter(PEER, false).is_err());
        occupied.idle(Duration::ZERO).await;
        assert!(room.enter(PEER, false).is_ok());
    }

    #[tokio::test]
    async fn one_that_has_nothing_to_tell_keeps_it() {
        let (room, _place, occupied) = one();
        let question = occupied.question();
        question.asking().is_signed_in();
        let never = stream::pending::<Result<Bytes, std::io::Error>>();
        let mut held = question.until_the_end_of(Body::from_stream(never), STALL);
        let waiting = std::future::poll_fn(|cx| Pin::new(&mut held).poll_frame(cx));
        assert!(tokio::time::timeout(STALL * 10, waiting).await.is_err());
        assert!(room.enter(PEER, false).is_err());
    }

    #[tokio::test]
    async fn another_protocol_keeps_it_once_it_is_signed_in() {
        let (room, place, occupied) = one();
        let question = occupied.question();
        let asking = question.asking();
        question.for_good();
        drop(question);
        asking.is_signed_in();
        assert!(room.enter(PEER, false).is_err());
        drop((asking, occupied, place));
        assert!(room.enter(PEER, false).is_ok());
    }
}
