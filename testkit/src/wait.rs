//! Waiting: always for a condition, always with a deadline that says what it waited for.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep, timeout};

/// Long enough for a busy machine of two cores, short enough that a hang is noticed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `work` to its end or fails after `limit`, naming `what`.
pub async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> anyhow::Result<T> {
    timeout(limit, work).await.with_context(|| format!("no end of {what} within {limit:?}"))
}

/// Asks `probe` until it has an answer. Its errors count as "not yet"; the last one is told when time is up.
pub async fn eventually<T, F, R>(limit: Duration, what: &str, mut probe: F) -> anyhow::Result<T>
where
    F: FnMut() -> R,
    R: Future<Output = anyhow::Result<Option<T>>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let last = match probe().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            match last {
                Some(error) => return Err(error.context(format!("waited {limit:?} for {what}"))),
                None => bail!("waited {limit:?} for {what}, which did not come"),
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}
