//! What a server does beside its requests, again and again until it stops.

use std::{
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use tokio_util::sync::CancellationToken;

use super::ages::Ages;
use crate::{MetricsRetention, clock::now_us, orchestrator::Orchestrator, rest};

/// Between two looks at the retention bounds.
const RETENTION: Duration = Duration::from_secs(60);
/// Between two times that samples of system metrics are folded into minutes and hours.
const FOLDING: Duration = Duration::from_secs(60);
/// From one block of the index to the next; between two looks whether there is one; and after a failure.
const INDEXING: (Duration, Duration, Duration) =
    (Duration::from_millis(5), Duration::from_millis(200), Duration::from_secs(30));
/// Between two looks at blocks of which much went or changed.
const INDEXED_AGAIN: Duration = Duration::from_secs(60);
/// Between two looks at what is in the body store.
const SWEEP: Duration = Duration::from_secs(6 * 60 * 60);

/// Deletes what is beyond the bounds, and what nothing needs any more.
pub(super) async fn retain(orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(RETENTION);
    let mut swept: Option<Instant> = None;
    let mut ages = Ages::new(Instant::now(), now_us());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = orchestrator.retaining.notified() => {}
            () = stop.cancelled() => return,
        }
        let now = ages.now(Instant::now(), now_us());
        // Its steps are short, and what one left the next pass does.
        let pass = orchestrator.store.retain(orchestrator.retention, now);
        let pass = tokio::select! {
            pass = pass => pass,
            () = stop.cancelled() => return,
        };
        match pass {
            Ok(0) => {}
            Ok(count) => {
                orchestrator.telemetry.deleted(count);
                tracing::info!(count, "exchanges beyond the retention bounds were deleted");
            }
            Err(error) => tracing::error!(%error, "old exchanges cannot be deleted"),
        }
        let given_back = tokio::select! {
            given_back = orchestrator.store.give_back() => given_back,
            () = stop.cancelled() => return,
        };
        match given_back {
            Ok(0) => {}
            Ok(bytes) => tracing::info!(bytes, "the database gave back what deleted rows had left"),
            Err(error) => tracing::error!(%error, "the database cannot give back what deleted rows left"),
        }
        let cleared = tokio::select! {
            cleared = orchestrator.store.clear_bodies() => cleared,
            () = stop.cancelled() => return,
        };
        if let Err(error) = cleared {
            tracing::error!(%error, "bodies that nobody needs cannot be deleted now; they are tried again");
        }
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            let swept = tokio::select! {
                swept = orchestrator.store.sweep_bodies(UNIX_EPOCH + Duration::from_micros(now)) => swept,
                () = stop.cancelled() => return,
            };
            match swept {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "bodies that no exchange was stored for were deleted"),
                Err(error) => tracing::error!(%error, "the body store cannot be swept"),
            }
        }
        let answered = now.saturating_sub(u64::try_from(rest::KEPT.as_micros()).unwrap_or(u64::MAX));
        if let Err(error) = orchestrator.store.forget_answers_before(answered).await {
            tracing::error!(%error, "old answers cannot be deleted");
        }
    }
}

/// Notes for searches what came, and again what changed or went.
pub(super) async fn index(orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
    let (mut again, mut last) = (Instant::now(), 0);
    loop {
        let noted = tokio::select! {
            noted = orchestrator.store.index_next(&mut last) => noted,
            () = stop.cancelled() => return,
        };
        let pause = match noted {
            Ok(true) => INDEXING.0,
            Ok(false) => INDEXING.1,
            Err(error) => {
                tracing::error!(%error, "exchanges cannot be indexed: searches take longer");
                INDEXING.2
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        if again.elapsed() < INDEXED_AGAIN {
            continue;
        }
        let made = tokio::select! {
            made = orchestrator.store.index_again() => made,
            () = stop.cancelled() => return,
        };
        if let Err(error) = made {
            tracing::error!(%error, "what changed cannot be indexed again: searches take longer");
        }
        again = Instant::now();
    }
}

/// Folds samples of system metrics, and counts usage.
pub(super) async fn fold(orchestrator: Arc<Orchestrator>, keep: MetricsRetention, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(FOLDING);
    let mut ages = Ages::new(Instant::now(), now_us());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = ages.now(Instant::now(), now_us());
        // What is not folded is not deleted either.
        let folded = orchestrator.store.fold_metrics(now_us()).await;
        let folded = match folded {
            Ok(_) => orchestrator.store.retain_metrics(keep, now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = folded {
            tracing::error!(%error, "system metrics cannot be folded into minutes and hours");
        }
        let counted = match orchestrator.store.fold_usage().await {
            Ok(_) => orchestrator.store.retain_usage(now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = counted {
            tracing::error!(%error, "usage cannot be counted");
        }
    }
}
