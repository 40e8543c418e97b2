//! Filters change while traffic flows, and no request notices.
//!
//! `WEIR_SWAPS` sets how many; from [`JUDGED`] on, how long they take and the agent's memory are judged too (`cargo xtask soak`).

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

/// Swaps that tell a leak from the tides of 64 exchanges, some of which hold 1 MiB.
const JUDGED: u64 = 1000;
/// Until caches are full.
const WARM: usize = 50;
/// Of the 50th to the 200th.
const SPAN: f64 = 150.0;

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
    let (mut allocated, mut resident) = (Vec::new(), Vec::new());
    for version in 2..=swaps + 1 {
        let before = load.exchanges();
        took.push(push(version).await?);
        // the load goes on at every version
        eventually(PATIENCE, "exchanges after the swap", || async {
            Ok((load.exchanges() > before + 64).then_some(()))
        })
        .await?;
        allocated.push(setup.agent.metric("weir_agent_allocated_bytes", "").await?);
        resident.push(setup.agent.process.resident()? as f64);
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
    let generations = eventually(PATIENCE, "old generations to end", || async {
        let live = setup.agent.metric("weir_agent_filter_generations", "stamp").await?;
        Ok((live <= 1.0).then_some(live))
    })
    .await?;
    assert!((generations - 1.0).abs() < f64::EPSILON, "the one generation is counted: {generations}");
    if swaps >= JUDGED {
        // the machine may have other work than this test, and one push that waits for it says nothing about the agent
        took.sort();
        ensure!(took[took.len() * 9 / 10] < Duration::from_secs(1), "pushes took {took:?} to be active");
        ensure!(allocated.iter().all(|bytes| *bytes > 0.0), "this agent does not count what it allocates");
        growth("resident", &resident[WARM..]);
        let (mean, growth) = growth("allocated", &allocated[WARM..]);
        ensure!(growth < mean * 0.01, "memory grows by {growth:.2} MiB per {SPAN} swaps, of {mean:.1}");
    }
    Ok(())
}

/// Average and growth in MiB, of the lowest in each ten samples: what is in flight comes and goes.
fn growth(what: &str, bytes: &[f64]) -> (f64, f64) {
    let lowest = |ten: &[f64]| ten.iter().copied().fold(f64::INFINITY, f64::min) / f64::from(1 << 20);
    let lowest: Vec<f64> = bytes.chunks(10).map(lowest).collect();
    let (mean, slope) = line(&lowest);
    println!("{what} memory: {mean:.1} MiB, {:+.2} MiB per {SPAN} swaps: {lowest:.1?}", slope * SPAN / 10.0);
    (mean, slope * SPAN / 10.0)
}

/// Average and slope, by least squares.
fn line(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let (middle, mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let (mut above, mut below) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let from_middle = at as f64 - middle;
        above += from_middle * (value - mean);
        below += from_middle * from_middle;
    }
    (mean, above / below)
}

#[test]
fn a_line_through_noise_has_its_slope() {
    let noisy: Vec<f64> = (0..1000).map(|at| 100.0 + 0.01 * f64::from(at) + f64::from(at * 7 % 13) - 6.0).collect();
    let (mean, slope) = line(&noisy);
    assert!((mean - 105.0).abs() < 0.1 && (slope - 0.01).abs() < 0.001, "{mean} {slope}");
}

fn sample(failures: &[String]) -> &[String] {
    &failures[..failures.len().min(5)]
}
