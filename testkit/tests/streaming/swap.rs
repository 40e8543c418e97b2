//! A filter with streams is swapped while requests flow: none fails, and old generations end.

use anyhow::ensure;
use weir_testkit::{binaries::filter, body, client::Http, component, setup::Setup, swap};

use super::{GRANTS, told};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_notices_a_swap() -> anyhow::Result<()> {
    let setup = Setup::start("streaming-swap").await?;
    let good = std::fs::read(filter("streaming")?)?;
    let push = async |version: u64| {
        let file = setup.scratch.write("streaming.wasm", component::renamed(&good, &version.to_string()))?;
        let version_text = version.to_string();
        setup.orchestrator.push(&file, &[&GRANTS[..], &["--version", &version_text]].concat()).await?;
        setup.agent.active("streaming", version).await.map(drop)
    };
    let url = setup.plain("/echo");
    let exchange = move |lane: usize, mut http: Http| {
        let url = url.clone();
        async move {
            let (what, expected) = [("upper", "A BODY"), ("hand-on", "a body")][lane % 2];
            let reply = told(&mut http, what, "POST", &url, body::full("a body")).await?;
            ensure!(reply.status == 200 && reply.text() == expected, "{reply:?}");
            ensure!(reply.header("x-seen") == "1", "{reply:?}");
            Ok(http)
        }
    };
    swap::unnoticed(&setup, "streaming", push, exchange).await
}
