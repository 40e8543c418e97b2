//! Filters with streams that trap, loop, do nothing or take too much: the exchange gets what the policy says, and nobody else
//! notices.

use std::time::{Duration, Instant};

use anyhow::ensure;
use weir_testkit::{
    binaries::filter,
    body::{self, Pattern},
    component,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

use super::{GRANTS, figure, push, setup, told, ways};

const LIMITS: [&str; 4] = ["--limit", "stall_ms=1000", "--limit", "cpu_ms=2000"];

async fn failures(setup: &Setup, kind: &str) -> anyhow::Result<f64> {
    setup.agent.metric("weir_agent_filter_failures_total", &format!("kind=\"{kind}\"")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_told_and_counted_by_its_kind() -> anyhow::Result<()> {
    let setup = setup("streaming-faults", &LIMITS).await?;
    let faults = [
        ("trap", "trap", "unreachable"),
        ("loop", "cpu", "more than 2000 ms of CPU time"),
        ("oversleep", "stalled", "did nothing for 1000 ms"),
        ("grow", "memory", "bytes of memory"),
        ("tasks", "contract", "more than 10000 tasks"),
        ("bad-status", "contract", "responds with status 99"),
    ];
    for hook in ["", "response-"] {
        for (what, kind, words) in faults {
            let (what, before) = (format!("{hook}{what}"), failures(&setup, kind).await?);
            let mut http = setup.client()?.forward().await?;
            let reply = told(&mut http, &what, "POST", &setup.plain("/echo"), body::full("a body")).await?;
            let problem = reply.problem(500, "filter").map_err(|error| error.context(what.clone()))?;
            let detail = problem["detail"].as_str().unwrap_or_default();
            let at = if hook.is_empty() { "on-request" } else { "on-response" };
            ensure!(detail.contains(words) && detail.contains(at), "{what}: {problem}");
            ensure!(failures(&setup, kind).await? == before + 1.0, "{what}: {kind} is counted once");
            // the worker is as it was
            let mut http = setup.client()?.forward().await?;
            let well = told(&mut http, "next", "POST", &setup.plain("/echo"), body::full("a body")).await?;
            ensure!(well.status == 200 && well.text() == "a body", "after {what}: {well:?}");
        }
    }
    Ok(())
}

/// The head is gone, and what follows it must not look whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_midway_never_looks_whole() -> anyhow::Result<()> {
    let setup = setup("streaming-midway", &LIMITS).await?;
    for (what, kind) in [
        ("response-trap-midway", "trap"),
        ("response-abort-midway", ""),
        ("response-many-trailers", "contract"),
        ("response-long-trailers", "contract"),
    ] {
        for (mut http, base) in ways(&setup).await? {
            let before = failures(&setup, kind).await?;
            let reply = told(&mut http, what, "GET", &format!("{base}/bytes/1000000?seed=3"), body::empty()).await;
            ensure!(reply.is_err(), "{what}, {base}: {reply:?}");
            let counted = if kind.is_empty() { 0.0 } else { 1.0 };
            eventually(PATIENCE, "the count", || async {
                Ok((failures(&setup, kind).await? == before + counted).then_some(()))
            })
            .await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_open_lets_go_on_what_the_guest_has_not_touched() -> anyhow::Result<()> {
    let setup = setup("streaming-open", &[&LIMITS[..], &["--on-failure", "open"]].concat()).await?;
    for (mut http, base) in ways(&setup).await? {
        for what in ["trap", "oversleep", "bad-status", "response-trap"] {
            let reply = told(&mut http, what, "POST", &format!("{base}/echo"), body::full("a body")).await?;
            ensure!(reply.status == 200 && reply.text() == "a body", "{what}, {base}: {reply:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_loops_holds_nobody_else_up() -> anyhow::Result<()> {
    let setup = Setup::start_with("streaming-loop", |options| options.with("--workers", "1")).await?;
    push(&setup, &["--limit", "cpu_ms=1000"]).await?;
    let client = setup.client()?;
    let (mut bad, mut good) = (client.forward().await?, client.forward().await?);
    let url = setup.plain("/text/a");
    let looping = tokio::spawn(async move { told(&mut bad, "loop", "GET", &url, body::empty()).await });
    let begun = Instant::now();
    let mut rounds = 0;
    while !looping.is_finished() {
        let reply = told(&mut good, "next", "GET", &setup.plain("/text/b"), body::empty()).await?;
        ensure!(reply.status == 200, "{reply:?}");
        rounds += 1;
    }
    let took = begun.elapsed();
    looping.await??.problem(500, "filter")?;
    println!("{rounds} exchanges on the one worker in the {took:?} that another looped");
    ensure!(rounds > 3, "only {rounds} exchanges in {took:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_guest_along() -> anyhow::Result<()> {
    let setup = setup("streaming-gone", &[]).await?;
    let mut bodies = Vec::new();
    for (mut http, base) in ways(&setup).await? {
        let endless = Pattern::new(1, 1 << 30).by(1000).paced(Duration::from_millis(20));
        let mut request = http.request("POST", &format!("{base}/check"), endless.boxed())?;
        request.headers_mut().insert("x-streaming", "count".parse()?);
        bodies.push(tokio::spawn(async move { http.send(request).await.map(drop) }));
    }
    let instances = async || figure(&setup, "instances").await;
    eventually(PATIENCE, "three guests to live", || async { Ok((instances().await? >= 3.0).then_some(())) }).await?;
    for body in bodies {
        body.abort();
    }
    eventually(PATIENCE, "the guests to go", || async { Ok((instances().await? == 0.0).then_some(())) }).await?;
    Ok(())
}

/// A guest that has handed both bodies on is not needed for the rest of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_has_nothing_more_to_give_gives_its_place_back() -> anyhow::Result<()> {
    let setup = setup("streaming-place", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        let endless = Pattern::new(1, 1 << 30).by(1000).paced(Duration::from_millis(20));
        let mut request = http.request("POST", &format!("{base}/echo"), endless.boxed())?;
        request.headers_mut().insert("x-streaming", "hand-on".parse()?);
        let response = http.send(request).await?;
        ensure!(response.status() == 200, "{response:?}");
        let instances = async || figure(&setup, "instances").await;
        eventually(PATIENCE, "the guest to go", || async { Ok((instances().await? == 0.0).then_some(())) }).await?;
        let mut body = response.into_body();
        let frame = http_body_util::BodyExt::frame(&mut body).await;
        ensure!(frame.is_some_and(|frame| frame.is_ok()), "the exchange goes on without it");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_granted_or_is_not_there_is_refused() -> anyhow::Result<()> {
    let setup = Setup::start("streaming-grants").await?;
    // a version that wants more than the one before
    let modest = ["--name", "streaming", "--config", r#"{"request":{"set":{"x-a":"b"}}}"#];
    setup.orchestrator.push(&filter("headers")?, &modest).await?;
    let missing = ["--grant", "log", "--grant", "kv", "--grant", "tags"];
    let refused = setup.orchestrator.try_push(&filter("streaming")?, &missing).await?;
    ensure!(!refused.success && refused.stderr.contains("timer"), "{refused:?}");
    let good = std::fs::read(filter("streaming")?)?;
    for import in ["weir:filter/callout@0.1.0", "wasi:sockets/tcp@0.2.0"] {
        let bad = setup.scratch.write("bad.wasm", component::importing(&good, import))?;
        let refused = setup.orchestrator.try_push(&bad, &GRANTS).await?;
        ensure!(!refused.success && refused.stderr.contains(import), "{refused:?}");
    }
    let misspelt = [&GRANTS[..], &["--config", r#"{"header":true}"#]].concat();
    setup.orchestrator.try_push(&filter("streaming")?, &misspelt).await?;
    let reason = setup.refused("streaming", "validate-config").await?;
    ensure!(reason.contains("/header") && reason.contains("unknown field"), "{reason}");
    Ok(())
}
