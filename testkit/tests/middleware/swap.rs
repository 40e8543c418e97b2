//! A middleware is swapped while requests flow: none fails, each meets one version, and old generations end.

use anyhow::ensure;
use weir_testkit::{binaries::filter, body, client::Http, component, setup::Setup, swap};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_notices_a_swap() -> anyhow::Result<()> {
    let setup = Setup::start("middleware-swap").await?;
    let hello = std::fs::read(filter("hello-middleware")?)?;
    let push = async |version: u64| {
        let file = setup.scratch.write("hello.wasm", component::renamed(&hello, &version.to_string()))?;
        setup.orchestrator.push(&file, &["--name", "hello", "--version", &version.to_string()]).await?;
        setup.agent.active("hello", version).await.map(drop)
    };
    let url = setup.plain("/echo");
    let exchange = move |_, mut http: Http| {
        let url = url.clone();
        async move {
            let reply = http.post(&url, body::full("a body")).await?;
            ensure!(reply.status == 200 && reply.text() == "a body", "{reply:?}");
            ensure!(reply.header("x-middleware") == "hello", "{reply:?}");
            Ok(http)
        }
    };
    swap::unnoticed(&setup, "hello", push, exchange).await
}
