//! The orchestrator is killed at any moment. Agents serve on, spool within their bound, come back and deliver; nothing
//! that was acknowledged is lost, and nothing is stored twice.

use anyhow::ensure;
use weir_testkit::{
    binaries::filter,
    numbered::{Numbered, stored},
    setup::Setup,
    wait::{PATIENCE, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_exchange_is_stored_once_although_the_orchestrator_is_killed_again_and_again() -> anyhow::Result<()> {
    let mut setup = Setup::start("killed").await?;
    let load = Numbered::start(setup.client()?, setup.plain(""));
    for round in 0..4 {
        load.more(100 + round * 37).await?;
        setup.orchestrator.kill().await?;
        load.more(150).await?;
        setup.orchestrator.restart().await?;
        setup.connected().await?;
    }
    load.more(50).await?;
    load.all_are_stored(&setup.orchestrator).await?;
    ensure!(setup.agent.metric("weir_agent_recorder_dropped_total", "").await? == 0.0, "nothing was dropped");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_agent_without_orchestrator_runs_the_last_good_filters() -> anyhow::Result<()> {
    let mut setup = Setup::start("last-good-start").await?;
    setup.orchestrator.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":5}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    setup.orchestrator.kill().await?;
    setup.agent.process.kill().await?;
    setup.agent = setup.options.start().await?;
    let reply = setup.client()?.forward().await?.get(&setup.plain("/text/alone")).await?;
    assert_eq!(reply.header("x-stamp"), "5");
    // it spooled that one, and delivers it
    setup.orchestrator.restart().await?;
    setup.connected().await?;
    setup.recorded("/text/alone").await?;
    // and takes changes again
    setup.orchestrator.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":6}"#]).await?;
    setup.agent.active("stamp", 2).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_spooled_survives_its_own_death() -> anyhow::Result<()> {
    let mut setup = Setup::start("spool").await?;
    setup.orchestrator.kill().await?;
    let mut http = setup.client()?.forward().await?;
    for number in 0..40 {
        assert_eq!(http.get(&setup.plain(&format!("/text/n{number}"))).await?.status, 200);
    }
    eventually(PATIENCE, "the spool to hold them", || async {
        let recorded = setup.agent.metric("weir_agent_recorder_recorded_total", "").await?;
        let queued = setup.agent.metric("weir_agent_recorder_queued_bytes", "").await?;
        Ok((recorded >= 40.0 && queued == 0.0).then_some(()))
    })
    .await?;
    setup.agent.process.kill().await?;
    setup.agent = setup.options.start().await?;
    setup.orchestrator.restart().await?;
    eventually(PATIENCE, "all of them to be stored", || async {
        let stored = stored(&setup.orchestrator).await?;
        ensure!(stored.len() == 40, "{} are stored", stored.len());
        Ok(Some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_drops_and_counts_and_serves_on() -> anyhow::Result<()> {
    let mut setup = Setup::start_with("full-spool", |options| {
        options.with("--capture-spool-bytes", "256KiB").with("--capture-queue-bytes", "256KiB")
    })
    .await?;
    setup.orchestrator.kill().await?;
    let mut http = setup.client()?.forward().await?;
    let mut sent = 0;
    // 60 kB of body each: some fit, most do not
    for number in 0..200 {
        let reply = http.get(&setup.plain(&format!("/bytes/60000?seed={number}"))).await?;
        assert_eq!(reply.status, 200);
        sent += 1;
    }
    let dropped = eventually(PATIENCE, "drops to be counted", || async {
        let dropped = setup.agent.metric("weir_agent_recorder_dropped_total", "").await?;
        Ok((dropped > 0.0).then_some(dropped))
    })
    .await?;
    let bytes = setup.agent.metric("weir_agent_spool_bytes", "").await?;
    ensure!(bytes <= f64::from(256 << 10), "{bytes} bytes are spooled");
    setup.orchestrator.restart().await?;
    setup.connected().await?;
    eventually(PATIENCE, "stored and dropped to make up all", || async {
        let stored = setup.orchestrator.list("/exchanges?limit=500").await?.len();
        let dropped = setup.agent.metric("weir_agent_recorder_dropped_total", "").await?;
        ensure!(stored + dropped as usize == sent, "{stored} stored, {dropped} dropped of {sent}");
        Ok(Some(()))
    })
    .await?;
    ensure!(dropped < f64::from(200), "some were kept");
    Ok(())
}
