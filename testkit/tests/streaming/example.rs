//! The example, from a folder of filters and with curl.

use std::time::{Duration, Instant};

use anyhow::ensure;
use weir_testkit::{binaries::filter, setup::Setup};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_slows_bodies_down() -> anyhow::Result<()> {
    let setup = Setup::start("streaming-example").await?;
    let arguments = ["--config", r#"{"response":100000}"#];
    setup.orchestrator.push(&filter("streaming-throttle")?, &arguments).await?;
    setup.agent.active("streaming-throttle", 1).await?;
    let ca = setup.agent.ca_file();
    for url in [setup.plain("/bytes/150000?seed=3"), setup.tls("/bytes/150000?seed=3")] {
        let begun = Instant::now();
        let curl = setup.agent.curl(&ca).get(&[&url]).await?;
        let took = begun.elapsed();
        ensure!(curl.status == 200, "{curl:?}");
        ensure!(took > Duration::from_millis(1300), "{took:?} for 150,000 bytes at 100,000 a second");
    }
    Ok(())
}
