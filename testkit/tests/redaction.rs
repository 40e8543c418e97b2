//! What an operator says is not to be recorded is nowhere: not in the agent's spool, not at the orchestrator. What passes is
//! as it was.

use std::{io::Read as _, path::Path};

use anyhow::{Context as _, ensure};
use flate2::{Compression, bufread::GzEncoder};
use weir_testkit::{
    binaries::filter,
    body::full,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

const SECRET: &str = "hunter2-never-to-be-seen";

/// Files in which the secret's bytes are.
fn holding(folder: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            holding(&path, found)?;
        } else if std::fs::read(&path)?.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    Ok(())
}

async fn nowhere(setup: &Setup) -> anyhow::Result<()> {
    let mut found = Vec::new();
    holding(setup.agent.data(), &mut found)?;
    holding(setup.orchestrator.data(), &mut found)?;
    ensure!(found.is_empty(), "the secret is in {found:?}");
    Ok(())
}

/// Requests with the secret wherever a rule names it; the origin gets it, and so does the client that gets it back.
async fn talk(setup: &Setup, mark: &str) -> anyhow::Result<()> {
    let mut http = setup.client()?.intercepted(&setup.tls_authority(), weir_testkit::client::Alpn::Http1).await?;
    for (kind, body) in [
        ("application/json", format!(r#"{{"user":{{"password":"{SECRET}","name":"ada"}},"key":"sk-{SECRET}"}}"#)),
        ("application/x-www-form-urlencoded", format!("name=ada&pass={SECRET}")),
        ("text/plain", format!("the key is sk-{SECRET}, keep it")),
    ] {
        let path = format!("/echo?{mark}&token={SECRET}");
        let mut request = http.request("POST", &setup.tls(&path), full(body.clone()))?;
        request.headers_mut().insert("content-type", kind.parse()?);
        request.headers_mut().insert("x-api-key", SECRET.parse()?);
        let reply = http.exchange(request).await?;
        ensure!(reply.status == 200 && reply.text() == body, "{}", reply.text());
        let heard = setup.origin.heard_for(&path).context("the origin heard it")?;
        ensure!(heard.headers["x-api-key"] == SECRET);
    }
    Ok(())
}

async fn arrived(setup: &Setup, mark: &str) -> anyhow::Result<()> {
    let path = format!("/echo?{mark}&token=%5Bredacted%5D");
    let ids = eventually(PATIENCE, "the records", || async {
        let all = setup.orchestrator.list("/exchanges?limit=100").await?;
        let ids: Vec<String> = all
            .iter()
            .filter(|exchange| exchange["path"] == path)
            .filter_map(|exchange| Some(exchange["id"].as_str()?.to_owned()))
            .collect();
        Ok((ids.len() == 3).then_some(ids))
    })
    .await?;
    let mut recorded = String::new();
    for id in ids {
        recorded += &setup.orchestrator.get(&format!("/exchanges/{id}")).await?.to_string();
        for side in ["request", "response"] {
            let bytes = setup.orchestrator.bytes(&format!("/exchanges/{id}/{side}/body")).await?;
            recorded += &String::from_utf8_lossy(&bytes);
        }
    }
    ensure!(!recorded.contains(SECRET), "{recorded}");
    for kept in [
        r#"{"user":{"password":"[redacted]","name":"ada"},"key":"[redacted]"}"#,
        "name=ada&pass=%5Bredacted%5D",
        "the key is [redacted], keep it",
    ] {
        ensure!(recorded.contains(kept), "{kept} is not in {recorded}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_nowhere_but_where_it_was_sent() -> anyhow::Result<()> {
    let mut setup = Setup::start_with("redaction", |options| {
        options
            .with("--redact-headers", "x-api-key")
            .with("--redact-query", "token")
            .with("--redact-json", "/user/password,/**/pin")
            .with("--redact-form", "pass")
            .with("--redact-patterns", "sk-[a-z0-9-]+[a-z0-9]")
    })
    .await?;
    talk(&setup, "there").await?;
    arrived(&setup, "there").await?;
    nowhere(&setup).await?;

    // on disk too, while nobody is there to be told
    setup.orchestrator.kill().await?;
    talk(&setup, "away").await?;
    eventually(PATIENCE, "the spool to fill", || async {
        Ok((setup.agent.metric("weir_agent_spool_bytes", "").await? > 0.0).then_some(()))
    })
    .await?;
    nowhere(&setup).await?;
    setup.orchestrator.restart().await?;
    arrived(&setup, "away").await?;
    nowhere(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_can_be_pushed() -> anyhow::Result<()> {
    let setup = Setup::start("redaction-pushed").await?;
    let keys = setup.orchestrator.keys().display().to_string();
    let rules = "[redact]\nheaders = [\"x-api-key\"]\nquery = [\"token\"]\njson = [\"/user/password\"]\nform = [\"pass\"]\n\
                 patterns = ['sk-[a-z0-9-]+[a-z0-9]']\n";
    let file = setup.scratch.write("rules.toml", rules)?.display().to_string();
    setup.orchestrator.command(["config", "push", &file, "--yes", "--key-dir", &keys]).await?.ok()?;
    talk(&setup, "pushed").await?;
    arrived(&setup, "pushed").await?;
    nowhere(&setup).await?;
    // a rule that no agent can read is refused there, and those before stay
    let file = setup.scratch.write("wrong.toml", "redact.patterns = [\"(\"]\n")?.display().to_string();
    let refused = setup.orchestrator.command(["config", "push", &file, "--yes", "--key-dir", &keys]).await?;
    ensure!(!refused.success && refused.stdout.contains("line 1: redact.patterns"), "{}", refused.stdout);
    talk(&setup, "after").await?;
    arrived(&setup, "after").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coded_body_is_looked_into_and_recorded_as_its_head_says() -> anyhow::Result<()> {
    let setup = Setup::start_with("redaction-coded", |options| options.with("--redact-json", "/**/password")).await?;
    let text = format!(r#"{{"user":{{"password":"{SECRET}","name":"ada"}},"more":"{}"}}"#, "and more, ".repeat(500));
    let mut coded = Vec::new();
    GzEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut coded)?;
    let mut http = setup.client()?.forward().await?;
    let mut request = http.request("POST", &setup.plain("/echo?coded"), full(coded.clone()))?;
    request.headers_mut().insert("content-encoding", "gzip".parse()?);
    let reply = http.exchange(request).await?;
    ensure!(reply.status == 200 && reply.body == coded, "what passes is as it was");
    let exchange = setup.recorded("/echo?coded").await?;
    let id = exchange["id"].as_str().context("id")?;
    let body = &exchange["request"]["body"];
    ensure!(body["size"] == coded.len() && body["redacted"] == true, "{body}");
    let decoded = setup.orchestrator.bytes(&format!("/exchanges/{id}/request/body?decoded")).await?;
    ensure!(String::from_utf8(decoded)? == text.replace(SECRET, "[redacted]"));
    ensure!(setup.orchestrator.list("/exchanges?query=is:truncated").await?.is_empty(), "all of it is there");
    let shown = setup.orchestrator.command(["traffic", "show", id]).await?.ok()?;
    ensure!(shown.contains("values were left out") && !shown.contains(SECRET), "{shown}");
    nowhere(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_are_looked_for_in_what_filters_write() -> anyhow::Result<()> {
    let setup =
        Setup::start_with("redaction-lines", |options| options.with("--redact-patterns", "hunter2[a-z-]*")).await?;
    setup.orchestrator.push(&filter("access-log")?, &[]).await?;
    setup.agent.active("access-log", 1).await?;
    setup.client()?.forward().await?.get(&setup.plain(&format!("/text/{SECRET}"))).await?;
    let line = eventually(PATIENCE, "the line of the filter", || async {
        let lines = setup.orchestrator.get("/filters/access-log/logs").await?;
        Ok(lines["items"][0]["text"].as_str().map(str::to_owned))
    })
    .await?;
    ensure!(line.contains("/text/[redacted]"), "{line}");
    nowhere(&setup).await
}
