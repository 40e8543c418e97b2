//! What exchanges came to, told to a filter by a real agent.

use anyhow::ensure;
use weir_testkit::{binaries::filter, body, client::Alpn, ports::Closed, setup::Setup};

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_stand_in_the_log_with_their_sizes_and_as_sums() -> anyhow::Result<()> {
    let setup = Setup::start_with("finished", |options| options.with("--workers", "1")).await?;
    let config = r#"{"sums_ms": 1000}"#;
    setup.orchestrator.push(&filter("access-log")?, &["--config", config]).await?;
    setup.agent.active("access-log", 1).await?;
    let client = setup.client()?;
    let nobody = Closed::new()?;
    let closed = nobody.address();
    client.forward().await?.post(&setup.plain("/echo?secret"), body::full("abc")).await?;
    client
        .intercepted(&setup.tls_authority(), Alpn::Http2)
        .await?
        .post(&setup.tls("/length"), body::full("four"))
        .await?;
    let refused = client.forward().await?.get(&format!("http://{closed}/gone")).await?;
    ensure!(refused.status == 502);
    let echo = setup.agent.process.says("/echo status=200").await?;
    let words = ["method=POST ", "end=complete in=3 out=3 ", &format!("upstream={} ", setup.origin.plain())];
    ensure!(words.iter().all(|word| echo.contains(word)) && !echo.contains("secret"), "{echo}");
    let length = setup.agent.process.says("/length status=200").await?;
    ensure!(length.contains(" url=https://") && length.contains(" in=4 out=1 "), "{length}");
    let gone = setup.agent.process.says("/gone status=-").await?;
    ensure!(gone.contains("end=upstream-gone") && gone.contains("first_ms=- upstream=- "), "{gone}");
    // in one interval or several
    let sums = setup.agent.process.says("exchanges=").await?;
    ensure!(sums.contains(" mean_ms=") && sums.contains(" out="), "{sums}");
    Ok(())
}
