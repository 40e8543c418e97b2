//! Bodies through a middleware: unread, and through its memory; never kept.

use std::{io::Write as _, time::Duration};

use anyhow::ensure;
use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use weir_testkit::{
    binaries::filter,
    body::{self, Pattern},
    client::Alpn,
    setup::Setup,
    wait::within,
};

use super::{setup, told, ways};

/// Up as a patterned body that the origin checks, then down as one that we check.
async fn both_ways(setup: &Setup, what: &str, size: u64, chunked: bool) -> anyhow::Result<()> {
    for (mut http, base) in ways(setup).await? {
        let mut pattern = Pattern::new(size, size);
        if chunked {
            pattern = pattern.chunked();
        }
        let reply = told(&mut http, what, "POST", &format!("{base}/check?seed={size}"), pattern.boxed()).await?;
        ensure!(reply.status == 200 && reply.text() == size.to_string(), "{what}, {size} up: {reply:?}");
        let framing = if chunked { "&chunked" } else { "" };
        let mut request = http.request("GET", &format!("{base}/bytes/{size}?seed=3{framing}"), body::empty())?;
        request.headers_mut().insert("x-middleware", what.parse()?);
        let (got, _) = body::check(http.send(request).await?.into_body(), 3).await?;
        ensure!(got == size, "{what}, down: {got} of {size} bytes");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_passes_unread() -> anyhow::Result<()> {
    let setup = setup("middleware-sizes", &[]).await?;
    for size in [0, 1, 8191, 65_537, 1 << 20] {
        for chunked in [false, true] {
            both_ways(&setup, "pass", size, chunked).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_through_the_guest_and_memory_stays_flat() -> anyhow::Result<()> {
    const SIZE: u64 = 128 << 20;
    let setup = setup("middleware-large", &[]).await?;
    let mut http = setup.client()?.forward().await?;
    let url = setup.plain("/length");
    told(&mut http, "count", "POST", &url, Pattern::new(1, 8 << 20).boxed()).await?;
    both_ways(&setup, "pass", 8 << 20, false).await?;
    let before = setup.agent.process.resident()?;
    let counted = told(&mut http, "count", "POST", &url, Pattern::new(1, SIZE).boxed()).await?;
    ensure!(counted.text() == format!("{SIZE}\n"), "{}", counted.text());
    let mut request = http.request("GET", &setup.plain(&format!("/bytes/{SIZE}?seed=3")), body::empty())?;
    request.headers_mut().insert("x-middleware", "upper".parse()?);
    let mut response = http.send(request).await?.into_body();
    let mut got = 0;
    while let Some(frame) = http_body_util::BodyExt::frame(&mut response).await {
        got += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    ensure!(got == SIZE, "{got}");
    let grown = setup.agent.process.resident()?.saturating_sub(before) >> 20;
    println!("{grown} MiB more after 128 MiB up into a guest and as much down through one");
    ensure!(grown < 24, "the agent grew by {grown} MiB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_both_ways() -> anyhow::Result<()> {
    let setup = setup("middleware-trailers", &[]).await?;
    for what in ["pass", "upper"] {
        for (mut http, base) in ways(&setup).await? {
            let reply = told(&mut http, what, "GET", &format!("{base}/trailers"), body::empty()).await?;
            let trailers = reply.trailers.clone().unwrap_or_default();
            ensure!(trailers.get("x-sum").is_some_and(|sum| sum == "4096"), "{what}, {base}: {trailers:?}");
            let mut sent = http::HeaderMap::new();
            sent.insert("x-up", "loaded".parse()?);
            let mut request =
                http.request("POST", &format!("{base}/echo"), Pattern::new(1, 100).trailed(sent).boxed())?;
            request.headers_mut().insert("x-middleware", what.parse()?);
            request.headers_mut().insert("trailer", "x-up".parse()?);
            request.headers_mut().insert("te", "trailers".parse()?);
            let reply = http.exchange(request).await?;
            let trailers = reply.trailers.clone().unwrap_or_default();
            ensure!(trailers.get("x-up").is_some_and(|up| up == "loaded"), "{what}, {base}: {reply:?}");
        }
    }
    Ok(())
}

/// What it was given goes on, however much; what it makes itself is its fault, and never looks whole.
#[tokio::test(flavor = "multi_thread")]
async fn long_trailers_go_on_or_are_told() -> anyhow::Result<()> {
    let setup = setup("middleware-long-trailers", &[]).await?;
    let mut http = setup.client()?.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
    for what in ["pass", "upper"] {
        let url = setup.tls(&format!("/trailers?lines=1200&long=90000&{what}"));
        let reply = told(&mut http, what, "GET", &url, body::empty()).await?;
        let trailers = reply.trailers.unwrap_or_default();
        let long = trailers.get("x-long").map_or(0, |long| long.len());
        let lines = trailers.get_all("x-line").iter().count();
        ensure!(reply.status == 200 && (lines, long) == (1200, 90_000), "{what}: {lines} lines, {long} bytes");
    }
    let contract = async || setup.agent.metric("weir_agent_filter_failures_total", "kind=\"contract\"").await;
    for (count, (mut http, base)) in ways(&setup).await?.into_iter().enumerate() {
        let reply = told(&mut http, "long-trailer", "GET", &format!("{base}/own-{count}"), body::empty()).await;
        ensure!(reply.is_err(), "{base}: {reply:?}");
        let record = setup.recorded(&format!("/own-{count}")).await?;
        for error in [&record["error"], &record["receipts"][0]["error"]] {
            let error = error.as_str().unwrap_or_default();
            ensure!(error.contains("1 fields with 70005 bytes as trailers"), "{record}");
        }
        ensure!(record["outcome"] == "filter-failed", "{record}");
        ensure!(contract().await? == count as f64 + 1.0, "{base}");
    }
    Ok(())
}

/// A filter that has bodies decoded stands before the middleware in each direction, and the middleware reads all of a body
/// before it hands anything on. A millionfold expansion passes a chunk at a time.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_coded_comes_decoded_and_no_faster_than_it_is_read() -> anyhow::Result<()> {
    const SIZE: usize = 64 << 20;
    let setup = setup("middleware-coded", &["--priority", "0"]).await?;
    for (name, priority, request) in [("front", "-1", true), ("behind", "1", false)] {
        let config = format!(r#"{{"patterns":[{{"literal":"x"}}],"request":{request},"response":{}}}"#, !request);
        let arguments = ["--name", name, "--priority", priority, "--config", &config];
        setup.orchestrator.push(&filter("redact")?, &arguments).await?;
        setup.agent.active(name, 1).await?;
    }
    let mut coder = GzEncoder::new(Vec::new(), Compression::best());
    coder.write_all(&vec![0; SIZE])?;
    let coded = coder.finish()?;
    let origin = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", origin.local_addr()?);
    let answer = coded.clone();
    let answers = tokio::spawn(async move {
        let (mut stream, _) = origin.accept().await?;
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            ensure!(stream.read_buf(&mut asked).await? > 0, "no request");
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&answer).await?;
        anyhow::Ok(())
    });
    let before = setup.agent.process.resident()?;
    for (what, url, body) in [("count", setup.plain("/never"), body::full(coded)), ("weigh", url, body::empty())] {
        let mut http = setup.client()?.forward().await?;
        let mut request = http.request("POST", &url, body)?;
        request.headers_mut().insert("x-middleware", what.parse()?);
        if what == "count" {
            request.headers_mut().insert("content-encoding", "gzip".parse()?);
        }
        let reply = within(Duration::from_secs(60), what, http.exchange(request)).await??;
        ensure!(reply.text() == format!("{SIZE}\n"), "{what}: {reply:?}");
    }
    answers.await??;
    let grown = setup.agent.process.resident()?.saturating_sub(before) >> 20;
    ensure!(grown < 24, "the agent grew by {grown} MiB");
    Ok(())
}

/// It answers with the very body that it was asked with, of which the agent takes no more once there is an answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_made_of_the_request_ends() -> anyhow::Result<()> {
    let setup = setup("middleware-echo", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        let url = format!("{base}/never");
        let asked = told(&mut http, "echo", "POST", &url, Pattern::new(1, 1 << 20).boxed());
        let reply = within(Duration::from_secs(20), "the end of an echo", asked).await?;
        ensure!(reply.is_err(), "half of a body is told from a whole: {reply:?}");
    }
    Ok(())
}
