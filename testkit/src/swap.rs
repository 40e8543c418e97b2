//! A filter is swapped, and swapped again, while exchanges flow.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use crate::{
    client::Http,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

/// Pushes versions 1 to 8 of the filter while eight connections carry exchanges, each of which has to be as it should; then
/// the generations of before have to end. `exchange` is given the connection's number.
pub async fn unnoticed<E, F>(
    setup: &Setup,
    filter: &str,
    push: impl AsyncFn(u64) -> anyhow::Result<()>,
    exchange: E,
) -> anyhow::Result<()>
where
    E: Fn(usize, Http) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<Http>> + Send,
{
    push(1).await?;
    let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let mut lanes = Vec::new();
    for lane in 0..8 {
        let (stop, count, exchange) = (Arc::clone(&stop), Arc::clone(&count), exchange.clone());
        let mut http = setup.client()?.forward().await?;
        lanes.push(tokio::spawn(async move {
            while !stop.load(Relaxed) {
                http = exchange(lane, http).await?;
                count.fetch_add(1, Relaxed);
            }
            anyhow::Ok(())
        }));
    }
    for version in 2..=8 {
        let before = count.load(Relaxed);
        push(version).await?;
        eventually(PATIENCE, "exchanges after the swap", || async {
            Ok((count.load(Relaxed) > before + 50).then_some(()))
        })
        .await?;
    }
    stop.store(true, Relaxed);
    for lane in lanes {
        lane.await??;
    }
    println!("{} exchanges over 7 swaps", count.load(Relaxed));
    eventually(PATIENCE, "old generations to end", || async {
        let live = setup.agent.metric("weir_agent_filter_generations", filter).await?;
        Ok((live <= 1.0).then_some(()))
    })
    .await
}
