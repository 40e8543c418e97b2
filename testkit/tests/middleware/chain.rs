//! What a middleware does to exchanges, and how it stands among other filters.

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use weir_testkit::{binaries::filter, body, component, setup::Setup};

use super::{setup, told, ways};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_stamps_both_heads_and_answers_by_itself() -> anyhow::Result<()> {
    let setup = Setup::start("middleware-example").await?;
    setup.orchestrator.push(&filter("hello-middleware")?, &[]).await?;
    setup.agent.active("hello-middleware", 1).await?;
    for (mut http, base) in ways(&setup).await? {
        let reply = http.get(&format!("{base}/heard?x=y")).await?;
        ensure!(reply.status == 200 && reply.header("x-middleware") == "hello", "{reply:?}");
        let heard: Value = serde_json::from_str(&reply.text())?;
        ensure!(heard["headers"].to_string().contains(r#"["x-middleware","hello"]"#), "{heard}");
        let health = http.get(&format!("{base}/health")).await?;
        ensure!(health.status == 200 && health.text() == "well\n", "{health:?}");
    }
    ensure!(setup.origin.heard_for("/health").is_none(), "what the filter answers reaches no origin");
    let ca = setup.agent.ca_file();
    let curl = setup.agent.curl(&ca).get(&[&setup.tls("/text/curl")]).await?;
    ensure!(curl.status == 200 && curl.head.contains("x-middleware: hello"), "{curl:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_passes_untouched_and_is_recorded_so() -> anyhow::Result<()> {
    let setup = setup("middleware-pass", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        for body in ["", "some body"] {
            let reply = told(&mut http, "pass", "POST", &format!("{base}/echo"), body::full(body)).await?;
            ensure!(reply.status == 200 && reply.text() == body, "{reply:?}");
        }
        let head = told(&mut http, "pass", "HEAD", &format!("{base}/text/x"), body::empty()).await?;
        let gone = told(&mut http, "pass", "GET", &format!("{base}/status/304"), body::empty()).await?;
        let none = told(&mut http, "upper", "HEAD", &format!("{base}/text/x"), body::empty()).await?;
        let statuses = [head.status, gone.status, none.status].map(|status| status.as_u16());
        ensure!(statuses == [200, 304, 200], "{head:?} {gone:?} {none:?}");
    }
    told(&mut setup.client()?.forward().await?, "pass", "GET", &setup.plain("/once"), body::empty()).await?;
    let record = setup.recorded("/once").await?;
    let receipt = &record["receipts"][0];
    ensure!(receipt["name"] == "middleware" && receipt["verdict"] == "next" && receipt["changed"] == false, "{record}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_goes_where_it_says_and_no_further_than_once() -> anyhow::Result<()> {
    let setup = setup("middleware-requests", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        let reply = told(&mut http, "elsewhere", "GET", &format!("{base}/heard"), body::empty()).await?;
        ensure!(reply.status == 200 && reply.text() == "hello\n", "{reply:?}");
        let twice = told(&mut http, "twice", "GET", &format!("{base}/a"), body::empty()).await?;
        ensure!(twice.text().contains("goes on once"), "{}", twice.text());
        let client = told(&mut http, "client", "GET", &format!("{base}/never"), body::empty()).await?;
        ensure!(client.text().contains("HttpRequestDenied"), "{}", client.text());
    }
    ensure!(setup.origin.heard_for("/elsewhere?by=middleware").is_some() && setup.origin.heard_for("/never").is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_early_and_in_place_of_a_dead_upstream() -> anyhow::Result<()> {
    let setup = setup("middleware-answers", &[]).await?;
    for (mut http, base) in ways(&setup).await? {
        let reply = told(&mut http, "answer", "POST", &format!("{base}/a"), body::full("unread")).await?;
        ensure!(reply.status == 418 && reply.text().len() == 160_000, "{} {}", reply.status, reply.text().len());
        let trailers = reply.trailers.unwrap_or_default();
        ensure!(base.starts_with("http://") || trailers.is_empty() || trailers["x-end"] == "here", "{trailers:?}");
        let reply = told(&mut http, "slow", "GET", &format!("{base}/text/a"), body::empty()).await?;
        ensure!(reply.status == 200, "{reply:?}");
    }
    // accepts and never answers
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let mut http = setup.client()?.forward().await?;
    let url = format!("http://{}/", silent.local_addr()?);
    let reply = told(&mut http, "impatient", "POST", &url, body::full("a body")).await?;
    ensure!(reply.status == 504 && reply.text() == "not now\n", "{reply:?}");
    let mut http = setup.client()?.forward().await?;
    let dead = "http://127.0.0.1:9/";
    let reply = told(&mut http, "fallback", "GET", dead, body::empty()).await?;
    ensure!(reply.status == 200 && reply.text().contains("ConnectionRefused"), "{reply:?}");
    let reply = told(&mut http, "pass", "GET", dead, body::empty()).await?;
    reply.problem(502, "upstream")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tiers_mix_in_one_chain() -> anyhow::Result<()> {
    let setup = setup("middleware-mixed", &["--priority", "0"]).await?;
    let fields = |at: &str| json!({"request": {"set": {format!("x-{at}"): "was here"}}, "response": {"set": {format!("x-{at}"): "was here"}}});
    for (name, priority) in [("before", "-1"), ("after", "1")] {
        let config = fields(name).to_string();
        let arguments = ["--name", name, "--priority", priority, "--config", &config];
        setup.orchestrator.push(&filter("headers")?, &arguments).await?;
        setup.agent.active(name, 1).await?;
    }
    // sees the request's body before the middleware and the response's after it
    let carry = ["--name", "carry", "--priority", "-2", "--config", r#"{"mode":"transform"}"#];
    setup.orchestrator.push(&filter("carry")?, &carry).await?;
    setup.agent.active("carry", 1).await?;
    for (mut http, base) in ways(&setup).await? {
        let reply = told(&mut http, "upper", "POST", &format!("{base}/echo"), body::full("some body")).await?;
        ensure!(reply.status == 200 && reply.text() == "SOME BODY", "{reply:?}");
        for name in ["x-before", "x-after"] {
            ensure!(reply.header(name) == "was here", "{name}: {reply:?}");
        }
        ensure!(reply.header("x-shouted") == "yes" && reply.header("x-carried") == "transform", "{reply:?}");
        // those behind it see nothing of what it answers, those before it do
        let own = told(&mut http, "answer", "GET", &format!("{base}/echo"), body::empty()).await?;
        ensure!(
            own.status == 418 && own.header("x-before") == "was here" && own.header("x-after").is_empty(),
            "{own:?}"
        );
        ensure!(own.header("x-carried") == "transform" && own.text().len() == 160_000, "{}", own.text().len());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_may_not_import_is_refused_when_it_is_pushed() -> anyhow::Result<()> {
    let setup = Setup::start("middleware-imports").await?;
    let good = std::fs::read(filter("middleware")?)?;
    let sockets = setup.scratch.write("sockets.wasm", component::importing(&good, "wasi:sockets/tcp@0.2.0"))?;
    let refused = setup.orchestrator.try_push(&sockets, &["--grant", "clock"]).await?;
    ensure!(!refused.success && refused.stderr.contains("wasi:sockets/tcp@0.2.0"), "{refused:?}");
    let configured = ["--grant", "clock", "--config", r#"{"a":1}"#];
    setup.orchestrator.try_push(&filter("middleware")?, &configured).await?;
    let reason = setup.refused("middleware", "validate-config").await?;
    ensure!(reason.contains("takes no configuration"), "{reason}");
    Ok(())
}
