//! Exchanges that pause at a real agent, decided over the REST of a real orchestrator, and what ends a pause when nobody
//! decides.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use weir_testkit::{
    body,
    client::Reply,
    curl::CurlReply,
    raw::Raw,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

/// An agent that hears nothing of a breakpoint holds it for longer than this.
const WITHOUT_WORD: Duration = Duration::from_secs(12);

async fn start(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| options.with("--allow", "breakpoints").with("--workers", "2")).await
}

async fn breakpoint(setup: &Setup, wanted: Value) -> anyhow::Result<Value> {
    let (status, made) = setup.orchestrator.request(Method::POST, "/breakpoints", Some(&wanted)).await?;
    ensure!(status == StatusCode::CREATED, "{status} {made}");
    ensure!(made["at_agents"][0]["state"] == "set", "{made}");
    Ok(made)
}

/// What pauses, once something does, whole.
async fn paused(setup: &Setup) -> anyhow::Result<Value> {
    let id = eventually(PATIENCE, "a pause", async || {
        let list = setup.orchestrator.list("/paused").await?;
        Ok(list.first().and_then(|item| item["id"].as_str().map(str::to_owned)))
    })
    .await?;
    setup.orchestrator.get(&format!("/paused/{id}")).await
}

async fn decide(setup: &Setup, paused: &Value, decision: Value) -> anyhow::Result<(StatusCode, Value)> {
    let path = format!("/paused/{}", paused["id"].as_str().context("an id")?);
    setup.orchestrator.request(Method::POST, &path, Some(&decision)).await
}

/// Decides about what pauses next.
async fn decide_next(setup: &Setup, decision: Value) -> anyhow::Result<Value> {
    let paused = paused(setup).await?;
    let (status, done) = decide(setup, &paused, decision).await?;
    ensure!(status == StatusCode::OK, "{status} {done}");
    Ok(paused)
}

/// curl, beside the test.
fn curl(setup: &Setup, arguments: &[&str]) -> JoinHandle<anyhow::Result<CurlReply>> {
    let (proxy, ca) = (setup.agent.proxy, setup.agent.ca_file());
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    tokio::spawn(async move {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        weir_testkit::curl::Curl::new(proxy, &ca).get(&arguments).await
    })
}

