//! Tunnels that nobody looked into and connections of clients, through a real agent into a real orchestrator.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use weir_testkit::{
    client::{Alpn, Client},
    ports::Closed,
    raw::Raw,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
};

/// Waits for the tunnel or connection that is like this.
async fn recorded(setup: &Setup, path: &str, is_it: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    eventually(PATIENCE, &format!("a record of {path}"), || async {
        Ok(setup.orchestrator.list(path).await?.into_iter().find(&is_it))
    })
    .await
}

async fn refused(setup: &Setup, authority: &str) -> anyhow::Result<u16> {
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await?;
    Ok(raw.response().await?.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_is_passed_through_is_told_with_its_name_and_its_bytes() -> anyhow::Result<()> {
    let setup = Setup::start_with("passed", |options| options.with("--intercept-pass-through", "localhost")).await?;
    let client = Client::new(setup.agent.proxy, &[&setup.ca.pem()])?;
    let authority = setup.tls_authority();
    let mut http = client.intercepted(&authority, Alpn::Http1).await?;
    assert_eq!(http.get(&setup.tls("/bytes/100000")).await?.body.len(), 100_000);
    drop(http);
    let tunnel = recorded(&setup, "/tunnels?host=localhost", |tunnel| tunnel["target"] == authority.as_str()).await?;
    assert_eq!((&tunnel["uninspected"], &tunnel["server_name"]), (&"pass-through".into(), &"localhost".into()));
    ensure!(matches!(tunnel["outcome"].as_str(), Some("ended" | "broken")), "{tunnel}");
    ensure!(tunnel["to_client_bytes"].as_u64().is_some_and(|bytes| bytes > 100_000), "{tunnel}");
    ensure!(tunnel["from_client_bytes"].as_u64().is_some_and(|bytes| (100..10_000).contains(&bytes)), "{tunnel}");
    ensure!(tunnel["upstream_address"].as_str().is_some_and(|address| address.contains(':')), "{tunnel}");
    let id = tunnel["connection"].clone();
    let connection =
        recorded(&setup, "/connections/ended?client=127.0.0.1", |connection| connection["id"] == id).await?;
    assert_eq!((&connection["tunnels"], &connection["exchanges"]), (&1.into(), &0.into()));
    assert_eq!((&connection["entry"], &connection["tls"]), (&"connect".into(), &Value::Null));
    assert!(setup.orchestrator.list("/tunnels?host=elsewhere").await?.is_empty());
    let table = setup.orchestrator.command(["tunnels", "--host", "localhost"]).await?.ok()?;
    ensure!(table.contains("pass-through") && table.contains(&authority), "{table}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_told_with_what_their_tls_agreed_on() -> anyhow::Result<()> {
    let setup = Setup::start("agreed").await?;
    let mut http = setup.client()?.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
    for _ in 0..3 {
        http.get(&setup.tls("/text/agreed")).await?;
    }
    drop(http);
    let connection = recorded(&setup, "/connections/ended", |connection| connection["exchanges"] == 3).await?;
    assert_eq!(connection["intercepted"], true);
    assert_eq!((&connection["tls"]["version"], &connection["tls"]["alpn"]), (&"TLS 1.3".into(), &"h2".into()));
    let suite = connection["tls"]["cipher_suite"].as_str().context("cipher_suite")?;
    ensure!(suite.starts_with("TLS_AES_") || suite.starts_with("TLS_CHACHA20_"), "{suite}");
    assert_eq!((&connection["server_name"], &connection["tunnels"]), (&"localhost".into(), &1.into()));
    assert!(setup.orchestrator.list("/tunnels").await?.is_empty(), "it was looked into");
    let table = setup.orchestrator.command(["connections", "ended", "--client", "127.0.0.1"]).await?.ok()?;
    ensure!(table.contains("TLS 1.3") && table.contains("h2"), "{table}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_that_come_to_nothing_say_why() -> anyhow::Result<()> {
    let setup = Setup::start_with("nothing", |options| {
        options.with("--intercept-pass-through", "127.0.0.1").with("--redact-patterns", "link-(?P<secret>local)")
    })
    .await?;
    assert_eq!(refused(&setup, "169.254.1.1:443").await?, 403);
    let denied = recorded(&setup, "/tunnels", |tunnel| tunnel["target"] == "169.254.1.1:443").await?;
    assert_eq!((&denied["outcome"], &denied["uninspected"]), (&"refused".into(), &Value::Null));
    ensure!(denied["error"].as_str().is_some_and(|error| error.contains("link-[redacted]")), "{denied}");

    assert_eq!(refused(&setup, "ada:hunter2@named.example:443").await?, 400);
    let named = recorded(&setup, "/tunnels", |tunnel| tunnel["target"] == "named.example:443").await?;
    ensure!(!named.to_string().contains("hunter2"), "{named}");

    let nobody = Closed::new()?;
    let closed = nobody.address().to_string();
    refused(&setup, &closed).await?;
    let unreachable = recorded(&setup, "/tunnels", |tunnel| tunnel["target"] == closed.as_str()).await?;
    assert_eq!(unreachable["outcome"], "unreachable");

    // A client that trusts nobody.
    let stranger = Client::new(setup.agent.proxy, &[])?;
    let authority = setup.tls_authority();
    ensure!(stranger.tls(&authority, Alpn::Http1).await.is_err());
    let failed = recorded(&setup, "/tunnels", |tunnel| tunnel["target"] == authority.as_str()).await?;
    assert_eq!((&failed["outcome"], &failed["server_name"]), (&"tls-failed".into(), &"localhost".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_neither_tls_nor_http_is_a_tunnel_of_its_protocol() -> anyhow::Result<()> {
    let setup = Setup::start("protocol").await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let authority = listener.local_addr()?.to_string();
    let mut tunnel = setup.client()?.tunnel(&authority).await?;
    tunnel.write_all(b"\x00\x01binary").await?;
    let (mut far, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
    let mut heard = [0; 8];
    within(PATIENCE, "what was said", far.read_exact(&mut heard)).await??;
    far.write_all(b"ok").await?;
    far.shutdown().await?;
    let mut answer = Vec::new();
    within(PATIENCE, "the answer", tunnel.read_to_end(&mut answer)).await??;
    tunnel.shutdown().await?;
    let told = recorded(&setup, "/tunnels", |tunnel| tunnel["target"] == authority.as_str()).await?;
    assert_eq!((&told["uninspected"], &told["outcome"]), (&"protocol".into(), &"ended".into()));
    assert_eq!((&told["from_client_bytes"], &told["to_client_bytes"]), (&8.into(), &2.into()));
    assert_eq!(told["upstream_address"], authority.as_str());
    Ok(())
}
