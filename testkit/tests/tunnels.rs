//! Filters that decide about tunnels: the lists of `tunnel-guard`, and what becomes of a tunnel when a filter fails.

use std::fs;

use anyhow::ensure;
use weir_testkit::{
    agent::{Agent, AgentOptions},
    binaries::filter,
    ca::Ca,
    client::{Alpn, Client, Http},
    origin::Origin,
    raw::{Raw, RawResponse},
    scratch::Scratch,
};

/// An agent with one filter in its folder, and an origin.
struct Guarded {
    agent: Agent,
    origin: Origin,
    ca: Ca,
    _scratch: Scratch,
}

impl Guarded {
    /// `sidecar` is the filter's `.toml`; PORT in it is the port of the TLS origin.
    async fn start(name: &str, guest: &str, sidecar: &str, pass_through: Option<&str>) -> anyhow::Result<Self> {
        let scratch = Scratch::new(name)?;
        let ca = Ca::new("testkit origins")?;
        let origin = Origin::start(&ca).await?;
        let folder = scratch.join("filters");
        fs::create_dir(&folder)?;
        fs::copy(filter(guest)?, folder.join("guard.wasm"))?;
        fs::write(folder.join("guard.toml"), sidecar.replace("PORT", &origin.tls().port().to_string()))?;
        let roots = scratch.write("origins.pem", ca.pem())?;
        let mut options = AgentOptions::new(&scratch, "agent").with("--filters", &folder).with("--upstream-ca", roots);
        if let Some(pattern) = pass_through {
            options = options.with("--intercept-pass-through", pattern);
        }
        Ok(Self { agent: options.start().await?, origin, ca, _scratch: scratch })
    }

    fn authority(&self) -> String {
        format!("localhost:{}", self.origin.tls().port())
    }

    /// A client that trusts the agent alone: its handshake succeeds where TLS ends at the agent.
    fn intercepted(&self) -> anyhow::Result<Client> {
        self.agent.client(&[])
    }

    /// One that trusts the origin alone: where bytes pass.
    fn passed(&self) -> anyhow::Result<Client> {
        Client::new(self.agent.proxy, &[&self.ca.pem()])
    }

