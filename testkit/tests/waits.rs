//! Filters that wait, count and tell, in the whole product: calls to real servers, timers, the filters' own store over swaps
//! and restarts, tags in the record.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use weir_testkit::{
    binaries::filter,
    body,
    client::{Alpn, Http},
    ports::Closed,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
};

/// Pushes `ask` with this configuration and one upstream.
async fn push(setup: &Setup, config: &Value, upstream: &str, version: u64) -> anyhow::Result<()> {
    let (config, upstream) = (config.to_string(), format!("oracle={upstream}"));
    setup.orchestrator.push(&filter("ask")?, &["--config", &config, "--upstream", &upstream]).await?;
    setup.agent.active("ask", version).await?;
    Ok(())
}

fn asking(stage: &str, path: &str) -> Value {
    json!({"stage": stage, "upstream": "oracle", "path": path})
}

/// The origin answers when it has the whole body.
async fn answer(http: &mut Http, url: &str) -> anyhow::Result<String> {
    let reply = http.post(url, body::full("body")).await?;
    ensure!(reply.status == 200 && reply.text() == "4", "{} {}", reply.status, reply.text());
    Ok(reply.header("x-answer").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered_at_every_stage_over_every_protocol() -> anyhow::Result<()> {
    let setup = Setup::start("waits-calls").await?;
    let client = setup.client()?;
    let oracle = setup.plain("/");
    for (stage, version) in ["request-head", "request-body", "response-head", "response-body"].into_iter().zip(1..) {
        push(&setup, &asking(stage, "/echo"), &oracle, version).await?;
        let mut plain = client.forward().await?;
        let mut http1 = client.intercepted(&setup.tls_authority(), Alpn::Http1).await?;
        let mut http2 = client.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
        for round in 0..3 {
            let said = [
                answer(&mut plain, &setup.plain(&format!("/length?{stage}"))).await?,
                answer(&mut http1, &setup.tls("/length")).await?,
                answer(&mut http2, &setup.tls("/length")).await?,
            ];
            // the head is gone when the end of the body waits
            let expected = if stage == "response-body" { "" } else { "200 question" };
            ensure!(said.iter().all(|said| said == expected), "{stage}, round {round}: {said:?}");
        }
        let record = setup.recorded(&format!("/length?{stage}")).await?;
        let waited: String = stage.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        let tags = json!({"ask.answer": "200 question", "ask.heard": true, "ask.waited": waited});
        ensure!(record["tags"] == tags, "{stage}: {}", record["tags"]);
    }
    eventually(PATIENCE, "every exchange to be found by its tag", || async {
        let found = setup.orchestrator.list("/exchanges?query=tag:ask.answer%3D200*").await?;
        Ok((found.len() >= 36).then_some(()))
    })
    .await?;
    ensure!(setup.orchestrator.list("/exchanges?query=tag:ask.other").await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_waited_is_there_to_be_changed() -> anyhow::Result<()> {
    let setup = Setup::start("waits-chunk").await?;
    let client = setup.client()?;
    for (stage, version) in ["request-body", "response-body"].into_iter().zip(1..) {
        let config = json!({"stage": stage, "delay_ms": 1, "backwards": true});
        push(&setup, &config, &setup.plain("/"), version).await?;
        let mut http2 = client.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
        let plain = client.forward().await?.post(&setup.plain("/echo"), body::full("abc")).await?;
        let tls = http2.post(&setup.tls("/echo"), body::full("abc")).await?;
        ensure!(plain.text() == "cba" && tls.text() == "cba", "{stage}: {} {}", plain.text(), tls.text());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_turns_clear_text_into_tls_and_back() -> anyhow::Result<()> {
    let setup = Setup::start("waits-scheme").await?;
    let rule = |scope: &str, authority: &str, scheme: &str| json!({"match": {"paths": [scope]}, "authority": authority, "scheme": scheme});
    let (plain, tls) = (setup.origin.plain().to_string(), setup.tls_authority());
    let config = json!({"rules": [rule("/up", &tls, "https"), rule("/down", &plain, "http")]}).to_string();
    setup.orchestrator.push(&filter("map-remote")?, &["--config", &config]).await?;
    setup.agent.active("map-remote", 1).await?;
    let client = setup.client()?;
    let up = client.forward().await?.get(&setup.plain("/up")).await?;
    let down = client.intercepted(&tls, Alpn::Http2).await?.get(&setup.tls("/down")).await?;
    ensure!(up.status == 200 && down.status == 200, "{} {}", up.status, down.status);
    for (path, scheme) in [("/up", "https"), ("/down", "http")] {
        let record = setup.recorded(path).await?;
        let url = record["filtered_request"]["url"].as_str().unwrap_or_default();
        ensure!(url.starts_with(&format!("{scheme}://")), "{path}: {record}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_call_can_reach_is_told_to_the_filter() -> anyhow::Result<()> {
    let setup = Setup::start("waits-faults").await?;
    let client = setup.client()?;
    // accepts and never answers
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let nobody = Closed::new()?;
    let closed = nobody.address();
    let own = format!("http://{}", setup.agent.admin);
    let cases = [
        (format!("http://{closed}"), "/echo", "failed Refused"),
        (format!("http://{},timeout_ms=50", silent.local_addr()?), "/echo", "failed Timeout"),
        (setup.plain(",max_bytes=7"), "/echo", "failed TooLarge"),
        (setup.plain(",max_bytes=8"), "/echo", "200 question"),
        (setup.plain(""), "/status/500", "500"),
        (setup.tls(""), "/echo", "200 question"),
        // by an address that its certificate does not name
        (format!("https://127.0.0.2:{}", setup.origin.tls().port()), "/echo", "failed "),
        ("http://nowhere.invalid".to_owned(), "/", "failed Dns"),
        ("http://169.254.169.254".to_owned(), "/", "failed Refused"),
        (own, "/metrics", "failed Refused"),
    ];
    for ((upstream, path, expected), version) in cases.into_iter().zip(1..) {
        push(&setup, &asking("request-head", path), &upstream, version).await?;
        let said = answer(&mut client.forward().await?, &setup.plain("/length")).await?;
        ensure!(said.starts_with(expected), "{upstream}: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_keeps_nobody_waiting_and_ends_with_its_client() -> anyhow::Result<()> {
    // one worker: everybody shares the instance
    let setup = Setup::start_with("waits-others", |options| options.with("--workers", "1")).await?;
    let client = setup.client()?;
    let slow = json!({"stage": "request-head", "delay_ms": 60_000});
    let arguments = ["--config", &slow.to_string(), "--match", "path:/slow"];
    setup.orchestrator.push(&filter("ask")?, &arguments).await?;
    setup.agent.active("ask", 1).await?;
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let http = client.forward().await?;
        let request = http.request("GET", &setup.plain("/slow"), body::empty())?;
        // it is not this client that gives up
        let Http::One(mut send) = http else { anyhow::bail!("HTTP/1.1 was asked for") };
        waiting.push(tokio::spawn(async move { send.send_request(request).await.map(|response| response.status()) }));
    }
    eventually(PATIENCE, "100 exchanges to wait", || async {
        Ok((setup.agent.metric("weir_agent_exchanges_active", "").await? >= 100.0).then_some(()))
    })
    .await?;
    let mut http = client.forward().await?;
    let reply = within(PATIENCE, "an exchange beside", http.get(&setup.plain("/fast"))).await??;
    ensure!(reply.status == 200);
    // a swap waits for nobody, and the version that is waited in stays until then
    let quick = json!({"stage": "request-head", "delay_ms": 1});
    setup.orchestrator.push(&filter("ask")?, &["--config", &quick.to_string()]).await?;
    setup.agent.active("ask", 2).await?;
    let reply = within(PATIENCE, "the next version", http.get(&setup.plain("/slow"))).await??;
    ensure!(reply.header("x-answer") == "elapsed" && reply.header("x-count") == "1", "{}", reply.header("x-answer"));
    for task in waiting {
        ensure!(!task.is_finished(), "it waits for a minute");
        task.abort();
    }
    eventually(PATIENCE, "those who left to be gone, and their version with them", || async {
        let generations = setup.agent.metric("weir_agent_filter_generations", r#"filter="ask""#).await?;
        let in_flight = setup.agent.metric("weir_agent_exchanges_active", "").await?;
        Ok((generations == 1.0 && in_flight == 0.0).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_keeps_outlives_its_version_and_the_agent() -> anyhow::Result<()> {
    let setup = Setup::start("waits-keeps").await?;
    let config = json!({"stage": "request-head", "delay_ms": 0});
    let count = async |setup: &Setup| {
        let reply = setup.client()?.forward().await?.get(&setup.plain("/")).await?;
        reply.header("x-count").parse::<u64>().context("a count")
    };
    push(&setup, &config, &setup.plain(""), 1).await?;
    ensure!((count(&setup).await?, count(&setup).await?) == (1, 2));
    push(&setup, &config, &setup.plain(""), 2).await?;
    ensure!(count(&setup).await? == 3, "the next version goes on");
    let Setup { agent, options, orchestrator, origin, ca, scratch } = setup;
    agent.stop(PATIENCE).await?;
    let agent = options.start().await?;
    let setup = Setup { agent, options, orchestrator, origin, ca, scratch };
    setup.agent.active("ask", 2).await?;
    ensure!(count(&setup).await? == 4, "and so does the next agent");
    Ok(())
}
