//! Secrets in the whole product: their hosts get them, over every protocol and in calls, and nobody else has them: not other hosts,
//! not the record, not a log, not a file of any process.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::ensure;
use serde_json::json;
use weir_testkit::{
    binaries::filter,
    body,
    client::{Alpn, Http},
    scratch::{Scratch, holding},
    setup::Setup,
    wait::{PATIENCE, eventually},
};

const VALUE: &str = "s3cr3t-6dd1f0c2";

/// A setup whose agent has the secret `key` for these hosts, and the folder where its file lies.
async fn start(name: &str, hosts: &str, cleartext: bool) -> anyhow::Result<(Setup, Scratch)> {
    let own = Scratch::new(&format!("{name}-file"))?;
    let text = format!("[key]\nvalue = \"{VALUE}\"\nhosts = [{hosts}]\ncleartext = {cleartext}\n");
    let file = write(&own, &text)?;
    let setup = Setup::start_with(name, |options| options.with("--workers", "2").with("--secrets", file)).await?;
    Ok((setup, own))
}

fn write(own: &Scratch, text: &str) -> anyhow::Result<std::path::PathBuf> {
    let new = own.write("new.toml", text)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    let file = own.join("secrets.toml");
    fs::rename(new, &file)?;
    Ok(file)
}

/// Pushes `credentials`, which signs in whoever it is asked to, on the way to anybody.
async fn push(setup: &Setup, arguments: &[&str], version: u64) -> anyhow::Result<()> {
    let config = json!({"rules": [{"match": {"hosts": ["*"]}, "secret": "key"}]}).to_string();
    setup.orchestrator.push(&filter("credentials")?, &[&["--config", &config], arguments].concat()).await?;
    setup.agent.active("credentials", version).await?;
    Ok(())
}

/// What the origin was told by the last request for this path.
fn told(setup: &Setup, path: &str) -> Option<String> {
    let heard = setup.origin.heard();
    let last = heard.iter().rev().find(|heard| heard.uri.path() == path)?;
    Some(last.headers.get("authorization").map_or("-", |value| value.to_str().unwrap_or("?")).to_owned())
}