    async fn connect(&self, authority: &str) -> anyhow::Result<RawResponse> {
        let mut raw = Raw::dial(self.agent.proxy).await?;
        raw.say(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await?;
        raw.response().await
    }

    /// The error of a handshake that must not succeed.
    async fn refused(&self, name: &str) -> anyhow::Result<String> {
        match self.intercepted()?.tls_named(&self.authority(), name, Alpn::Http1).await {
            Ok(_) => anyhow::bail!("TLS as {name} was let through"),
            Err(error) => Ok(format!("{error:?}")),
        }
    }
}

async fn reaches(client: &Client, authority: &str) -> anyhow::Result<()> {
    let mut http = client.intercepted(authority, Alpn::Http1).await?;
    let reply = http.get(&format!("https://{authority}/text/hello")).await?;
    ensure!(reply.status == 200, "{}", reply.status);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_answered_before_anything_is_dialled() -> anyhow::Result<()> {
    let config = "config = { deny = ['127.0.0.1'] }";
    let guarded = Guarded::start("tunnels-deny", "tunnel-guard", config, None).await?;
    let denied = guarded.connect(&format!("127.0.0.1:{}", guarded.origin.tls().port())).await?;
    let problem = denied.problem(403, "filter")?;
    ensure!(problem["type"] == "urn:weir:problem:filter-denied", "{problem}");
    ensure!(problem["detail"].as_str().unwrap_or_default().contains("on the list of what is denied"), "{problem}");
    ensure!(guarded.origin.connections() == 0, "the origin was dialled");
    reaches(&guarded.intercepted()?, &guarded.authority()).await?;
    let curl = guarded.agent.ca_file();
    let url = format!("https://127.0.0.1:{}/", guarded.origin.tls().port());
    let finished = guarded.agent.curl(&curl).run(&[&url]).await?;
    ensure!(finished.stderr.contains("403"), "{}", finished.stderr);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_the_list_of_what_is_allowed_is_denied() -> anyhow::Result<()> {
    let config = "config = { allow = ['localhost'] }";
    let guarded = Guarded::start("tunnels-allow", "tunnel-guard", config, None).await?;
    guarded.connect("elsewhere.example:443").await?.problem(403, "filter")?;
    reaches(&guarded.intercepted()?, &guarded.authority()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_say_whose_tls_ends_at_the_agent() -> anyhow::Result<()> {
    let config = "config = { pass_through = ['localhost'] }";
    let guarded = Guarded::start("tunnels-pass", "tunnel-guard", config, None).await?;
    reaches(&guarded.passed()?, &guarded.authority()).await?;
    let config = "config = { intercept = ['localhost'] }";
    let guarded = Guarded::start("tunnels-intercept", "tunnel-guard", config, Some("localhost")).await?;
    reaches(&guarded.intercepted()?, &guarded.authority()).await?;
    // without a word of the filter, the operator's list stands
    let guarded = Guarded::start("tunnels-listed", "tunnel-guard", "config = {}", Some("localhost")).await?;
    reaches(&guarded.passed()?, &guarded.authority()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirected_tunnel_leads_elsewhere_and_not_where_the_agent_does_not_go() -> anyhow::Result<()> {
    let config =
        "[config.redirect]\n'elsewhere.example:443' = 'localhost:PORT'\n'own.example:443' = '169.254.169.254:80'\n";
    let guarded = Guarded::start("tunnels-redirect", "tunnel-guard", config, None).await?;
    let client = guarded.intercepted()?;
    let stream = client.tls_named("elsewhere.example:443", "localhost", Alpn::Http1).await?;
    let mut http = Http::start(stream, Alpn::Http1).await?;
    let reply = http.get("https://elsewhere.example/text/hello").await?;
    ensure!(reply.status == 200 && guarded.origin.requests() == 1, "{}", reply.status);
    guarded.connect("own.example:443").await?.problem(403, "client")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_the_handshake_is_denied_with_an_alert_whoever_ends_the_tls() -> anyhow::Result<()> {
    for (name, config, listed) in [
        ("tunnels-hello", "config = { deny = ['bad.localhost'] }", None),
        ("tunnels-hello-passed", "config = { deny = ['bad.localhost'], pass_through = ['localhost'] }", None),
        ("tunnels-hello-listed", "config = { deny = ['bad.localhost'] }", Some("localhost")),
    ] {
        let guarded = Guarded::start(name, "tunnel-guard", config, listed).await?;
        let error = guarded.refused("bad.localhost").await?;
        ensure!(error.contains("AccessDenied"), "{name}: {error}");
        ensure!(guarded.origin.requests() == 0, "{name}");
        let client = if name == "tunnels-hello" { guarded.intercepted()? } else { guarded.passed()? };
        reaches(&client, &guarded.authority()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_closes_unless_its_policy_says_otherwise() -> anyhow::Result<()> {
    let sidecar = |at: &str, policy: &str| {
        format!("on_failure = '{policy}'\nconfig = {{ at = '{at}', fault = 'panic' }}\n[limits]\ncpu_ms = 50\n")
    };
    let guarded = Guarded::start("tunnels-closed", "rogue", &sidecar("connect", "closed"), None).await?;
    let problem = guarded.connect(&guarded.authority()).await?.problem(500, "filter")?;
    ensure!(problem["detail"].as_str().unwrap_or_default().contains("on-connect"), "{problem}");
    ensure!(guarded.origin.connections() == 0, "the origin was dialled");
    ensure!(guarded.agent.metric("weir_agent_filter_failures_total", "trap").await? >= 1.0, "not counted");

    let guarded = Guarded::start("tunnels-hello-closed", "rogue", &sidecar("client-hello", "closed"), None).await?;
    let error = guarded.refused("localhost").await?;
    ensure!(error.contains("InternalError"), "{error}");

    for at in ["connect", "client-hello"] {
        let guarded = Guarded::start(&format!("tunnels-open-{at}"), "rogue", &sidecar(at, "open"), None).await?;
        reaches(&guarded.intercepted()?, &guarded.authority()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_that_a_tunnel_cannot_answer_does_not_select_the_filter() -> anyhow::Result<()> {
    for (name, matching, is_denied) in [
        ("tunnels-match", "host:localhost entry:connect", true),
        ("tunnels-match-other", "-host:localhost", false),
        ("tunnels-match-path", "host:localhost path:/admin", false),
    ] {
        let config = format!("match = '{matching}'\nconfig = {{ deny = ['*'] }}");
        let guarded = Guarded::start(name, "tunnel-guard", &config, None).await?;
        if is_denied {
            guarded.connect(&guarded.authority()).await?.problem(403, "filter")?;
        } else {
            reaches(&guarded.intercepted()?, &guarded.authority()).await?;
        }
    }
    Ok(())
}
