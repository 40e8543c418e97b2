//! Filters change while traffic flows, and no request notices.
//!
//! `WEIR_SWAPS` sets how many; from 200 on, the agent's memory is judged too (`cargo xtask soak`).

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use weir_testkit::{
    binaries::filter,
    component,
    load::{Load, Targets, Versions},
    setup::Setup,
    wait::{PATIENCE, eventually},
};

const LANES: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn pushes_under_mixed_load_fail_no_request_and_leave_one_generation() -> anyhow::Result<()> {
    let swaps: u64 = std::env::var("WEIR_SWAPS").map_or(Ok(20), |text| text.parse())?;
    let setup = Setup::start("hot-swap").await?;
    let stamp = std::fs::read(filter("stamp")?)?;
    let versions = Arc::<Versions>::default();
    let push = async |version: u64| {
        // other bytes each time: every swap compiles, as a changed filter does
        let file = setup.scratch.write("stamp.wasm", component::renamed(&stamp, &version.to_string()))?;
        let config = format!(r#"{{"stamp":{version}}}"#);
        versions.pushed.store(version, Ordering::SeqCst);
        let begun = Instant::now();
        setup
            .orchestrator
            .push(&file, &["--name", "stamp", "--config", &config, "--version", &version.to_string()])
            .await?;
        setup.agent.active("stamp", version).await?;
        versions.active.store(version, Ordering::SeqCst);
        anyhow::Ok(begun.elapsed())
    };
    push(1).await?;
    let targets =
        Targets { client: setup.client()?, plain: setup.origin.plain().to_string(), tls: setup.tls_authority() };
    let load = Load::start(LANES, &targets, &versions);
    let mut took = Vec::new();
    let mut memory = Vec::new();
    for version in 2..=swaps + 1 {
        let before = load.exchanges();
        took.push(push(version).await?);
        // the load goes on at every version
        eventually(PATIENCE, "exchanges after the swap", || async {
            Ok((load.exchanges() > before + 64).then_some(()))
        })
        .await?;
        memory.push(setup.agent.process.resident()?);
    }
    let outcome = load.stop().await?;
    let slowest = took.iter().max().context("pushes")?;
    println!("{} exchanges, {} failed; {swaps} swaps, slowest {slowest:?}", outcome.exchanges, outcome.failures.len());
    ensure!(
        outcome.failures.is_empty(),
        "{} failures, such as {:#?}",
        outcome.failures.len(),
        sample(&outcome.failures)
    );
    // the machine may have other work than this test, and one push that waits for it says nothing about the agent
    let mut sorted = took.clone();
    sorted.sort();
    ensure!(sorted[sorted.len() * 9 / 10] < Duration::from_secs(1), "pushes took {took:?} to be active");
    let generations = eventually(PATIENCE, "old generations to end", || async {
        let live = setup.agent.metric("weir_agent_filter_generations", "stamp").await?;
        Ok((live <= 1.0).then_some(live))
    })
    .await?;
    assert!((generations - 1.0).abs() < f64::EPSILON, "the one generation is counted: {generations}");
    if swaps >= 200 {
        // single samples differ by a tenth: the allocator gives memory back some time after each compilation
        let lowest = |window: &[u64]| window.iter().min().map_or(0.0, |bytes| mib(*bytes as f64));
        let (early, late) = (lowest(&memory[30..50]), lowest(&memory[swaps as usize - 20..]));
        println!("agent memory: {early:.2} MiB about swap 50, {late:.2} MiB about swap {swaps}");
        ensure!(late < early * 1.01, "memory grew from {early:.2} MiB about swap 50 to {late:.2} about swap {swaps}");
    }
    Ok(())
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

fn sample(failures: &[String]) -> &[String] {
    &failures[..failures.len().min(5)]
}
