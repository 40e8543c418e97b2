//! An agent's certificate ends, is renewed before, and can be taken away: traffic notices none of it.

use anyhow::{Context as _, ensure};
use weir_testkit::{
    agent::AgentOptions,
    binaries::filter,
    ca::Ca,
    orchestrator::Orchestrator,
    origin::Origin,
    scratch::Scratch,
    wait::{PATIENCE, eventually},
};

const BLOCK: [&str; 6] = ["--name", "block", "--config", r#"{"paths":["/secret*"]}"#, "--version", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_before_it_ends() -> anyhow::Result<()> {
    let scratch = Scratch::new("renewing")?;
    let ca = Ca::new("testkit origins")?;
    let origin = Origin::start(&ca).await?;
    let orchestrator = Orchestrator::start_with(&scratch, "orchestrator", &["--agent-certificate", "15s"]).await?;
    orchestrator.generate_keys().await?;
    let options = AgentOptions::new(&scratch, "agent")
        .with("--orchestrator", orchestrator.grpc_url())
        .with("--join-token", orchestrator.join_token().await?);
    let mut agent = options.start().await?;
    let pair = scratch.join("agent/orchestrator/agent.pem");
    let mut seen = vec![std::fs::read_to_string(&pair)?];
    while seen.len() < 4 {
        let last = seen.last().context("the first")?;
        let next = eventually(PATIENCE, "another certificate", || async {
            let now = std::fs::read_to_string(&pair)?;
            Ok((now != *last).then_some(now))
        })
        .await?;
        seen.push(next);
    }
    // the first has ended by now: a filter is fetched and traffic recorded with another
    orchestrator.push(&filter("block")?, &BLOCK).await?;
    // it may have been about to open its stream anew
    agent.active("block", 1).await?;
    let url = format!("http://{}", origin.plain());
    let mut http = agent.client(&[])?.forward().await?;
    ensure!(http.get(&format!("{url}/secret")).await?.status == 403);
    ensure!(http.get(&format!("{url}/text/kept")).await?.status == 200);
    eventually(PATIENCE, "the record", || async {
        let exchanges = orchestrator.list("/exchanges?query=path:/text/kept").await?;
        Ok((!exchanges.is_empty()).then_some(()))
    })
    .await?;
    let agents = orchestrator.list("/agents").await?;
    ensure!(agents.len() == 1, "it stayed itself: {agents:?}");
    // and so does one that died and comes again
    agent.process.kill().await?;
    drop(options.start().await?);
    ensure!(orchestrator.list("/agents").await?.len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_serves_on_and_is_heard_no_more() -> anyhow::Result<()> {
    let setup = weir_testkit::setup::Setup::start("revoking").await?;
    setup.orchestrator.push(&filter("block")?, &BLOCK).await?;
    setup.agent.active("block", 1).await?;
    let agents = setup.orchestrator.list("/agents").await?;
    let id = agents.first().and_then(|agent| agent["id"].as_str()).context("an agent")?;
    let unknown = setup.orchestrator.command(["agents", "revoke", "nobody"]).await?;
    ensure!(!unknown.success && unknown.stderr.contains("no agent `nobody`"), "{unknown:?}");
    let told = setup.orchestrator.command(["agents", "revoke", &id[id.len() - 8..]]).await?.ok()?;
    ensure!(told.contains(id), "{told}");
    eventually(PATIENCE, "the agent to hear of it", || async {
        Ok(setup.agent.process.log().contains("was revoked: join again").then_some(()))
    })
    .await?;
    let mut http = setup.client()?.forward().await?;
    ensure!(http.get(&setup.plain("/secret")).await?.status == 403, "the filter runs on");
    ensure!(http.get(&setup.plain("/text/unheard")).await?.status == 200);
    let listed = setup.orchestrator.command(["agents"]).await?.ok()?;
    ensure!(listed.contains("revoked"), "{listed}");
    Ok(())
}
