//! A filter with streams is swapped while requests flow: none fails, and old generations end.

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

use super::{GRANTS, told};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_notices_a_swap() -> anyhow::Result<()> {
    let setup = Setup::start("streaming-swap").await?;
    let good = std::fs::read(filter("streaming")?)?;
    let push = async |version: u64| {
        let file = setup.scratch.write("streaming.wasm", component::renamed(&good, &version.to_string()))?;
        let version_text = version.to_string();
        let arguments = [&GRANTS[..], &["--version", &version_text]].concat();
        setup.orchestrator.push(&file, &arguments).await?;
        setup.agent.active("streaming", version).await
    };
    push(1).await?;
    let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let lanes: Vec<_> = (0..8)
        .map(|lane| {
            let (stop, count, client, url) = (stop.clone(), count.clone(), setup.client(), setup.plain("/echo"));
            tokio::spawn(async move {
                let mut http = client?.forward().await?;
                let (what, expected) = [("upper", "A BODY"), ("hand-on", "a body")][lane % 2];
                while !stop.load(Ordering::Relaxed) {
                    let reply = told(&mut http, what, "POST", &url, body::full("a body")).await?;
                    ensure!(reply.status == 200 && reply.text() == expected, "{reply:?}");
                    ensure!(reply.header("x-seen") == "1", "{reply:?}");
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
        let live = setup.agent.metric("weir_agent_filter_generations", "streaming").await?;
        Ok((live <= 1.0).then_some(()))
    })
    .await
}
