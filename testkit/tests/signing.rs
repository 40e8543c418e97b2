//! What a publisher signed is what agents run, and nothing else: whoever holds the orchestrator can neither forge nor
//! alter nor replay. A "stolen" orchestrator here is a real one whose database was changed while it stood still.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_artifact::{Capability, Digest, Endorsement, Publication, PublisherKey, Statement};
use weir_testkit::{agent::AgentOptions, binaries::filter, component, setup::Setup, wait};

fn now_ms() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64)
}

/// The key that `orchestrator keys generate` made.
fn trusted_key(setup: &Setup) -> anyhow::Result<PublisherKey> {
    for entry in std::fs::read_dir(setup.orchestrator.keys())? {
        let text = std::fs::read_to_string(entry?.path())?;
        if let Ok(key) = PublisherKey::from_text(&text) {
            return Ok(key);
        }
    }
    anyhow::bail!("no secret key in {}", setup.orchestrator.keys().display())
}

fn publication(name: &str, version: u64, component: &[u8]) -> anyhow::Result<Publication> {
    Ok(Publication {
        name: name.parse()?,
        version,
        group: Default::default(),
        sequence: now_ms()?,
        rollback: false,
        expires: now_ms()? / 1000 + 3600,
        digest: Digest::of(component),
        size: component.len() as u64,
        matching: String::new(),
        priority: 0,
        config: r#"{"stamp":1}"#.to_owned(),
        on_failure: Default::default(),
        on_failure_for: Vec::new(),
        isolation: Default::default(),
        limits: Default::default(),
        grants: [Capability::Log].into(),
        upstreams: Default::default(),
        reads: Default::default(),
        secrets: Default::default(),
    })
}

async fn post(
    setup: &Setup,
    key: &PublisherKey,
    statement: &Statement,
    component: Option<&[u8]>,
) -> anyhow::Result<(StatusCode, Value)> {
    let envelope = key.sign(statement);
    let body = json!({
        "statement": BASE64.encode(&envelope.statement), "signature": BASE64.encode(&envelope.signature),
        "key_id": envelope.key_id, "public_key": key.public().to_text(),
        "component": component.map(|bytes| BASE64.encode(bytes)),
    });
    setup.orchestrator.request(Method::POST, "/filters", Some(&body)).await
}

fn publish(publication: Publication) -> Statement {
    Statement::Publish(Box::new(publication))
}

/// Replaces bytes of the orchestrator's database at rest, everywhere they occur.
async fn alter_at_rest(setup: &mut Setup, from: &[u8], to: &[u8]) -> anyhow::Result<()> {
    ensure!(from.len() == to.len(), "nothing may move");
    // in the write-ahead log a checksum would tell
    setup.orchestrator.stop().await?;
    let path = setup.orchestrator.data().join("weir.db");
    let mut bytes = std::fs::read(&path)?;
    let places: Vec<usize> = (0..bytes.len().saturating_sub(from.len()))
        .filter(|at| bytes[*at] == from[0] && bytes[*at..].starts_with(from))
        .collect();
    for at in &places {
        bytes[*at..at + to.len()].copy_from_slice(to);
    }
    std::fs::write(&path, bytes)?;
    ensure!(!places.is_empty(), "the bytes are not in the database");
    setup.orchestrator.restart().await
}

