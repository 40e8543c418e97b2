//! What is recorded, as it comes: read from the store from a place on, however slowly. Each reader has its own place, so it
//! holds nobody up, and nothing is kept for it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use weir_query::Query;

use crate::{
    orchestrator::Orchestrator,
    store::{Arrivals, StoreError},
};

/// Told together.
const PAGE: usize = 100;
/// Between two looks at what came.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two looks while the database is away, and how many.
const AWAY: (Duration, u32) = (Duration::from_secs(1), 30);

/// A reader's place in what came.
pub(crate) struct Tail {
    orchestrator: Arc<Orchestrator>,
    query: Query,
    at: i64,
    news: watch::Receiver<u64>,
    /// When the next look may be.
    next: Instant,
}

impl Tail {
    /// From behind a place, or from now on.
    pub(crate) async fn open(
        orchestrator: &Arc<Orchestrator>,
        query: Query,
        after: Option<i64>,
    ) -> Result<Self, StoreError> {
        // A place that is not there yet, such as one of a database before it was restored, would pass over what comes until it is.
        let newest = orchestrator.store.arrivals(&query, None, 1).await?.next;
        let at = after.map_or(newest, |after| after.min(newest));
        let news = orchestrator.store.arrivals_news();
        Ok(Self { orchestrator: Arc::clone(orchestrator), query, at, news, next: Instant::now() })
    }

    /// Behind all that was looked at.
    pub(crate) fn at(&self) -> i64 {
        self.at
    }

    /// Some that came, one at least, or the news that some were deleted before they could be told, or could not be asked. May be dropped at any
    /// time: what was not given is given later. A database that is away is waited for, for a while.
    pub(crate) async fn next(&mut self) -> Result<Arrivals, StoreError> {
        loop {
            sleep_until(self.next).await;
            self.news.mark_unchanged();
            let arrivals = self.look().await?;
            self.at = arrivals.next;
            let is_all = arrivals.waiting() == 0;
            if is_all {
                self.next = Instant::now() + PAUSE;
            }
            if !arrivals.items.is_empty() || arrivals.skipped > 0 || arrivals.unread.count > 0 {
                return Ok(arrivals);
            }
            if is_all {
                // The store, which this one's orchestrator has, has the other end.
                let _ = self.news.changed().await;
            }
        }
    }

    async fn look(&self) -> Result<Arrivals, StoreError> {
        let (pause, most) = AWAY;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.orchestrator.store.arrivals(&self.query, Some(self.at), PAGE).await {
                Err(error) if tries < most && !matches!(error, StoreError::Closed) => {
                    tracing::debug!(%error, "what came cannot be read");
                    sleep(pause).await;
                }
                other => return other,
            }
        }
    }
}
