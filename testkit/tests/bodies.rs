//! Bodies pass unharmed: 0 to 256 MiB, sized or chunked, both HTTP versions, whatever the filters see of them, and the
//! agent's memory stays where it was.

use anyhow::ensure;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use weir_testkit::{
    binaries::filter,
    body::{self, Pattern},
    client::{Alpn, Http},
    setup::Setup,
};

/// Who sees the bodies, by path; none sees `/bytes` and `/check` of other hosts.
const MODES: [&str; 4] = ["none", "observe", "transform", "hold"];

/// Filters that take part in bodies, each for requests that name it.
async fn setup(name: &str) -> anyhow::Result<Setup> {
    let setup = Setup::start(name).await?;
    for mode in &MODES[1..] {
        let config = format!(r#"{{"mode":"{mode}"}}"#);
        let matching = format!("header.x-mode:{mode}");
        let arguments = ["--name", mode, "--config", &config, "--match", &matching];
        setup.orchestrator.push(&filter("carry")?, &arguments).await?;
        setup.agent.active(mode, 1).await?;
    }
    Ok(setup)
}

async fn connect(setup: &Setup, over: Option<Alpn>) -> anyhow::Result<(Http, String)> {
    let client = setup.client()?;
    Ok(match over {
        None => (client.forward().await?, setup.plain("")),
        Some(alpn) => (client.intercepted(&setup.tls_authority(), alpn).await?, setup.tls("")),
    })
}

/// Up as a patterned body that the origin checks, then down as one that we check.
async fn both_ways(
    http: &mut Http,
    base: &str,
    mode: &str,
    (seed, size): (u64, u64),
    (chunked, by): (bool, usize),
) -> anyhow::Result<()> {
    let mut pattern = Pattern::new(seed, size).by(by);
    if chunked {
        pattern = pattern.chunked();
    }
    let mut request = http.request("POST", &format!("{base}/check?seed={seed}"), pattern.boxed())?;
    request.headers_mut().insert("x-mode", mode.parse()?);
    let reply = http.exchange(request).await?;
    ensure!(reply.status == 200 && reply.text() == size.to_string(), "up: {} {}", reply.status, reply.text());
    let framing = if chunked { "&chunked" } else { "" };
    let mut request =
        http.request("GET", &format!("{base}/bytes/{size}?seed={seed}&by={by}{framing}"), body::empty())?;
    request.headers_mut().insert("x-mode", mode.parse()?);
    let response = http.send(request).await?;
    ensure!(response.status() == 200, "down: {}", response.status());
    if mode != "none" {
        ensure!(response.headers().get("x-carried").is_some_and(|value| value == mode), "the filter did not run");
    }
    let (got, _) = body::check(response.into_body(), seed).await?;
    ensure!(got == size, "down: {got} of {size} bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_passes_in_every_way() -> anyhow::Result<()> {
    let setup = setup("body-sizes").await?;
    for over in [None, Some(Alpn::Http1), Some(Alpn::Http2)] {
        let (mut http, base) = connect(&setup, over).await?;
        for mode in MODES {
            for size in [0, 1, 8191, 16_384, 65_537, 1 << 20] {
                for chunked in [false, true] {
                    both_ways(&mut http, &base, mode, (size ^ 0x5eed, size), (chunked, 16 << 10))
                        .await
                        .map_err(|error| error.context(format!("{over:?}, {mode}, {size} bytes, chunked {chunked}")))?;
                }
            }
        }
    }
    Ok(())
}

/// Property "bodies are preserved" (D10): any size, cut, framing, version and filter.
#[tokio::test(flavor = "multi_thread")]
async fn property_bodies_are_preserved() -> anyhow::Result<()> {
    let setup = setup("body-property").await?;
    let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
    let cases = (0u64..300_000, 8usize..70_000, any::<bool>(), 0usize..3, 0usize..4, any::<u64>());
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        runner.run(&cases, |(size, by, chunked, over, mode, seed)| {
            let over = [None, Some(Alpn::Http1), Some(Alpn::Http2)][over];
            handle
                .block_on(async {
                    let (mut http, base) = connect(&setup, over).await?;
                    both_ways(&mut http, &base, MODES[mode], (seed, size), (chunked, by)).await
                })
                .map_err(|error| TestCaseError::fail(format!("{error:#}")))
        })
    })?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_and_memory_stays_flat() -> anyhow::Result<()> {
    const SIZE: u64 = 256 << 20;
    let setup = setup("body-large").await?;
    let ways = [(None, "none"), (Some(Alpn::Http1), "transform"), (Some(Alpn::Http2), "observe")];
    for (over, mode) in ways {
        let (mut http, base) = connect(&setup, over).await?;
        // what buffers and instances cost once
        both_ways(&mut http, &base, mode, (1, 8 << 20), (false, 64 << 10)).await?;
        let before = setup.agent.process.resident()?;
        both_ways(&mut http, &base, mode, (2, SIZE), (over.is_none(), 64 << 10)).await?;
        let grown = setup.agent.process.resident()?.saturating_sub(before) >> 20;
        println!("{over:?} {mode}: {grown} MiB more after 256 MiB each way");
        ensure!(grown < 24, "{over:?} {mode}: the agent grew by {grown} MiB");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redact_streams_and_finds_what_chunk_borders_cut() -> anyhow::Result<()> {
    let setup = Setup::start("redact").await?;
    let config = r#"{"patterns":[{"literal":"origin"}]}"#;
    setup.orchestrator.push(&filter("redact")?, &["--name", "redact", "--config", config]).await?;
    setup.agent.active("redact", 1).await?;
    let mut http = setup.client()?.forward().await?;
    let reply = http.get(&setup.plain("/text/part")).await?;
    ensure!(!reply.text().contains("origin") && reply.text().contains("this is part of the "), "{}", reply.text());
    Ok(())
}