/// A second agent, which has seen nothing yet.
async fn another_agent(setup: &Setup) -> anyhow::Result<AgentOptions> {
    Ok(AgentOptions::new(&setup.scratch, "another-agent")
        .with("--orchestrator", setup.orchestrator.grpc_url())
        .with("--join-token", setup.orchestrator.join_token().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_strangers_are_refused_and_unsigned_ones_not_even_stored() -> anyhow::Result<()> {
    let setup = Setup::start("strangers").await?;
    let bytes = std::fs::read(filter("stamp")?)?;
    let stranger = PublisherKey::generate();
    let (status, answer) = post(&setup, &stranger, &publish(publication("forged", 1, &bytes)?), Some(&bytes)).await?;
    ensure!(status == 201, "integrity is all that the orchestrator judges: {status} {answer}");
    let reason = setup.refused("forged", "signature").await?;
    ensure!(reason.contains("not trusted"), "{reason}");

    let envelope = stranger.sign(&publish(publication("unsigned", 1, &bytes)?));
    let unsigned = json!({
        "statement": BASE64.encode(&envelope.statement), "signature": "", "key_id": envelope.key_id,
        "public_key": stranger.public().to_text(), "component": BASE64.encode(&bytes),
    });
    let (status, answer) = setup.orchestrator.request(Method::POST, "/filters", Some(&unsigned)).await?;
    ensure!(status.is_client_error(), "{status} {answer}");
    let mut altered = envelope.statement.clone();
    altered[20] ^= 1;
    let altered = json!({
        "statement": BASE64.encode(&altered), "signature": BASE64.encode(&envelope.signature),
        "key_id": envelope.key_id, "public_key": stranger.public().to_text(), "component": BASE64.encode(&bytes),
    });
    let (status, answer) = setup.orchestrator.request(Method::POST, "/filters", Some(&altered)).await?;
    ensure!(status.is_client_error(), "{status} {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_altered_at_the_orchestrator_is_refused() -> anyhow::Result<()> {
    let mut setup = Setup::start("altered-component").await?;
    // a section of its own at the end of the file; more than once, since the end of a page may cut one in two
    let note = "as it was published by its author".repeat(3);
    let bytes = component::renamed(&std::fs::read(filter("stamp")?)?, &note);
    let file = setup.scratch.write("stamp.wasm", &bytes)?;
    setup.orchestrator.push(&file, &["--name", "stamp", "--config", r#"{"stamp":1}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    alter_at_rest(&mut setup, b"as it was published by its author", b"as it was altered by another hand").await?;
    let mut agent = another_agent(&setup).await?.spawn()?;
    let log = agent.says("sha256:").await?;
    ensure!(log.contains("stamp"), "the filter is named: {log}");
    // its publisher wants it on every exchange: an agent that cannot have it serves nobody
    let log = agent.says("no client is served yet").await?;
    ensure!(!log.contains("agent ready"), "it serves without the filter: {log}");
    agent.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_altered_at_the_orchestrator_is_refused() -> anyhow::Result<()> {
    let mut setup = Setup::start("altered-statement").await?;
    let arguments = ["--name", "stamp", "--config", r#"{"stamp":1}"#, "--match", "path:/only/here"];
    setup.orchestrator.push(&filter("stamp")?, &arguments).await?;
    setup.agent.active("stamp", 1).await?;
    alter_at_rest(&mut setup, b"path:/only/here", b"path:/all/there").await?;
    let agent = another_agent(&setup).await?.start().await?;
    agent.process.says("does not fit").await?;
    ensure!(agent.filter("stamp").await?.is_none_or(|filter| filter["active"] == false), "it runs");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_state_played_back_is_refused_and_the_newer_filter_runs_on() -> anyhow::Result<()> {
    let mut setup = Setup::start("replay").await?;
    let stamp = filter("stamp")?;
    setup.orchestrator.push(&stamp, &["--name", "stamp", "--config", r#"{"stamp":1}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    setup.orchestrator.kill().await?;
    let kept = setup.scratch.join("kept");
    std::fs::create_dir(&kept)?;
    let files = ["weir.db", "weir.db-wal", "weir.db-shm"];
    for file in files {
        let _ = std::fs::copy(setup.orchestrator.data().join(file), kept.join(file));
    }
    setup.orchestrator.restart().await?;
    setup.orchestrator.push(&stamp, &["--name", "stamp", "--config", r#"{"stamp":2}"#]).await?;
    setup.agent.active("stamp", 2).await?;
    setup.orchestrator.kill().await?;
    for file in files {
        let _ = std::fs::remove_file(setup.orchestrator.data().join(file));
        let _ = std::fs::copy(kept.join(file), setup.orchestrator.data().join(file));
    }
    setup.orchestrator.restart().await?;
    setup.connected().await?;
    setup.agent.process.says("replay").await?;
    let reply = setup.client()?.forward().await?.get(&setup.plain("/text/a")).await?;
    assert_eq!(reply.header("x-stamp"), "2");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_go_forward_unless_a_signed_rollback_says_so() -> anyhow::Result<()> {
    let setup = Setup::start("versions-forward").await?;
    let stamp = filter("stamp")?;
    for stamped in [1, 2] {
        let config = format!(r#"{{"stamp":{stamped}}}"#);
        setup.orchestrator.push(&stamp, &["--name", "stamp", "--config", &config]).await?;
    }
    setup.agent.active("stamp", 2).await?;
    let back = ["--name", "stamp", "--config", r#"{"stamp":1}"#, "--version", "1"];
    let refusal = setup.orchestrator.try_push(&stamp, &back).await?.refusal()?;
    ensure!(refusal.contains("version"), "{refusal}");
    let keys = setup.orchestrator.keys().to_str().context("UTF-8")?.to_owned();
    setup.orchestrator.command(["filters", "rollback", "stamp", "--key-dir", &keys]).await?.ok()?;
    let url = setup.plain("/text/a");
    wait::eventually(wait::PATIENCE, "the version before", || async {
        Ok((setup.client()?.forward().await?.get(&url).await?.header("x-stamp") == "1").then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_statements_start_nothing_and_stop_nothing() -> anyhow::Result<()> {
    let setup = Setup::start("expired").await?;
    let bytes = std::fs::read(filter("stamp")?)?;
    let key = trusted_key(&setup)?;
    let mut short = publication("short", 1, &bytes)?;
    // it has to be active before it ends, on a slow machine too
    short.expires = now_ms()? / 1000 + 15;
    let (status, answer) = post(&setup, &key, &publish(short.clone()), Some(&bytes)).await?;
    ensure!(status == 201, "{status} {answer}");
    setup.agent.active("short", 1).await?;
    wait::eventually(wait::PATIENCE, "the statement to expire", || async {
        Ok((now_ms()? / 1000 > short.expires).then_some(()))
    })
    .await?;
    let reply = setup.client()?.forward().await?.get(&setup.plain("/text/a")).await?;
    assert_eq!(reply.header("x-stamp"), "1", "what runs goes on");
    // one that never ran it does not begin, and serves nobody without it
    let mut late = another_agent(&setup).await?.spawn()?;
    let log = late.says("no client is served yet").await?;
    ensure!(log.contains("expired") && !log.contains("agent ready"), "{log}");
    // signed anew it is taken up, whatever a stranger says of it since
    let anew = publication("short", 2, &bytes)?;
    let (status, answer) = post(&setup, &key, &publish(anew), None).await?;
    ensure!(status == 201, "{status} {answer}");
    let stranger = PublisherKey::generate();
    let (status, answer) = post(&setup, &stranger, &publish(publication("short", 3, &bytes)?), None).await?;
    ensure!(status == 201, "{status} {answer}");
    late.line("agent ready:", 0).await?;
    late.kill().await?;
    // and by one that joins when the stranger's word is the newest
    let third = AgentOptions::new(&setup.scratch, "third")
        .with("--orchestrator", setup.orchestrator.grpc_url())
        .with("--join-token", setup.orchestrator.join_token().await?);
    third.start().await?.active("short", 2).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_that_are_not_granted_are_refused() -> anyhow::Result<()> {
    let setup = Setup::start("grants").await?;
    let bytes = std::fs::read(filter("rogue")?)?;
    let mut greedy = publication("greedy", 1, &bytes)?;
    greedy.config = r#"{"at":"done","fault":"log"}"#.to_owned();
    greedy.grants.clear();
    let (status, answer) = post(&setup, &trusted_key(&setup)?, &publish(greedy), Some(&bytes)).await?;
    ensure!(status == 422 && answer.to_string().contains("log"), "{status} {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_for_other_groups_do_not_reach_this_one() -> anyhow::Result<()> {
    let setup = Setup::start("groups").await?;
    let arguments = ["--name", "stamp", "--config", r#"{"stamp":1}"#, "--group", "elsewhere"];
    setup.orchestrator.push(&filter("stamp")?, &arguments).await?;
    let here = ["--name", "here", "--config", r#"{"stamp":2}"#];
    setup.orchestrator.push(&filter("stamp")?, &here).await?;
    setup.agent.active("here", 1).await?;
    ensure!(setup.agent.filter("stamp").await?.is_none(), "a filter of another group runs");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_key_is_trusted_only_when_a_trusted_one_endorses_it() -> anyhow::Result<()> {
    let setup = Setup::start("endorse").await?;
    let bytes = std::fs::read(filter("stamp")?)?;
    let (first, second) = (trusted_key(&setup)?, PublisherKey::generate());
    let endorse = |key: &PublisherKey| {
        anyhow::Ok(Statement::Endorse(Endorsement {
            group: Default::default(),
            sequence: now_ms()?,
            expires: now_ms()? / 1000 + 3600,
            key: key.public(),
            key_id: key.public().id(),
        }))
    };
    // by itself: stored perhaps, trusted never
    let _ = post(&setup, &second, &endorse(&second)?, None).await?;
    post(&setup, &second, &publish(publication("early", 1, &bytes)?), Some(&bytes)).await?;
    setup.refused("early", "signature").await?;
    let (status, answer) = post(&setup, &first, &endorse(&second)?, None).await?;
    ensure!(status.is_success(), "{status} {answer}");
    let (status, answer) = post(&setup, &second, &publish(publication("late", 1, &bytes)?), Some(&bytes)).await?;
    ensure!(status == 201, "{status} {answer}");
    setup.agent.active("late", 1).await?;
    Ok(())
}