fn post(setup: &Setup, path: &str) -> JoinHandle<anyhow::Result<Reply>> {
    let (client, url) = (setup.client(), setup.plain(path));
    tokio::spawn(async move { client?.forward().await?.post(&url, body::full("mine")).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_edits_what_curl_sends_and_gets() -> anyhow::Result<()> {
    let setup = start("breakpoints-edit").await?;
    let made = breakpoint(&setup, json!({ "query": "path:/echo*", "at": "both", "on_timeout": "fail" })).await?;
    ensure!(made["owner"] == "admin" && made["timeout_s"] == 60 && made["body_bytes"] == 65536, "{made}");
    for (url, version, flag) in [
        (setup.plain("/echo"), "1.1", "--http1.1"),
        (setup.tls("/echo"), "1.1", "--http1.1"),
        (setup.tls("/echo"), "2", "--http2"),
    ] {
        let sent = curl(&setup, &[flag, "--header", "authorization: Bearer mine", "--data", "mine", &url]);
        let edit =
            json!({ "decision": "modify", "headers": [["x-stamp", "edited"]], "body": { "text": "edited going up" } });
        let request = decide_next(&setup, edit).await?;
        ensure!(request["request"]["url"] == url.as_str() && request["body"]["text"] == "mine", "{request}");
        let fields = request["request"]["headers"].to_string();
        ensure!(fields.contains("Bearer mine") && !fields.contains("content-length"), "{fields}");
        let edit = json!({ "decision": "modify", "status": 202, "body": { "text": "edited coming down" } });
        let response = decide_next(&setup, edit).await?;
        ensure!(response["at"] == "response" && response["body"]["text"] == "edited going up", "{response}");
        let got = sent.await??;
        ensure!((got.status, &*got.version, &*got.body) == (202, version, "edited coming down"), "{got:?}");
        ensure!(got.head.to_lowercase().contains("x-heard-stamp: edited"), "{}", got.head);

        let id = request["exchange"].as_str().context("an id")?;
        let record = eventually(PATIENCE, "the record", async || {
            let (status, record) = setup.orchestrator.request(Method::GET, &format!("/exchanges/{id}"), None).await?;
            Ok((status == StatusCode::OK).then_some(record))
        })
        .await?;
        ensure!(record["interventions"][0]["by"] == "admin", "{record}");
        ensure!(record["interventions"][0]["changed"] == json!(["headers", "body"]), "{record}");
        ensure!(record["interventions"][1]["changed"] == json!(["status", "body"]), "{record}");
        ensure!(record["original_response"]["status"] == 200 && record["response"]["status"] == 202, "{record}");
        for (part, text) in [
            ("request/body", "mine"),
            ("request/body?side=filtered", "edited going up"),
            ("response/body", "edited coming down"),
            ("response/body?side=original", "edited going up"),
        ] {
            let bytes = setup.orchestrator.bytes(&format!("/exchanges/{id}/{part}")).await?;
            ensure!(bytes == text.as_bytes(), "{part}: {}", String::from_utf8_lossy(&bytes));
        }
    }
    ensure!(setup.orchestrator.list("/exchanges?query=is:edited").await?.len() == 3);
    let trail = setup.orchestrator.list("/audit").await?;
    let decided: Vec<&Value> = trail.iter().filter(|entry| entry["action"] == "decide").collect();
    ensure!(decided.len() == 6, "{decided:?}");
    let object = decided[0]["object"].as_str().unwrap_or_default();
    ensure!(object.starts_with("modify status,body: response of POST https://"), "{object}");
    let states = setup.orchestrator.list("/breakpoints").await?;
    ensure!(states[0]["at_agents"][0]["paused_total"] == 6, "{states:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_decision_counts_and_hostile_ones_none() -> anyhow::Result<()> {
    let setup = start("breakpoints-race").await?;
    breakpoint(&setup, json!({ "query": "path:/echo" })).await?;
    let sent = post(&setup, "/echo");
    let held = paused(&setup).await?;
    for (decision, status) in [
        (json!({ "decision": "modify", "headers": [["x", "a\r\nContent-Length: 0"]] }), 422),
        (json!({ "decision": "modify", "headers": [["x\r\ny", "a"]] }), 422),
        (json!({ "decision": "modify", "headers": [["transfer-encoding", "chunked"]] }), 422),
        (json!({ "decision": "modify", "headers": [["content-length", "3"]], "body": { "text": "four" } }), 422),
        (json!({ "decision": "modify", "url": "http://x/ HTTP/1.1\r\nHost: evil" }), 422),
        (json!({ "decision": "modify", "method": "GET / HTTP/1.1\r\nx: y" }), 422),
        (json!({ "decision": "modify", "body": { "base64": "!" } }), 422),
        (json!({ "decision": "modify", "colour": "red" }), 400),
        (json!({ "decision": "perhaps" }), 400),
    ] {
        let (got, problem) = decide(&setup, &held, decision.clone()).await?;
        ensure!(got == status, "{decision}: {got} {problem}");
    }
    let go_on = || decide(&setup, &held, json!({ "decision": "continue" }));
    let answers = tokio::try_join!(go_on(), go_on(), go_on(), go_on())?;
    let mut statuses: Vec<u16> = <[_; 4]>::from(answers).into_iter().map(|(status, _)| status.as_u16()).collect();
    statuses.sort_unstable();
    ensure!(statuses == [200, 409, 409, 409], "{statuses:?}");
    ensure!(sent.await??.text() == "mine");
    ensure!(setup.orchestrator.list("/paused").await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_is_killed_stalls_nobody() -> anyhow::Result<()> {
    let mut setup = start("breakpoints-killed").await?;
    for (on_timeout, status) in [("continue", 200), ("fail", 504)] {
        let wanted = json!({ "query": "path:/echo", "timeout_s": 600, "lease_s": 600, "on_timeout": on_timeout });
        let made = breakpoint(&setup, wanted).await?;
        let sent = post(&setup, "/echo");
        paused(&setup).await?;
        setup.orchestrator.kill().await?;
        let began = Instant::now();
        let reply = sent.await??;
        ensure!(reply.status == status, "{reply:?}");
        ensure!(began.elapsed() < WITHOUT_WORD, "{:?}", began.elapsed());
        // nothing pauses while nobody is there
        let began = Instant::now();
        ensure!(post(&setup, "/echo").await??.text() == "mine");
        ensure!(began.elapsed() < WITHOUT_WORD, "{:?}", began.elapsed());
        // it comes back with what it had, whose lease still runs
        setup.orchestrator.restart().await?;
        setup.connected().await?;
        eventually(PATIENCE, "the breakpoint again", async || {
            let breakpoints = setup.orchestrator.list("/breakpoints").await?;
            Ok(breakpoints.iter().any(|one| one["at_agents"][0]["state"] == "set").then_some(()))
        })
        .await?;
        let again = post(&setup, "/echo");
        paused(&setup).await?;
        // removed, what it paused ends by its policy
        let path = format!("/breakpoints/{}", made["id"].as_str().context("an id")?);
        let (removed, answer) = setup.orchestrator.request(Method::DELETE, &path, None).await?;
        ensure!(removed == StatusCode::NO_CONTENT, "{removed} {answer}");
        ensure!(again.await??.status == status);
        ensure!(post(&setup, "/echo").await??.text() == "mine");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breakpoint_that_nobody_renews_ends() -> anyhow::Result<()> {
    let setup = start("breakpoints-lease").await?;
    let made = breakpoint(&setup, json!({ "query": "path:/echo", "lease_s": 8, "timeout_s": 600 })).await?;
    let renew = format!("/breakpoints/{}/renew", made["id"].as_str().context("an id")?);
    let began = Instant::now();
    let sent = post(&setup, "/echo");
    paused(&setup).await?;
    while began.elapsed() < Duration::from_secs(10) {
        let (status, renewed) = setup.orchestrator.request(Method::POST, &renew, None).await?;
        ensure!(status == StatusCode::OK && renewed["ends"].is_string(), "{status} {renewed}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    ensure!(!sent.is_finished(), "it was renewed");
    ensure!(sent.await??.text() == "mine");
    ensure!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let (status, problem) = setup.orchestrator.request(Method::POST, &renew, None).await?;
    ensure!(status == StatusCode::NOT_FOUND, "{status} {problem}");
    ensure!(setup.orchestrator.list("/breakpoints").await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_when_the_breakpoint_is_made() -> anyhow::Result<()> {
    let setup = Setup::start("breakpoints-refused").await?;
    let post = async |wanted: Value| setup.orchestrator.request(Method::POST, "/breakpoints", Some(&wanted)).await;
    let (status, problem) = post(json!({ "query": "path:/echo" })).await?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    ensure!(status == StatusCode::CONFLICT && detail.contains("--allow connections,breakpoints"), "{status} {problem}");
    ensure!(setup.orchestrator.list("/breakpoints").await?.is_empty(), "no agent has it");
    for (wanted, status, says) in [
        (json!({ "query": "host:a status:5xx" }), 400, "`status` is not known when the request arrives"),
        (json!({ "query": "size:>1kB", "at": "response" }), 400, "`size` is not known when the response arrives"),
        (json!({ "query": "login" }), 400, "a word without a field"),
        (json!({ "query": "host:a", "timeout_s": 601 }), 422, "timeout_s has to be 1 to 600"),
        (json!({ "query": "host:a", "max_paused": 0 }), 422, "max_paused"),
        (json!({ "query": "host:a", "agents": ["nobody"] }), 422, "there is no agent `nobody`"),
        (json!({ "query": "host:a", "colour": "red" }), 400, "colour"),
    ] {
        let (got, problem) = post(wanted.clone()).await?;
        ensure!(got == status && problem.to_string().contains(says), "{wanted}: {got} {problem}");
    }
    let (_, problem) = post(json!({ "query": "host:a status:5xx" })).await?;
    ensure!(problem["column"] == 8, "{problem}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_and_an_agent_that_stops_end_pauses() -> anyhow::Result<()> {
    let setup = start("breakpoints-left").await?;
    breakpoint(&setup, json!({ "query": "path:/text/x", "timeout_s": 600, "lease_s": 600 })).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", setup.plain("/text/x"))).await?;
    let held = paused(&setup).await?;
    drop(client);
    eventually(PATIENCE, "the end of the pause", async || {
        Ok(setup.orchestrator.list("/paused").await?.is_empty().then_some(()))
    })
    .await?;
    let (status, problem) = decide(&setup, &held, json!({ "decision": "continue" })).await?;
    ensure!(status == StatusCode::CONFLICT, "{status} {problem}");
    let sent = curl(&setup, &[&setup.plain("/text/x")]);
    paused(&setup).await?;
    setup.agent.stop(PATIENCE).await?;
    ensure!(sent.await??.status == 200, "it went on");
    Ok(())
}
