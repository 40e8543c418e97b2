//! What a filter writes on an agent is read at the orchestrator, line by line and as it comes.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use weir_testkit::{
    binaries::filter,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

async fn lines(setup: &Setup, count: usize) -> anyhow::Result<Vec<Value>> {
    eventually(PATIENCE, &format!("{count} lines"), || async {
        let lines = setup.orchestrator.get("/filters/access-log/logs").await?;
        let items = lines["items"].as_array().context("items")?.clone();
        Ok((items.len() >= count).then_some(items))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_writes_is_read_at_the_orchestrator() -> anyhow::Result<()> {
    let setup = Setup::start("lines").await?;
    setup.orchestrator.push(&filter("access-log")?, &[]).await?;
    setup.agent.active("access-log", 1).await?;
    let mut http = setup.client()?.forward().await?;
    http.get(&setup.plain("/text/one")).await?;
    http.get(&setup.plain("/text/two")).await?;
    let lines = lines(&setup, 2).await?;
    let exchange = setup.recorded("/text/two").await?;
    let line = lines.iter().find(|line| line["exchange"] == exchange["id"]).context("the line of the exchange")?;
    ensure!(line["text"].as_str().is_some_and(|text| text.contains("/text/two")), "{line}");
    assert_eq!((&line["version"], &line["level"]), (&1.into(), &"info".into()));
    let table = setup.orchestrator.command(["filters", "logs", "access-log"]).await?.ok()?;
    let (one, two) = (table.find("/text/one").context("one")?, table.find("/text/two").context("two")?);
    ensure!(one < two && table.contains("INFO"), "the oldest first: {table}");
    setup.agent.stop(PATIENCE).await
}
