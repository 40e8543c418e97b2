//! An agent joins whom its token names, once, and nobody who stands between.

use anyhow::{Context as _, ensure};
use weir_artifact::{Digest, JoinToken};
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
async fn an_agent_that_is_sent_to_rest_is_told_where_agents_connect() -> anyhow::Result<()> {
    let scratch = Scratch::new("sent-to-rest")?;
    let orchestrator = Orchestrator::start(&scratch, "orchestrator").await?;
    orchestrator.generate_keys().await?;
    let mut misled = AgentOptions::new(&scratch, "misled")
        .with("--orchestrator", format!("https://{}", orchestrator.rest))
        .with("--join-token", orchestrator.join_token().await?)
        .spawn()?;
    misled.says("agents connect to the address of gRPC").await?;
    let _ = misled.kill().await;
    Ok(())
}

/// Ids of the agents that the orchestrator knows.
async fn ids(orchestrator: &Orchestrator) -> anyhow::Result<Vec<String>> {
    let agents = orchestrator.list("/agents").await?;
    Ok(agents.iter().filter_map(|agent| agent["id"].as_str().map(str::to_owned)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_died_while_joining_joins_as_itself() -> anyhow::Result<()> {
    let scratch = Scratch::new("died-joining")?;
    let orchestrator = Orchestrator::start(&scratch, "orchestrator").await?;
    orchestrator.generate_keys().await?;
    let token = orchestrator.join_token().await?;
    let options = AgentOptions::new(&scratch, "agent")
        .with("--orchestrator", orchestrator.grpc_url())
        .with("--join-token", &token);
    options.start().await?.process.kill().await?;
    let before = ids(&orchestrator).await?;
    // on disk is what was there when it asked; the answer never came
    let folder = scratch.join("agent/orchestrator");
    let pair = std::fs::read_to_string(folder.join("agent.pem"))?;
    let key = &pair[pair.find("-----BEGIN PRIVATE KEY-----").context("no key")?..];
    let spent = Digest::of(JoinToken::from_text(&token)?.token.as_bytes());
    let joining = serde_json::json!({"spent": spent, "key_pem": key});
    std::fs::remove_dir_all(&folder)?;
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("joining.json"), joining.to_string())?;
    options.start().await?.process.kill().await?;
    ensure!(ids(&orchestrator).await? == before && before.len() == 1, "it is the same agent");
    ensure!(!folder.join("joining.json").exists(), "it has joined");
    // its key is its own
    std::fs::set_permissions(folder.join("agent.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o640))?;
    let mut exposed = options.spawn()?;
    ensure!(
        !exposed.ended(weir_testkit::wait::PATIENCE).await?.success(),
        "it started with a key that others can read"
    );
    ensure!(exposed.log().contains("chmod 600"), "{}", exposed.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_makes_an_agent_join_anew() -> anyhow::Result<()> {
    let scratch = Scratch::new("join-anew")?;
    let orchestrator = Orchestrator::start(&scratch, "orchestrator").await?;
    orchestrator.generate_keys().await?;
    let options = |token: String| {
        AgentOptions::new(&scratch, "agent").with("--orchestrator", orchestrator.grpc_url()).with("--join-token", token)
    };
    let (one, two) = (orchestrator.join_token().await?, orchestrator.join_token().await?);
    for (token, agents) in [(&one, 1), (&one, 1), (&two, 2), (&two, 2)] {
        options(token.clone()).start().await?.process.kill().await?;
        ensure!(ids(&orchestrator).await?.len() == agents, "{agents} agents");
    }
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
