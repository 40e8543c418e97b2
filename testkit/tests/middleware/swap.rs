//! A middleware is swapped while requests flow: none fails, each meets one version, and old generations end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use anyhow::ensure;
use weir_testkit::{
    binaries::filter,
    body, component,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_notices_a_swap() -> anyhow::Result<()> {
    let setup = Setup::start("middleware-swap").await?;
    let hello = std::fs::read(filter("hello-middleware")?)?;
    let push = async |version: u64| {
        let file = setup.scratch.write("hello.wasm", component::renamed(&hello, &version.to_string()))?;
        setup.orchestrator.push(&file, &["--name", "hello", "--version", &version.to_string()]).await?;
        setup.agent.active("hello", version).await
    };
    push(1).await?;
    let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let lanes: Vec<_> = (0..8)
        .map(|_| {
            let (stop, count, client, url) = (stop.clone(), count.clone(), setup.client(), setup.plain("/echo"));
            tokio::spawn(async move {
                let mut http = client?.forward().await?;
                while !stop.load(Ordering::Relaxed) {
                    let reply = http.post(&url, body::full("a body")).await?;
                    ensure!(reply.status == 200 && reply.text() == "a body", "{reply:?}");
                    ensure!(reply.header("x-middleware") == "hello", "{reply:?}");
                    count.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for version in 2..=8 {
        let before = count.load(Ordering::Relaxed);
        push(version).await?;
        eventually(PATIENCE, "exchanges after the swap", || async {
            Ok((count.load(Ordering::Relaxed) > before + 50).then_some(()))
        })
        .await?;
    }
    stop.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await??;
    }
    println!("{} exchanges over 7 swaps", count.load(Ordering::Relaxed));
    eventually(PATIENCE, "old generations to end", || async {
        let live = setup.agent.metric("weir_agent_filter_generations", "hello").await?;
        Ok((live <= 1.0).then_some(()))
    })
    .await
}
