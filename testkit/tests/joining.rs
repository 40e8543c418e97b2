//! An agent joins whom its token names, once, and nobody who stands between.

use anyhow::ensure;
use weir_testkit::{agent::AgentOptions, ca::Ca, debian, orchestrator::Orchestrator, scratch::Scratch, setup::Setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_man_in_the_middle_is_refused_before_the_token_is_said() -> anyhow::Result<()> {
    let scratch = Scratch::new("middle")?;
    let true_one = Orchestrator::start(&scratch, "true-one").await?;
    true_one.generate_keys().await?;
    let token = true_one.join_token().await?;
    // another orchestrator, with a CA of its own
    let other = Orchestrator::start(&scratch, "other").await?;
    let mut misled = AgentOptions::new(&scratch, "misled")
        .with("--orchestrator", other.grpc_url())
        .with("--join-token", &token)
        .spawn()?;
    let log = misled.says("certificate").await?;
    ensure!(!log.contains("agent ready"), "{log}");
    ensure!(other.list("/agents").await?.is_empty(), "it joined the wrong one");
    let _ = misled.kill().await;
    // a terminating proxy with a certificate of the right name that another CA issued
    let stranger = Ca::new("somebody else")?;
    let leaf = stranger.leaf(&["weir-orchestrator", "localhost", "127.0.0.1"])?;
    let middle = debian::s_server(&scratch, &leaf, &["-alpn", "h2"]).await?;
    let mut misled = AgentOptions::new(&scratch, "misled-too")
        .with("--orchestrator", format!("https://{}", middle.address))
        .with("--join-token", &token)
        .spawn()?;
    misled.says("certificate").await?;
    let heard = middle.process.log();
    ensure!(!heard.contains(&token), "the token was said: {heard}");
    let _ = misled.kill().await;
    // the token was never spent
    let agent = AgentOptions::new(&scratch, "agent")
        .with("--orchestrator", true_one.grpc_url())
        .with("--join-token", &token)
        .start()
        .await?;
    drop(agent);
    ensure!(true_one.list("/agents").await?.len() == 1, "the right one has it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_one_agent_and_a_damaged_one_for_none() -> anyhow::Result<()> {
    let setup = Setup::start("token-once").await?;
    let token = setup.orchestrator.join_token().await?;
    let join = |name: &str, token: &str| {
        AgentOptions::new(&setup.scratch, name)
            .with("--orchestrator", setup.orchestrator.grpc_url())
            .with("--join-token", token)
    };
    let first = join("first", &token).start().await?;
    let mut second = join("second", &token).spawn()?;
    let status = second.ended(weir_testkit::wait::PATIENCE).await?;
    ensure!(!status.success(), "it joined with a spent token");
    let log = second.log();
    ensure!(log.contains("token"), "the token is named: {log}");
    let mut damaged = join("damaged", &token[..token.len() / 2]).spawn()?;
    ensure!(!damaged.ended(weir_testkit::wait::PATIENCE).await?.success(), "it started with half a token");
    ensure!(damaged.log().contains("join token"), "{}", damaged.log());
    drop(first);
    Ok(())
}
