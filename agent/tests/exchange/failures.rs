//! Whoever fails, the client gets an answer that says who, and the agent goes on.

use std::time::Duration;

use weir_testkit::body::{self, Pattern};
use weir_testkit::ports::Closed;
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, eventually};

use crate::agent::Setup;

/// What the agent says of an upstream that follows `script`.
async fn check(script: Script, status: u16, kind: &str) -> anyhow::Result<()> {
    let setup = Setup::start(|config| {
        // for who says nothing; whoever says something may take as long as the machine lets it
        if matches!(script, Script::Silence) {
            config.upstream.head_timeout = Duration::from_millis(200);
        }
    })
    .await?;
    let origin = RawOrigin::start(script).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let reply = http.get(&format!("http://{}/", origin.address())).await?;
    let problem = reply.problem(status, "upstream")?;
    assert_eq!(problem["type"], format!("urn:weir:problem:{kind}"), "{problem}");
    assert!(reply.header("proxy-status").starts_with("weir; error="), "{reply:?}");
    all_over(&setup, 1).await
}

/// Every exchange has ended, each once.
async fn all_over(setup: &Setup, exchanges: u64) -> anyhow::Result<()> {
    let stats = &setup.agent.shared.stats;
    eventually(PATIENCE, "the end of every exchange", async || {
        Ok((stats.exchanges_active() == 0 && stats.exchanges_total() == exchanges).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_resets() -> anyhow::Result<()> {
    check(Script::Reset, 502, "upstream-reset").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_speaks_something_else() -> anyhow::Result<()> {
    check(Script::Answer(b"\x00\x01\x02\x03garbage\r\n\r\n".to_vec()), 502, "upstream-protocol").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_never_answers() -> anyhow::Result<()> {
    check(Script::Silence, 504, "upstream-timeout").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_whose_head_never_ends() -> anyhow::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    check(Script::Answer(head.into_bytes()), 502, "upstream-head-too-large").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_with_a_coding_that_nobody_asked_for() -> anyhow::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    check(Script::Answer(head.into()), 502, "upstream-protocol").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_changes_protocol_unasked() -> anyhow::Result<()> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    check(Script::Answer(head.into()), 502, "upstream-protocol").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_refuses_and_one_that_is_not_there() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let nobody = Closed::new()?;
    let address = nobody.address();
    let mut http = setup.agent.client()?.forward().await?;
    let problem = http.get(&format!("http://{address}/")).await?.problem(502, "upstream")?;
    assert_eq!(problem["type"], "urn:weir:problem:upstream-refused");
    let problem = http.get("http://no-such-name.invalid/").await?.problem(502, "upstream")?;
    assert_eq!(problem["type"], "urn:weir:problem:upstream-dns");
    let mut request = http.request("GET", &format!("http://{address}/"), body::empty())?;
    request.headers_mut().insert("accept", "text/html,*/*;q=0.8".parse()?);
    let reply = http.exchange(request).await?;
    assert!(reply.header("content-type").starts_with("text/html") && reply.text().contains("upstream"), "{reply:?}");
    all_over(&setup, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_leaves_in_the_middle_of_its_body_takes_the_client_along() -> anyhow::Result<()> {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let setup = Setup::start(|_| {}).await?;
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello");
        let origin = RawOrigin::start(Script::Answer(answer.into_bytes())).await?;
        let mut client = Raw::dial(setup.agent.proxy).await?;
        client.say(format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", origin.address())).await?;
        let heard = String::from_utf8_lossy(&client.hear_all().await?).into_owned();
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && !heard.ends_with("0\r\n\r\n"), "{heard}");
        all_over(&setup, 1).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_body_is_given_up() -> anyhow::Result<()> {
    let setup = Setup::start(|config| {
        config.client.body_idle = Duration::from_millis(100);
        config.upstream.body_idle = Duration::from_millis(100);
    })
    .await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client
        .say(format!(
            "POST http://{0}/echo HTTP/1.1\r\nHost: {0}\r\nContent-Length: 9\r\n\r\nhello",
            setup.origin.plain()
        ))
        .await?;
    // the origin echoes as it reads, so the head has gone: the connection ends short of its Content-Length
    let heard = String::from_utf8_lossy(&client.hear_all().await?).into_owned();
    assert!(!heard.contains("\r\n\r\nhello\n"), "{heard}");
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client
        .say(format!("GET http://{0}/bytes/100?pace=60000&by=8 HTTP/1.1\r\nHost: {0}\r\n\r\n", setup.origin.plain()))
        .await?;
    client.hear_all().await?;
    all_over(&setup, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_let_go_at_every_stage() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let plain = setup.origin.plain();
    // before the response head; in the middle of its own body; in the middle of the response's
    let requests = [
        format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", silent.address()),
        format!("POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\nContent-Length: 100\r\n\r\nhello", silent.address()),
        format!("GET http://{plain}/bytes/1000000?by=8&pace=5 HTTP/1.1\r\nHost: {plain}\r\n\r\n"),
    ];
    for (at, request) in requests.iter().enumerate() {
        let mut client = Raw::dial(setup.agent.proxy).await?;
        client.say(request).await?;
        match at {
            2 => drop(client.hear(40).await?),
            _ => {
                let heard = async || Ok((silent.heard().len() == at + 1).then_some(()));
                eventually(PATIENCE, "the upstream's hearing it", heard).await?;
            }
        }
        drop(client);
        all_over(&setup, at as u64 + 1).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_none_is_the_clients_fault() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    let head =
        format!("POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\nTransfer-Encoding: chunked\r\n\r\n", silent.address());
    client.say(format!("{head}5\r\nhello\r\nnonsense\r\n")).await?;
    client.response().await?.problem(400, "client")?;
    all_over(&setup, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_before_the_upload_ended_reaches_the_client() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n";
    let origin = RawOrigin::start(Script::Answer(refusal.into())).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let upload = Pattern::new(1, 64 << 20).by(64 << 10).boxed();
    let request = http.request("POST", &format!("http://{}/", origin.address()), upload)?;
    let reply = http.exchange(request).await?;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (413, "no\n"));
    all_over(&setup, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_upstream_closed_while_idle_costs_no_request() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    // says keep-alive, and closes: the pool cannot know
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let origin = RawOrigin::start(Script::Answer(answer.into())).await?;
    let mut http = setup.agent.client()?.forward().await?;
    for _ in 0..20 {
        assert_eq!(http.get(&format!("http://{}/", origin.address())).await?.status, 200);
    }
    all_over(&setup, 20).await
}
