//! Stopping without breaking an exchange. Enters: the wish to stop, from any thread; leaves: each worker's connections
//! told once, and counted until they are gone. Must not know why the agent stops.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tokio::sync::watch;

/// Seen by every thread: whether the agent is to stop.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown(watch::Sender::new(false))
    }
}

impl Shutdown {
    /// No new connections from now on; those there are end with the exchange they are at.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    pub async fn begun(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

/// The connections and tunnels of one worker. A look at it costs a load, since every request takes one.
#[derive(Clone, Default)]
pub struct Drain(Rc<State>);

#[derive(Default)]
struct State {
    begun: Cell<bool>,
    members: RefCell<Slab<Option<Waker>>>,
    empty: RefCell<Option<Waker>>,
}

/// One connection or tunnel; the worker waits for its drop.
pub struct Member {
    state: Rc<State>,
    key: usize,
}

impl Drain {
    pub fn join(&self) -> Member {
        Member { state: Rc::clone(&self.0), key: self.0.members.borrow_mut().insert(None) }
    }

    pub fn begin(&self) {
        self.0.begun.set(true);
        let wakers: Vec<_> = self.0.members.borrow_mut().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub fn has_begun(&self) -> bool {
        self.0.begun.get()
    }

    pub async fn empty(&self) {
        poll_fn(|cx| {
            if self.0.members.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.0.empty.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Member {
    pub async fn begun(&self) {
        poll_fn(|cx| self.poll_begun(cx)).await;
    }

    pub fn poll_begun(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state.begun.get() {
            return Poll::Ready(());
        }
        let mut members = self.state.members.borrow_mut();
        let waker = &mut members[self.key];
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.state.members.borrow_mut();
        members.remove(self.key);
        if members.is_empty()
            && let Some(waker) = self.state.empty.take()
        {
            waker.wake();
        }
    }
}
