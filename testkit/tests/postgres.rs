//! A fleet on PostgreSQL: real agents, one orchestrator or two, and a database that is killed as they are.

use anyhow::ensure;
use weir_testkit::{
    agent::AgentOptions,
    binaries::filter,
    ca::Ca,
    numbered::Numbered,
    orchestrator::Orchestrator,
    origin::Origin,
    postgres::{Database, Server},
    scratch::Scratch,
    setup::Setup,
};

#[tokio::test(flavor = "multi_thread")]
async fn orchestrator_and_database_are_killed_and_every_exchange_is_stored_once() -> anyhow::Result<()> {
    let scratch = Scratch::new("on-postgres")?;
    let mut postgres = Server::start(scratch.path()).await?;
    let url = postgres.url();
    let mut setup = Setup::start_in(scratch, Some(url), |options| options.with("--workers", "2")).await?;
    setup.orchestrator.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":5}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    let reply = setup.client()?.forward().await?.get(&setup.plain("/text/first")).await?;
    assert_eq!(reply.header("x-stamp"), "5");
    assert_eq!(setup.recorded("/text/first").await?["receipts"][0]["name"], "stamp");

    let load = Numbered::start(setup.client()?, setup.plain(""));
    for round in 0..2 {
        load.more(100 + round * 37).await?;
        setup.orchestrator.kill().await?;
        load.more(50).await?;
        setup.orchestrator.restart().await?;
        setup.connected().await?;
        load.more(100 + round * 23).await?;
        postgres.kill()?;
        load.more(50).await?;
        postgres = postgres.restart().await?;
        setup.connected().await?;
    }
    load.more(50).await?;
    load.all_are_stored(&setup.orchestrator).await?;
    ensure!(setup.agent.metric("weir_agent_recorder_dropped_total", "").await? == 0.0, "nothing was dropped");
    // It takes changes as before.
    setup.orchestrator.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":6}"#]).await?;
    setup.agent.active("stamp", 2).await?;
    // Before the folder that it is in.
    drop(postgres);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_orchestrators_one_dies_and_the_fleet_goes_on_with_the_other() -> anyhow::Result<()> {
    let (scratch, database) = (Scratch::new("two-orchestrators")?, Database::create().await?);
    let ca = Ca::new("testkit origins")?;
    let origin = Origin::start(&ca).await?;
    let mut one = Orchestrator::start_on(&scratch, "one", Some(database.url())).await?;
    one.generate_keys().await?;
    let two = one.beside(&scratch, "two").await?;
    let options = AgentOptions::new(&scratch, "agent")
        .with("--workers", "2")
        .with("--orchestrator", format!("{},{}", one.grpc_url(), two.grpc_url()))
        .with("--join-token", one.join_token().await?);
    let agent = options.start().await?;
    // It is with one, and what is said at the other reaches it.
    two.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":5}"#]).await?;
    agent.active("stamp", 1).await?;
    let load = Numbered::start(agent.client(&[&ca.pem()])?, format!("http://{}", origin.plain()));
    for (round, stamp) in [r#"{"stamp":6}"#, r#"{"stamp":7}"#].into_iter().enumerate() {
        load.more(150).await?;
        one.kill().await?;
        load.more(50).await?;
        two.push(&filter("stamp")?, &["--name", "stamp", "--config", stamp]).await?;
        agent.active("stamp", round as u64 + 2).await?;
        one.restart().await?;
    }
    load.more(50).await?;
    load.all_are_stored(&one).await?;
    ensure!(agent.metric("weir_agent_recorder_dropped_total", "").await? == 0.0, "nothing was dropped");
    Ok(())
}