/// No file below has it.
fn is_nowhere(folder: &Path) -> anyhow::Result<()> {
    let found = holding(folder, VALUE.as_bytes())?;
    ensure!(found.is_empty(), "it is in {found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn its_hosts_get_it_over_every_protocol_and_nothing_else_has_it() -> anyhow::Result<()> {
    let (setup, _own) = start("secrets-used", r#""localhost", "127.0.0.1""#, true).await?;
    push(&setup, &["--secret", "key"], 1).await?;
    let client = setup.client()?;
    let mut plain = client.forward().await?;
    let mut http1 = client.intercepted(&setup.tls_authority(), Alpn::Http1).await?;
    let mut http2 = client.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
    let get = async |http: &mut Http, url: String| -> anyhow::Result<()> {
        let reply = http.get(&url).await?;
        ensure!(reply.status == 200, "{url}: {} {}", reply.status, reply.text());
        Ok(())
    };
    for round in 0..2 {
        get(&mut plain, setup.plain(&format!("/plain-{round}"))).await?;
        get(&mut http1, setup.tls(&format!("/http1-{round}"))).await?;
        get(&mut http2, setup.tls(&format!("/http2-{round}"))).await?;
        for way in ["plain", "http1", "http2"] {
            let told = told(&setup, &format!("/{way}-{round}"));
            ensure!(told.as_deref() == Some(&*format!("Bearer {VALUE}")), "{way}: {told:?}");
        }
    }
    let record = setup.recorded("/http2-1").await?.to_string();
    ensure!(record.contains("Bearer weir-secret-") && !record.contains(VALUE), "{record}");
    let metrics = setup.agent.admin("/metrics").await? + &setup.agent.admin("/filters").await?;
    ensure!(!metrics.contains(VALUE));
    is_nowhere(setup.scratch.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_it_is_not_for_never_gets_it() -> anyhow::Result<()> {
    let (setup, _own) = start("secrets-bound", r#""localhost""#, false).await?;
    push(&setup, &["--secret", "key"], 1).await?;
    let client = setup.client()?;
    let before = setup.origin.requests();
    let refused = async |url: &str, why: &str| -> anyhow::Result<()> {
        let reply = client.forward().await?.get(url).await?;
        let said = reply.text();
        ensure!(
            reply.status == 500 && said.contains(r#""blame":"filter""#) && said.contains(why),
            "{} {said}",
            reply.status
        );
        Ok(())
    };
    refused(&setup.plain("/other"), "which is none of its hosts").await?;
    let clear = format!("http://localhost:{}/clear", setup.origin.plain().port());
    refused(&clear, "without TLS, which the secret does not allow").await?;
    // an own tunnel to the right server, and another name inside it: a server of many sites would hand it on
    let mut fronted = client.intercepted(&setup.tls_authority(), Alpn::Http1).await?;
    let request = http::Request::builder().uri("/fronted").header("host", "evil.example").body(body::empty())?;
    let reply = fronted.send(request).await?;
    ensure!(reply.status() == 500, "{}", reply.status());
    // its own host would send it back to the client
    let mut http = client.intercepted(&setup.tls_authority(), Alpn::Http1).await?;
    let request = http.request("TRACE", &setup.tls("/traced"), body::empty())?;
    let traced = http.exchange(request).await?;
    ensure!(traced.status == 500 && traced.text().contains("whose answer is what was sent"), "{}", traced.text());
    ensure!(setup.origin.requests() == before, "nobody was asked");
    let record = setup.recorded("/other").await?;
    ensure!(record["outcome"] == "filter-failed", "{record}");
    is_nowhere(setup.scratch.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_uses_what_its_publication_names() -> anyhow::Result<()> {
    let (setup, _own) = start("secrets-granted", r#""*""#, true).await?;
    push(&setup, &[], 1).await?;
    let client = setup.client()?;
    let reply = client.forward().await?.get(&setup.plain("/x")).await?;
    ensure!(reply.status == 502 && reply.text().contains("no-credentials"), "{} {}", reply.status, reply.text());
    push(&setup, &["--secret", "other"], 2).await?;
    ensure!(client.forward().await?.get(&setup.plain("/x")).await?.status == 502);
    push(&setup, &["--secret", "key"], 3).await?;
    ensure!(client.forward().await?.get(&setup.plain("/x")).await?.status == 200);
    let shown = setup.orchestrator.get("/filters/credentials").await?;
    ensure!(shown["secrets"] == json!(["key"]), "{shown}");
    // settings are taken over
    push(&setup, &[], 4).await?;
    ensure!(client.forward().await?.get(&setup.plain("/x")).await?.status == 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_carry_secrets_to_their_hosts_alone() -> anyhow::Result<()> {
    let (setup, _own) = start("secrets-calls", r#""localhost""#, false).await?;
    let client = setup.client()?;
    let ask = json!({"stage": "request-head", "upstream": "oracle", "path": "/length", "secret": "key"}).to_string();
    let upstreams = [(setup.tls("/asked"), "200 8"), (setup.plain("/asked"), "failed Refused")];
    for ((upstream, expected), version) in upstreams.into_iter().zip(1..) {
        let upstream = format!("oracle={}", upstream.trim_end_matches("/asked"));
        let arguments = ["--config", &ask, "--upstream", &upstream, "--secret", "key"];
        setup.orchestrator.push(&filter("ask")?, &arguments).await?;
        setup.agent.active("ask", version).await?;
        let asked = setup.origin.requests();
        let reply = client.forward().await?.get(&setup.plain("/page")).await?;
        ensure!(reply.header("x-answer") == expected, "{}", reply.header("x-answer"));
        ensure!(setup.origin.requests() == asked + if version == 1 { 2 } else { 1 });
    }
    ensure!(told(&setup, "/length") == Some(format!("Bearer {VALUE}")), "{:?}", told(&setup, "/length"));
    ensure!(told(&setup, "/page").as_deref() == Some("-"));
    setup.agent.process.says("filter ask sent the secret key to 127.0.0.1").await?;
    is_nowhere(setup.scratch.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_exchanged_without_a_restart_and_a_wrong_file_changes_nothing() -> anyhow::Result<()> {
    let (setup, own) = start("secrets-reload", r#""*""#, true).await?;
    push(&setup, &["--secret", "key"], 1).await?;
    let client = setup.client()?;
    let now = async || -> anyhow::Result<String> {
        client.forward().await?.get(&setup.plain("/now")).await?;
        Ok(told(&setup, "/now").unwrap_or_default())
    };
    ensure!(now().await? == format!("Bearer {VALUE}"));
    own.write("token", "second\n")?;
    fs::set_permissions(own.join("token"), fs::Permissions::from_mode(0o600))?;
    write(&own, "[key]\nfile = \"token\"\nhosts = [\"*\"]\ncleartext = true\n")?;
    let becomes = async |value: &str| {
        eventually(PATIENCE, &format!("the value {value}"), || async {
            Ok((now().await? == format!("Bearer {value}")).then_some(()))
        })
        .await
    };
    becomes("second").await?;
    write(&own, "[key]\nvalue = \"tw\\r\\no\"\nhosts = [\"*\"]\n")?;
    eventually(PATIENCE, "the fault to be told", || async {
        Ok(setup.agent.process.log().contains("it has a line end or another control character").then_some(()))
    })
    .await?;
    ensure!(now().await? == "Bearer second");
    write(&own, "[key]\nvalue = \"third\"\nhosts = [\"*\"]\ncleartext = true\n")?;
    becomes("third").await
}
