//! Components of the standard world `wasi:http/middleware` in the whole product: beside Weir's own filters, over every
//! protocol, and badly behaved.

mod bad;
mod bodies;
mod chain;
mod swap;

use weir_testkit::{
    binaries::filter,
    body::Boxed,
    client::{Alpn, Http, Reply},
    setup::Setup,
};

/// Pushes the middleware of this kit, which does as the field `x-middleware` says.
pub(crate) async fn push(setup: &Setup, further: &[&str]) -> anyhow::Result<()> {
    let arguments = [&["--grant", "clock"], further].concat();
    setup.orchestrator.push(&filter("middleware")?, &arguments).await?;
    setup.agent.active("middleware", 1).await?;
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

/// One exchange in which the middleware does this.
pub(crate) async fn told(http: &mut Http, what: &str, method: &str, url: &str, body: Boxed) -> anyhow::Result<Reply> {
    let mut request = http.request(method, url, body)?;
    request.headers_mut().insert("x-middleware", what.parse()?);
    request.headers_mut().insert("te", "trailers".parse()?);
    http.exchange(request).await
}
