//! Requests with a path of their own each: what was stored of them can be told apart, and counted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::ensure;
use tokio::task::JoinHandle;

use crate::{
    client::Client,
    orchestrator::Orchestrator,
    wait::{PATIENCE, eventually},
};

/// What stands before the number.
const PATH: &str = "/text/n";

/// Requests one after the other, until stopped.
pub struct Numbered {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Numbered {
    /// To the origin whose URLs begin with `base`, numbered from 0.
    pub fn start(client: Client, base: String) -> Self {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (halt, count) = (stop.clone(), sent.clone());
        let task = tokio::spawn(async move {
            let mut http = client.forward().await?;
            while !halt.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                let reply = http.get(&format!("{base}{PATH}{number}")).await?;
                ensure!(reply.status == 200, "request {number}: {}", reply.status);
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        });
        Self { stop, sent, task }
    }

    /// Waits until so many more are answered.
    pub async fn more(&self, count: u64) -> anyhow::Result<()> {
        let until = self.sent.load(Ordering::Relaxed) + count;
        eventually(PATIENCE * 2, "requests to go on", || async {
            Ok((self.sent.load(Ordering::Relaxed) >= until || self.task.is_finished()).then_some(()))
        })
        .await
    }

    /// Stops, and tells how many there were.
    pub async fn finish(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await??;
        Ok(self.sent.load(Ordering::Relaxed))
    }

    /// Stops, and sees that each request is stored, once.
    pub async fn all_are_stored(self, orchestrator: &Orchestrator) -> anyhow::Result<()> {
        let sent = self.finish().await?;
        let all = eventually(PATIENCE * 2, &format!("{sent} exchanges to be stored"), || async {
            let stored = stored(orchestrator).await?;
            ensure!(stored.len() as u64 >= sent, "{} of {sent} are stored", stored.len());
            Ok(Some(stored))
        })
        .await?;
        let twice: Vec<_> = all.iter().filter(|(_, count)| **count != 1).collect();
        ensure!(twice.is_empty(), "stored more than once: {twice:?}");
        Ok(())
    }
}

/// How often each of such requests is stored, by its path.
pub async fn stored(orchestrator: &Orchestrator) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut paths = BTreeMap::new();
    for exchange in orchestrator.list("/exchanges?limit=500").await? {
        if let Some(path) = exchange["path"].as_str().filter(|path| path.starts_with(PATH)) {
            *paths.entry(path.to_owned()).or_default() += 1;
        }
    }
    Ok(paths)
}
