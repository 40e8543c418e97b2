//! Middleware that traps, loops, does nothing or takes too much: its exchange gets what the policy says, and nobody else
//! notices.

use std::time::{Duration, Instant};

use anyhow::ensure;
use weir_testkit::{
    body::{self, Pattern},
    raw::{Raw, RawOrigin, Script},
    setup::Setup,
    wait::{PATIENCE, eventually},
};

use super::{setup, told, ways};

const LIMITS: [&str; 4] = ["--limit", "stall_ms=1000", "--limit", "cpu_ms=2000"];

async fn failures(setup: &Setup, kind: &str) -> anyhow::Result<f64> {
    setup.agent.metric("weir_agent_filter_failures_total", &format!("kind=\"{kind}\"")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_told_and_counted_by_its_kind() -> anyhow::Result<()> {
    let setup = setup("middleware-faults", &LIMITS).await?;
    let faults = [
        ("trap", "trap", "unreachable"),
        ("trap-after", "trap", "unreachable"),
        ("trap-while-reading", "trap", "unreachable"),
        ("loop", "cpu", "more than 2000 ms of CPU time"),
        ("stall", "stalled", "did nothing for 1000 ms"),
        ("grow", "memory", "bytes of memory"),
        ("tasks", "contract", "more than 10000 tasks"),
        ("error", "gave-error", "HttpRequestDenied"),
    ];
    for (what, kind, words) in faults {
        let before = failures(&setup, kind).await?;
        let mut http = setup.client()?.forward().await?;
        let reply = told(&mut http, what, "POST", &setup.plain("/echo"), body::full("a body")).await?;
        let problem = reply.problem(500, "filter").map_err(|error| error.context(what))?;
        ensure!(problem["detail"].as_str().is_some_and(|told| told.contains(words)), "{what}: {problem}");
        ensure!(failures(&setup, kind).await? == before + 1.0, "{what}: {kind} is counted once");
        // the worker is as it was
        let mut http = setup.client()?.forward().await?;
        let well = told(&mut http, "pass", "POST", &setup.plain("/echo"), body::full("a body")).await?;
        ensure!(well.status == 200 && well.text() == "a body", "after {what}: {well:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_open_lets_go_on_what_the_guest_has_not_touched() -> anyhow::Result<()> {
    let setup = setup("middleware-open", &[&LIMITS[..], &["--on-failure", "open"]].concat()).await?;
    for (mut http, base) in ways(&setup).await? {
        for what in ["trap", "trap-after", "stall", "error"] {
            let reply = told(&mut http, what, "POST", &format!("{base}/echo"), body::full("a body")).await?;
            ensure!(reply.status == 200 && reply.text() == "a body", "{what}, {base}: {reply:?}");
        }
        // some of the body is gone: nothing could go on whole
        let reply =
            told(&mut http, "trap-while-reading", "POST", &format!("{base}/echo"), body::full("a body")).await?;
        reply.problem(500, "filter")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_loops_holds_nobody_else_up() -> anyhow::Result<()> {
    let setup = Setup::start_with("middleware-loop", |options| options.with("--workers", "1")).await?;
    super::push(&setup, &["--limit", "cpu_ms=1000"]).await?;
    let client = setup.client()?;
    let (mut bad, mut good) = (client.forward().await?, client.forward().await?);
    let url = setup.plain("/text/a");
    let looping = tokio::spawn(async move { told(&mut bad, "loop", "GET", &url, body::empty()).await });
    let begun = Instant::now();
    let mut rounds = 0;
    while !looping.is_finished() {
        let reply = told(&mut good, "pass", "GET", &setup.plain("/text/b"), body::empty()).await?;
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
    let setup = setup("middleware-gone", &[]).await?;
    let instances = async || setup.agent.metric("weir_agent_filter_instances", "middleware").await;
    let mut bodies = Vec::new();
    for (mut http, base) in ways(&setup).await? {
        let mut request = http.request("POST", &format!("{base}/check"), {
            let endless = Pattern::new(1, 1 << 30).by(1000).paced(Duration::from_millis(20));
            endless.boxed()
        })?;
        request.headers_mut().insert("x-middleware", "count".parse()?);
        bodies.push(tokio::spawn(async move { http.send(request).await.map(drop) }));
    }
    eventually(PATIENCE, "three guests to live", || async { Ok((instances().await? >= 3.0).then_some(())) }).await?;
    for body in bodies {
        body.abort();
    }
    eventually(PATIENCE, "the guests to go", || async { Ok((instances().await? == 0.0).then_some(())) }).await?;
    Ok(())
}

/// More of each than opens a breaker.
#[tokio::test(flavor = "multi_thread")]
async fn what_peers_send_is_no_fault_of_who_hands_it_on() -> anyhow::Result<()> {
    let setup = setup("middleware-peers", &LIMITS).await?;
    let odd = b"HTTP/1.1 999 Odd\r\nX-Large: %\r\nContent-Length: 2\r\n\r\nok";
    let odd = String::from_utf8_lossy(odd).replace('%', &"x".repeat(80 << 10));
    let origin = RawOrigin::start(Script::Answer(odd.into_bytes())).await?;
    let (long, path) = ("M".repeat(65), "p".repeat(20 << 10));
    let plain = setup.plain("");
    let requests = [
        format!("GET {plain}/\u{fc} HTTP/1.1"),
        format!("{long} {plain}/text/x HTTP/1.1"),
        format!("GET {plain}/{path} HTTP/1.1"),
        format!("GET http://{}/ HTTP/1.1", origin.address()),
    ];
    for request in &requests {
        for _ in 0..25 {
            let mut raw = Raw::dial(setup.agent.proxy).await?;
            raw.say(format!("{request}\r\nHost: x\r\nX-Middleware: pass\r\nConnection: close\r\n\r\n")).await?;
            let got = raw.response().await?;
            let told = String::from_utf8_lossy(&got.body).into_owned();
            ensure!(!told.contains("\"blame\":\"filter\""), "{}: {told}", &request[..request.len().min(80)]);
        }
    }
    for kind in ["contract", "breaker-open"] {
        ensure!(failures(&setup, kind).await? == 0.0, "{kind}");
    }
    Ok(())
}

/// A guest whose answer fills all that waits for a client who stops reading.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_is_no_stall() -> anyhow::Result<()> {
    let setup = setup("middleware-slow-reader", &LIMITS).await?;
    for _ in 0..2 {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(format!("GET {} HTTP/1.1\r\nHost: x\r\nX-Middleware: flood\r\n\r\n", setup.plain("/"))).await?;
        raw.hear(100).await?;
        // three times as long as it may do nothing
        tokio::time::sleep(Duration::from_secs(3)).await;
        raw.hear(12 << 20).await?;
    }
    ensure!(failures(&setup, "stalled").await? == 0.0);
    Ok(())
}
