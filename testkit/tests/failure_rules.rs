//! What exchanges get when a filter fails may differ by request, as its publication says; and no breaker makes it weaker.

use anyhow::ensure;
use weir_testkit::{binaries::filter, setup::Setup, wait};

const TRAPS: &str = r#"{"at":"request-head","fault":"trap"}"#;

async fn one_worker(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| options.with("--workers", "1")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rule_that_fits_counts_with_the_breaker_open_too() -> anyhow::Result<()> {
    let setup = one_worker("failure-rules").await?;
    let arguments = ["--name", "guard", "--config", TRAPS, "--on-failure", "closed"];
    let rules = ["--on-failure-for", "path:/text/public/login=closed", "--on-failure-for", "path:/text/public/*=open"];
    setup.orchestrator.push(&filter("rogue")?, &[&arguments[..], &rules].concat()).await?;
    setup.agent.active("guard", 1).await?;
    let mut http = setup.client()?.forward().await?;
    // More than the breaker takes: whoever fails it on the routes that are open does not open the others.
    for round in 0..30 {
        ensure!(http.get(&setup.plain("/text/public/page")).await?.status == 200, "round {round}");
    }
    for path in ["/text/public/login", "/text/secret"] {
        http.get(&setup.plain(path)).await?.problem(500, "filter")?;
    }
    ensure!(http.get(&setup.plain("/text/public/page")).await?.status == 200);
    let shown = setup.orchestrator.command(["filters", "show", "guard"]).await?.ok()?;
    ensure!(shown.contains("path:/text/public/login"), "{shown}");
    // Settings are taken over, and a new word for all is a word for all.
    setup.orchestrator.push(&filter("rogue")?, &["--name", "guard"]).await?;
    setup.agent.active("guard", 2).await?;
    ensure!(http.get(&setup.plain("/text/public/page")).await?.status == 200);
    setup.orchestrator.push(&filter("rogue")?, &["--name", "guard", "--on-failure", "closed"]).await?;
    setup.agent.active("guard", 3).await?;
    http.get(&setup.plain("/text/public/page")).await?.problem(500, "filter")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_serves_those_that_a_rule_gives_it() -> anyhow::Result<()> {
    let mut setup = one_worker("failure-rules-last-good").await?;
    let rule = ["--on-failure", "closed", "--on-failure-for", "path:/text/old/*=last-good"];
    let push = async |setup: &Setup, file: &str, config: &str| {
        let arguments = ["--name", "held", "--config", config];
        setup.orchestrator.push(&filter(file)?, &[&arguments[..], &rule].concat()).await
    };
    push(&setup, "stamp", r#"{"stamp":1}"#).await?;
    setup.agent.active("held", 1).await?;
    push(&setup, "rogue", TRAPS).await?;
    setup.agent.active("held", 2).await?;
    for _ in 0..2 {
        wait::eventually(wait::PATIENCE, "the version before to serve its routes", || async {
            let mut http = setup.client()?.forward().await?;
            http.get(&setup.plain("/text/other")).await?.problem(500, "filter")?;
            let reply = http.get(&setup.plain("/text/old/page")).await?;
            Ok((reply.status == 200 && reply.header("x-stamp") == "1").then_some(()))
        })
        .await?;
        // It is kept on disk as well.
        setup.agent.process.kill().await?;
        setup.agent = setup.options.start().await?;
        setup.agent.active("held", 2).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_be_answered_is_refused() -> anyhow::Result<()> {
    let setup = one_worker("failure-rules-wrong").await?;
    for (rule, says) in [
        ("status:500=open", "status"),
        ("path:/x=ajar", "no policy"),
        ("path:/x", "expected QUERY=POLICY"),
        ("=open", "without a query"),
    ] {
        let arguments = ["--name", "x", "--config", r#"{"stamp":1}"#, "--on-failure-for", rule];
        let told = setup.orchestrator.try_push(&filter("stamp")?, &arguments).await?;
        ensure!(!told.success && told.stderr.contains(says), "{rule}: {}", told.stderr);
    }
    Ok(())
}
