//! How long a peer may be silent. Enters: word that something moved; leaves: that nothing did for the whole limit. No
//! timer is made before somebody has to wait, and none is touched when something moves, so what moves costs nothing;
//! in exchange the limit may pass almost twice. Must not know who is silent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

pub(crate) struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    moved: bool,
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Idle { limit, sleep: None, moved: false }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn moved(&mut self) {
        self.moved = true;
    }

    /// The outcome of a write, unless `why` nothing of what is sent was taken for the whole limit.
    pub(crate) fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        why: &'static str,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.moved();
            return written;
        }
        ready!(self.poll_expired(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }

    /// To be asked when the peer keeps one waiting; wakes the task when the limit has passed.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        if self.sleep.is_none() {
            self.moved = false;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        loop {
            ready!(sleep.as_mut().poll(cx));
            if !std::mem::take(&mut self.moved) {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(Instant::now() + limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn expires_only_after_a_whole_limit_of_silence() {
        let limit = Duration::from_millis(20);
        let mut idle = Idle::new(limit);
        let began = Instant::now();
        poll_fn(|cx| {
            assert!(idle.poll_expired(cx).is_pending());
            idle.moved();
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| idle.poll_expired(cx)).await;
        assert!(began.elapsed() >= 2 * limit);
    }
}
