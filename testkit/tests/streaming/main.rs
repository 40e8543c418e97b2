//! Filters of the world `stream-filter` in the whole product: over every protocol, among other filters, and badly behaved.

mod bad;
mod bodies;
mod chain;
mod example;
mod swap;

use weir_testkit::{
    binaries::filter,
    body::Boxed,
    client::{Alpn, Http, Reply},
    setup::Setup,
};

/// What the filter of this kit imports that has to be granted.
const GRANTS: [&str; 8] = ["--grant", "log", "--grant", "timer", "--grant", "kv", "--grant", "tags"];

/// Pushes the filter of this kit, which does as the field `x-streaming` says.
pub(crate) async fn push(setup: &Setup, further: &[&str]) -> anyhow::Result<()> {
    setup.orchestrator.push(&filter("streaming")?, &[&GRANTS[..], further].concat()).await?;
    setup.agent.active("streaming", 1).await?;
    Ok(())
}

pub(crate) async fn setup(name: &str, further: &[&str]) -> anyhow::Result<Setup> {
    let setup = Setup::start(name).await?;
    push(&setup, further).await?;
    Ok(setup)
}

/// A connection over each way, with what its URLs begin with.
pub(crate) async fn ways(setup: &Setup) -> anyhow::Result<Vec<(Http, String)>> {
    let client = setup.client()?;
    let authority = setup.tls_authority();
    Ok(vec![
        (client.forward().await?, setup.plain("")),
        (client.intercepted(&authority, Alpn::Http1).await?, setup.tls("")),
        (client.intercepted(&authority, Alpn::Http2).await?, setup.tls("")),
    ])
}

/// One exchange in which the filter does this.
pub(crate) async fn told(http: &mut Http, what: &str, method: &str, url: &str, body: Boxed) -> anyhow::Result<Reply> {
    let mut request = http.request(method, url, body)?;
    request.headers_mut().insert("x-streaming", what.parse()?);
    request.headers_mut().insert("te", "trailers".parse()?);
    http.exchange(request).await
}

/// A figure of the filter's in the agent's metrics.
pub(crate) async fn figure(setup: &Setup, name: &str) -> anyhow::Result<f64> {
    setup.agent.metric(&format!("weir_agent_filter_{name}"), "\"streaming\"").await
}
