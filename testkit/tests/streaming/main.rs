//! Filters of the world `stream-filter` in the whole product: over every protocol, among other filters, and badly behaved.

mod bad;
mod bodies;
mod calls;
mod chain;
mod example;
mod swap;

pub(crate) use weir_testkit::told::ways;
use weir_testkit::{
    body::Boxed,
    client::{Http, Reply},
    setup::Setup,
    told::Told,
};

/// The filter of this kit, which does as the field says.
const FILTER: Told = Told { name: "streaming", field: "x-streaming", grants: &GRANTS };
/// What it imports that has to be granted.
const GRANTS: [&str; 12] = [
    "--grant", "log", "--grant", "timer", "--grant", "kv", "--grant", "tags", "--grant", "callout", "--grant",
    "secrets",
];

pub(crate) async fn push(setup: &Setup, further: &[&str]) -> anyhow::Result<()> {
    FILTER.push(setup, further).await
}

pub(crate) async fn setup(name: &str, further: &[&str]) -> anyhow::Result<Setup> {
    FILTER.setup(name, further).await
}

/// One exchange in which the filter does this.
pub(crate) async fn told(http: &mut Http, what: &str, method: &str, url: &str, body: Boxed) -> anyhow::Result<Reply> {
    FILTER.tell(http, what, method, url, body).await
}

/// A figure of the filter's in the agent's metrics.
pub(crate) async fn figure(setup: &Setup, name: &str) -> anyhow::Result<f64> {
    setup.agent.metric(&format!("weir_agent_filter_{name}"), "\"streaming\"").await
}
