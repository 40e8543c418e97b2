//! Bodies through a filter with streams: handed on, rewritten, read in part or not at all; never kept.

use std::{io::Write as _, time::Duration};

use anyhow::ensure;
use flate2::{Compression, write::GzEncoder};
use weir_testkit::{
    body::{self, Pattern},
    raw::Raw,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
};

use super::{figure, setup, told, ways};

/// Up as a patterned body that the origin checks, then down as one that we check.
async fn both_ways(setup: &Setup, what: &str, size: u64, chunked: bool) -> anyhow::Result<()> {
    for (mut http, base) in ways(setup).await? {
        let mut pattern = Pattern::new(size, size);
        if chunked {
            pattern = pattern.chunked();
        }
        let reply = told(&mut http, what, "POST", &format!("{base}/check?seed={size}"), pattern.boxed()).await?;
        ensure!(reply.status == 200 && reply.text() == size.to_string(), "{what}, {size} up: {reply:?}");
        ensure!(reply.header("x-seen") == "1", "{reply:?}");
        let framing = if chunked { "&chunked" } else { "" };
        let mut request = http.request("GET", &format!("{base}/bytes/{size}?seed=3{framing}"), body::empty())?;
        request.headers_mut().insert("x-streaming", what.parse()?);
        let response = http.send(request).await?;
        if !chunked && size > 0 {
            let length = response.headers().get("content-length").and_then(|it| it.to_str().ok()?.parse().ok());
            ensure!(length == Some(size), "{what}, {size} down: {:?}", response.headers());
        }
        let (got, _) = body::check(response.into_body(), 3).await?;
        ensure!(got == size, "{what}, down: {got} of {size} bytes");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_on_never_enters_the_guest() -> anyhow::Result<()> {
    let setup = setup("streaming-sizes", &["--limit", "memory_bytes=2097152"]).await?;
    for what in ["next", "hand-on"] {
        for size in [0, 1, 8191, 65_537, 8 << 20] {
            for chunked in [false, true] {
                both_ways(&setup, what, size, chunked).await?;
            }
        }
    }
    eventually(PATIENCE, "the guests to end", || async {
        Ok((figure(&setup, "instances").await? == 0.0).then_some(()))
    })
    .await?;
    let copied = (figure(&setup, "bytes_in_total").await?, figure(&setup, "bytes_out_total").await?);
    ensure!(copied == (0.0, 0.0), "bytes in and out: {copied:?}");
    let mut http = setup.client()?.forward().await?;
    told(&mut http, "upper", "POST", &setup.plain("/echo"), body::full("a body")).await?;
    // figures are told when a guest ends
    eventually(PATIENCE, "what enters to be counted", || async {
        let copied = (figure(&setup, "bytes_in_total").await?, figure(&setup, "bytes_out_total").await?);
        Ok((copied == (12.0, 12.0)).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_alone_are_asked_for_and_bodies_pass_beside_the_guest() -> anyhow::Result<()> {
    let setup = setup("streaming-heads", &["--config", r#"{"heads":true}"#]).await?;
    both_ways(&setup, "hand-on", 1 << 20, false).await?;
    ensure!(figure(&setup, "bytes_in_total").await? == 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_rewritten_as_they_pass_and_memory_stays_flat() -> anyhow::Result<()> {
    const SIZE: u64 = 96 << 20;
    let setup = setup("streaming-large", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        for text in ["", "some body", &"many words ".repeat(100_000)] {
            let reply = told(&mut http, "upper", "POST", &format!("{base}/echo"), body::full(text.to_owned())).await?;
            ensure!(reply.status == 200 && reply.text() == text.to_uppercase(), "{base}: {} bytes", text.len());
        }
    }
    let mut http = setup.client()?.forward().await?;
    told(&mut http, "count", "POST", &setup.plain("/a"), Pattern::new(1, 8 << 20).boxed()).await?;
    let before = setup.agent.process.resident()?;
    let counted = told(&mut http, "count", "POST", &setup.plain("/a"), Pattern::new(1, SIZE).boxed()).await?;
    ensure!(counted.text() == format!("{SIZE} bytes, trailers: 0\n"), "{}", counted.text());
    let down = setup.plain(&format!("/bytes/{SIZE}?seed=3"));
    let counted = told(&mut http, "response-count", "GET", &down, body::empty()).await?;
    ensure!(counted.text() == format!("{SIZE} bytes, trailers: 0\n"), "{}", counted.text());
    let mut request = http.request("GET", &down, body::empty())?;
    request.headers_mut().insert("x-streaming", "upper".parse()?);
    let mut response = http.send(request).await?.into_body();
    let mut got = 0;
    while let Some(frame) = http_body_util::BodyExt::frame(&mut response).await {
        got += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    ensure!(got == SIZE, "{got}");
    let grown = setup.agent.process.resident()?.saturating_sub(before) >> 20;
    println!("{grown} MiB more after 96 MiB into a guest, twice, and as much through one");
    ensure!(grown < 24, "the agent grew by {grown} MiB");
    eventually(PATIENCE, "three times as much to be counted", || async {
        Ok((figure(&setup, "bytes_in_total").await? >= 3.0 * SIZE as f64).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_read_goes_on() -> anyhow::Result<()> {
    let setup = setup("streaming-half", &[]).await?;
    let mut sent = Vec::new();
    (0..100_000_u32).for_each(|number| sent.extend(number.to_le_bytes()));
    for (mut http, base) in ways(&setup).await? {
        let reply = told(&mut http, "half", "POST", &format!("{base}/echo"), body::full(sent.clone())).await?;
        // a chunk is gone on the way up, and one on the way down
        ensure!(reply.status == 200 && !reply.body.is_empty() && reply.body.len() < sent.len(), "{}", reply.body.len());
        ensure!(sent.ends_with(&reply.body), "{base}: the rest goes on as it is");
    }
    for what in ["ignore", "response-ignore"] {
        for (mut http, base) in ways(&setup).await? {
            let reply = told(&mut http, what, "POST", &format!("{base}/echo"), body::full(sent.clone())).await?;
            ensure!(reply.status == 200 && reply.text() == "something else", "{what}, {base}: {}", reply.body.len());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_both_ways_or_are_of_its_own() -> anyhow::Result<()> {
    let setup = setup("streaming-trailers", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        for what in ["next", "hand-on", "upper", "half"] {
            let reply = told(&mut http, what, "GET", &format!("{base}/trailers"), body::empty()).await?;
            let trailers = reply.trailers.clone().unwrap_or_default();
            ensure!(trailers.get("x-sum").is_some_and(|sum| sum == "4096"), "{what}, {base}: {trailers:?}");
            let mut sent = http::HeaderMap::new();
            sent.insert("x-up", "loaded".parse()?);
            let mut request =
                http.request("POST", &format!("{base}/echo"), Pattern::new(1, 100_000).trailed(sent).boxed())?;
            request.headers_mut().insert("x-streaming", what.parse()?);
            request.headers_mut().insert("trailer", "x-up".parse()?);
            request.headers_mut().insert("te", "trailers".parse()?);
            let reply = http.exchange(request).await?;
            let trailers = reply.trailers.clone().unwrap_or_default();
            ensure!(trailers.get("x-up").is_some_and(|up| up == "loaded"), "{what}, {base}: {trailers:?}");
        }
        let counted = told(&mut http, "response-count", "GET", &format!("{base}/trailers"), body::empty()).await?;
        ensure!(counted.text().contains("trailers: 2"), "{counted:?}");
    }
    let client = setup.client()?;
    let mut http = client.intercepted(&setup.tls_authority(), weir_testkit::client::Alpn::Http2).await?;
    let reply = told(&mut http, "own-trailers", "POST", &setup.tls("/echo"), body::full("a body")).await?;
    let trailers = reply.trailers.clone().unwrap_or_default();
    ensure!(reply.text() == "a body" && trailers.get("x-own").is_some_and(|own| own == "down"), "{reply:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn coded_bodies_come_decoded_if_asked_for() -> anyhow::Result<()> {
    let setup = setup("streaming-decoded", &["--config", r#"{"decoded":true}"#]).await?;
    let text = "some words to be coded ".repeat(10_000);
    let mut coder = GzEncoder::new(Vec::new(), Compression::best());
    coder.write_all(text.as_bytes())?;
    let coded = coder.finish()?;
    for (mut http, base) in ways(&setup).await? {
        for (what, expected) in [("upper", text.to_uppercase()), ("hand-on", text.clone())] {
            let mut request = http.request("POST", &format!("{base}/echo"), body::full(coded.clone()))?;
            request.headers_mut().insert("x-streaming", what.parse()?);
            request.headers_mut().insert("content-encoding", "gzip".parse()?);
            let reply = http.exchange(request).await?;
            ensure!(reply.status == 200 && reply.text() == expected, "{what}, {base}: {} bytes", reply.body.len());
        }
    }
    Ok(())
}

/// What the guest writes waits for the client, and so does what the origin sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_holds_the_guest_back() -> anyhow::Result<()> {
    let setup = setup("streaming-slow-client", &["--limit", "stall_ms=500"]).await?;
    let size = 64 << 20;
    let before = setup.agent.process.resident()?;
    let mut readers = Vec::new();
    for what in ["upper", "hand-on", "flood"] {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        let url = setup.plain(&format!("/bytes/{size}?seed=3"));
        raw.say(format!("GET {url} HTTP/1.1\r\nHost: x\r\nX-Streaming: {what}\r\n\r\n")).await?;
        raw.hear(100).await?;
        readers.push(raw);
    }
    // three times as long as a guest may do nothing
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let grown = setup.agent.process.resident()?.saturating_sub(before) >> 20;
    ensure!(grown < 32, "the agent grew by {grown} MiB while nobody read");
    for mut raw in readers {
        within(Duration::from_secs(60), "the rest", raw.hear(12 << 20)).await??;
    }
    ensure!(figure(&setup, "failures_total").await? == 0.0);
    Ok(())
}

/// What the head promised was of another body.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_goes_back_where_it_came_from_has_its_own_length() -> anyhow::Result<()> {
    // one that waits for itself is given up: this client has more patience
    let setup = setup("streaming-other-way", &["--limit", "stall_ms=2000"]).await?;
    for (mut http, base) in ways(&setup).await? {
        for size in [3, 70_000] {
            let sent = "x".repeat(size);
            let reply = told(&mut http, "other-way", "POST", &format!("{base}/length"), body::full(sent.clone())).await;
            // broken off is well enough: half of it must not look whole
            if let Ok(reply) = reply {
                ensure!(reply.status != 200 || reply.text() == sent, "{size}: {} bytes", reply.body.len());
            }
        }
    }
    Ok(())
}
