//! Filters of this kit that do what a field of the request says.

use crate::{
    binaries::filter,
    body::Boxed,
    client::{Alpn, Http, Reply},
    setup::Setup,
};

/// One of them.
pub struct Told {
    /// Its name, and that of its component.
    pub name: &'static str,
    /// The field.
    pub field: &'static str,
    /// What has to be granted, as arguments.
    pub grants: &'static [&'static str],
}

impl Told {
    /// Pushes it.
    pub async fn push(&self, setup: &Setup, further: &[&str]) -> anyhow::Result<()> {
        setup.orchestrator.push(&filter(self.name)?, &[self.grants, further].concat()).await?;
        setup.agent.active(self.name, 1).await?;
        Ok(())
    }

    /// The usual cast, with it.
    pub async fn setup(&self, name: &str, further: &[&str]) -> anyhow::Result<Setup> {
        let setup = Setup::start(name).await?;
        self.push(&setup, further).await?;
        Ok(setup)
    }

    /// One exchange in which it does this.
    pub async fn tell(
        &self,
        http: &mut Http,
        what: &str,
        method: &str,
        url: &str,
        body: Boxed,
    ) -> anyhow::Result<Reply> {
        let mut request = http.request(method, url, body)?;
        request.headers_mut().insert(self.field, what.parse()?);
        request.headers_mut().insert("te", "trailers".parse()?);
        http.exchange(request).await
    }
}

/// A connection over each way through an agent, with what its URLs begin with.
pub async fn ways(setup: &Setup) -> anyhow::Result<Vec<(Http, String)>> {
    let client = setup.client()?;
    let authority = setup.tls_authority();
    Ok(vec![
        (client.forward().await?, setup.plain("")),
        (client.intercepted(&authority, Alpn::Http1).await?, setup.tls("")),
        (client.intercepted(&authority, Alpn::Http2).await?, setup.tls("")),
    ])
}
