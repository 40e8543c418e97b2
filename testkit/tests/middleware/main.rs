//! Components of the standard world `wasi:http/middleware` in the whole product: beside Weir's own filters, over every
//! protocol, and badly behaved.

mod bad;
mod bodies;
mod chain;
mod swap;

pub(crate) use weir_testkit::told::ways;
use weir_testkit::{
    body::Boxed,
    client::{Http, Reply},
    setup::Setup,
    told::Told,
};

/// The middleware of this kit, which does as the field says.
const MIDDLEWARE: Told = Told { name: "middleware", field: "x-middleware", grants: &["--grant", "clock"] };

pub(crate) async fn push(setup: &Setup, further: &[&str]) -> anyhow::Result<()> {
    MIDDLEWARE.push(setup, further).await
}

pub(crate) async fn setup(name: &str, further: &[&str]) -> anyhow::Result<Setup> {
    MIDDLEWARE.setup(name, further).await
}

/// One exchange in which the middleware does this.
pub(crate) async fn told(http: &mut Http, what: &str, method: &str, url: &str, body: Boxed) -> anyhow::Result<Reply> {
    MIDDLEWARE.tell(http, what, method, url, body).await
}
