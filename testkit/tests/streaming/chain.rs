//! What a filter with streams does to exchanges, and how it stands among others.

use anyhow::ensure;
use serde_json::json;
use weir_testkit::{binaries::filter, body, setup::Setup};

use super::{setup, told, ways};

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_passes_untouched_and_is_recorded_so() -> anyhow::Result<()> {
    let setup = setup("streaming-pass", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        for what in ["next", "hand-on", "slow", "upper"] {
            let head = told(&mut http, what, "HEAD", &format!("{base}/text/x"), body::empty()).await?;
            let gone = told(&mut http, what, "GET", &format!("{base}/status/304"), body::empty()).await?;
            let text = told(&mut http, what, "GET", &format!("{base}/text/x"), body::empty()).await?;
            let statuses = [head.status, gone.status, text.status].map(|status| status.as_u16());
            ensure!(statuses == [200, 304, 200], "{head:?} {gone:?} {text:?}");
        }
    }
    told(&mut setup.client()?.forward().await?, "tag", "GET", &setup.plain("/once"), body::empty()).await?;
    let record = setup.recorded("/once").await?;
    let receipt = &record["receipts"][0];
    ensure!(receipt["name"] == "streaming" && receipt["verdict"] == "next", "{record}");
    ensure!(
        record["tags"]["streaming.seen"] == "a request" && record["tags"]["streaming.answered"] == true,
        "{record}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_aborts_and_sends_elsewhere() -> anyhow::Result<()> {
    let setup = setup("streaming-answers", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        let reply = told(&mut http, "answer", "POST", &format!("{base}/a"), body::full("unread")).await?;
        ensure!(reply.status == 418 && reply.text() == "short and stout\n", "{reply:?}");
        let reply = told(&mut http, "stream-answer", "GET", &format!("{base}/a"), body::empty()).await?;
        ensure!(reply.status == 418 && reply.text().len() == 160_000, "{} {}", reply.status, reply.text().len());
        let trailers = reply.trailers.unwrap_or_default();
        ensure!(base.starts_with("http://") || trailers.is_empty() || trailers["x-end"] == "here", "{trailers:?}");
        let reply = told(&mut http, "response-answer", "GET", &format!("{base}/text/a"), body::empty()).await?;
        ensure!(reply.status == 451 && reply.text() == "not this\n", "{reply:?}");
        let reply = told(&mut http, "elsewhere", "GET", &format!("{base}/heard"), body::empty()).await?;
        ensure!(reply.status == 200 && reply.text() == "hello\n", "{reply:?}");
    }
    ensure!(setup.origin.heard_for("/elsewhere?by=streaming").is_some() && setup.origin.heard_for("/a").is_none());
    for what in ["abort", "response-abort"] {
        for (mut http, base) in ways(&setup).await? {
            let reply = told(&mut http, what, "GET", &format!("{base}/text/a"), body::empty()).await;
            ensure!(reply.is_err(), "{what}: {reply:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_in_place_of_a_dead_upstream() -> anyhow::Result<()> {
    let setup = setup("streaming-dead", &[]).await?;
    let mut http = setup.client()?.forward().await?;
    let dead = "http://127.0.0.1:9/";
    let reply = told(&mut http, "fallback", "GET", dead, body::empty()).await?;
    ensure!(reply.status == 200 && reply.text() == "in place of Refused\n", "{reply:?}");
    let reply = told(&mut http, "next", "GET", dead, body::empty()).await?;
    reply.problem(502, "upstream")?;
    let reply = told(&mut http, "abort-error", "GET", dead, body::empty()).await;
    ensure!(reply.is_err(), "{reply:?}");
    Ok(())
}

/// The store is the filter's own, and outlives the instances.
#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_it_keeps() -> anyhow::Result<()> {
    let setup = setup("streaming-keeps", &[]).await?;
    let mut http = setup.client()?.forward().await?;
    for sum in ["1", "2", "3"] {
        let reply = told(&mut http, "keep", "GET", &setup.plain("/a"), body::empty()).await?;
        ensure!(reply.text() == sum, "{reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_tiers_in_one_chain() -> anyhow::Result<()> {
    let setup = setup("streaming-mixed", &["--priority", "0"]).await?;
    let fields = |at: &str| json!({"request": {"set": {format!("x-{at}"): "was here"}}, "response": {"set": {format!("x-{at}"): "was here"}}});
    for (name, priority) in [("before", "-1"), ("after", "1")] {
        let config = fields(name).to_string();
        let arguments = ["--name", name, "--priority", priority, "--config", &config];
        setup.orchestrator.push(&filter("headers")?, &arguments).await?;
        setup.agent.active(name, 1).await?;
    }
    let carry = ["--name", "carry", "--priority", "-2", "--config", r#"{"mode":"transform"}"#];
    setup.orchestrator.push(&filter("carry")?, &carry).await?;
    setup.agent.active("carry", 1).await?;
    // a middleware on each side
    for (name, priority) in [("outer", "-3"), ("inner", "2")] {
        let arguments = ["--name", name, "--priority", priority, "--grant", "clock"];
        setup.orchestrator.push(&filter("middleware")?, &arguments).await?;
        setup.agent.active(name, 1).await?;
    }
    for (mut http, base) in ways(&setup).await? {
        for what in ["upper", "hand-on"] {
            let text = "some body ".repeat(20_000);
            let reply = told(&mut http, what, "POST", &format!("{base}/echo"), body::full(text.clone())).await?;
            let expected = if what == "upper" { text.to_uppercase() } else { text };
            ensure!(reply.status == 200 && reply.text() == expected, "{what}: {} bytes", reply.body.len());
            for name in ["x-before", "x-after"] {
                ensure!(reply.header(name) == "was here", "{name}: {:?}", reply.headers);
            }
            ensure!(reply.header("x-seen") == "1" && reply.header("x-carried") == "transform", "{:?}", reply.headers);
        }
        // those behind it see nothing of what it answers, those before it do
        let own = told(&mut http, "stream-answer", "GET", &format!("{base}/echo"), body::empty()).await?;
        ensure!(own.status == 418 && own.header("x-before") == "was here" && own.header("x-after").is_empty());
        ensure!(own.header("x-carried") == "transform" && own.text().len() == 160_000, "{}", own.text().len());
    }
    Ok(())
}

/// What the agent says of it.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_listed_as_what_it_is() -> anyhow::Result<()> {
    let setup: Setup = setup("streaming-listed", &[]).await?;
    let listed = setup.agent.filter("streaming").await?.unwrap_or_default();
    ensure!(listed["world"] == "weir:filter/stream-filter" && listed["isolation"] == "exchange", "{listed}");
    Ok(())
}

/// What comes and goes between two writes the disk never hears of, and memory holds no list of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_forgets_at_once_is_kept_nowhere() -> anyhow::Result<()> {
    let setup = setup("streaming-churn", &["--limit", "cpu_ms=10000"]).await?;
    let mut http = setup.client()?.forward().await?;
    let mut churn = async || {
        let reply = told(&mut http, "churn", "GET", &setup.plain("/a"), body::empty()).await?;
        ensure!(reply.status == 200 && reply.text() == "0", "{reply:?}");
        anyhow::Ok(())
    };
    churn().await?;
    let before = setup.agent.process.resident()?;
    for _ in 0..5 {
        churn().await?;
    }
    let grown = setup.agent.process.resident()?.saturating_sub(before) >> 20;
    println!("{grown} MiB more after 100,000 entries that came and went");
    ensure!(grown < 16, "the agent grew by {grown} MiB");
    Ok(())
}
