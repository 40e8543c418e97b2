//! What ends a pause that nobody decides, and what does not pause at all.

use weir_proto::v1::{self, Outcome};
use weir_testkit::body::{self, Pattern};
use weir_testkit::client::Http;
use weir_testkit::raw::Raw;
use weir_testkit::wait::{PATIENCE, eventually, within};

use super::{breakpoint, connections, go_on, intervention, set};
use crate::agent::Setup;
use crate::records::record;

/// Begins to send so much to `/echo`.
async fn uploading(setup: &Setup, bytes: usize) -> anyhow::Result<Raw> {
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    let origin = setup.origin.plain();
    raw.say(format!("POST http://{origin}/echo HTTP/1.1\r\nHost: {origin}\r\nContent-Length: {bytes}\r\n\r\n")).await?;
    Ok(raw)
}

async fn nothing_pauses(setup: &Setup) -> anyhow::Result<()> {
    let none = async || Ok(setup.points().list().paused.is_empty().then_some(()));
    eventually(PATIENCE, "the end of the pause", none).await
}

/// The client is gone in the midst of its pause.
async fn is_missed(setup: &Setup, client: Raw) -> anyhow::Result<()> {
    drop(client);
    nothing_pauses(setup).await?;
    assert_eq!(record(setup).await?.outcome(), Outcome::ClientGone);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decides_ends_by_the_policy_of_its_breakpoint() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/echo", setup.origin.plain());
    for (fails, status, outcome) in [(false, 200, Outcome::Complete), (true, 504, Outcome::Refused)] {
        for way in ["timed-out", "lease-ended"] {
            let one = v1::Breakpoint {
                fails,
                id: vec![u8::from(fails) * 2 + u8::from(way == "timed-out"); 16].into(),
                ..breakpoint("path:/echo")
            };
            match way {
                "timed-out" => set(setup.points(), v1::Breakpoint { timeout_ms: 50, ..one }),
                _ => set(setup.points(), v1::Breakpoint { lease_ms: 2000, ..one }),
            }
            assert_eq!(http.post(&url, body::full("mine")).await?.status, status, "{way}");
            let record = record(&setup).await?;
            assert_eq!((intervention(&record), record.outcome()), ((way, "", vec![]), outcome));
            assert_eq!(record.interventions[0].failed, fails);
        }
    }
    assert!(setup.points().is_armed());
    assert_eq!(http.post(&url, body::full("mine")).await?.status, 200);
    assert!(!setup.points().is_armed(), "a breakpoint whose lease ended is gone");
    record(&setup).await?;

    // taken away, and the orchestrator lost
    for away in [true, false] {
        set(setup.points(), v1::Breakpoint { fails: true, ..breakpoint("path:/echo") });
        let end = async {
            setup.paused().await?;
            match away {
                true => drop(setup.points().set(v1::SetBreakpoints::default())),
                false => setup.points().lost(),
            }
            anyhow::Ok(())
        };
        let (response, ended) = tokio::join!(http.post(&url, body::full("mine")), end);
        ended?;
        assert_eq!(response?.status, 504);
        assert_eq!(intervention(&record(&setup).await?).0, "lease-ended");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn those_beyond_the_bound_pass() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), v1::Breakpoint { most: 2, ..breakpoint("path:/get") });
    let client = setup.agent.client()?;
    let url = format!("http://{}/get", setup.origin.plain());
    let mut held = Vec::new();
    for count in 1..=2 {
        let (mut http, url) = (client.forward().await?, url.clone());
        held.push(tokio::spawn(async move { http.get(&url).await }));
        let paused = async || Ok((setup.points().list().paused.len() == count).then_some(()));
        eventually(PATIENCE, "a pause", paused).await?;
    }
    assert_eq!(client.forward().await?.get(&url).await?.status, 200);
    let state = setup.points().list().states.remove(0);
    assert_eq!((state.paused_total, state.passed_total), (2, 1));
    for _ in 1..=2 {
        setup.decide_next(go_on()).await?;
    }
    for held in held {
        assert_eq!(held.await??.status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_its_pause_and_another_stream_goes_on() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("path:/get"));
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("GET http://{0}/get HTTP/1.1\r\nHost: {0}\r\n\r\n", setup.origin.plain())).await?;
    setup.paused().await?;
    is_missed(&setup, raw).await?;

    let (http, base) = connections(&setup).await?.into_iter().nth(2).unwrap();
    let Http::Two(streams) = http else { anyhow::bail!("HTTP/2 was asked for") };
    let (mut paused, mut other) = (Http::Two(streams.clone()), Http::Two(streams));
    let held = tokio::spawn({
        let url = format!("{base}/get");
        async move { paused.get(&url).await }
    });
    setup.paused().await?;
    assert_eq!(other.post(&format!("{base}/echo"), body::full("free")).await?.text(), "free");
    held.abort();
    nothing_pauses(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_stops_lets_go_of_what_pauses() -> anyhow::Result<()> {
    let mut setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("path:/get"));
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/get", setup.origin.plain());
    let held = tokio::spawn(async move { http.get(&url).await });
    setup.paused().await?;
    setup.agent.shared.shutdown.begin();
    assert_eq!(held.await??.status, 200);
    setup.agent.join();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_missed_though_its_body_is_unread() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("path:/echo"));
    let mut raw = uploading(&setup, 1_000_000).await?;
    raw.say(vec![b'x'; 30_000]).await?;
    let held = setup.paused().await?;
    assert!(!held.paused.unwrap().body_is_whole);
    is_missed(&setup, raw).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_are_counted_by_what_ended_them() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), v1::Breakpoint { most: 1, ..breakpoint("path:/get") });
    let client = setup.agent.client()?;
    let url = format!("http://{}/get", setup.origin.plain());
    let metric = |line: &str| {
        let text = weir_agent::stats::text(&setup.agent.shared);
        assert!(text.lines().any(|own| own == line), "{line} is not in {text}");
    };
    metric("weir_agent_paused 0");
    let mut first = client.forward().await?;
    let held = tokio::spawn({
        let url = url.clone();
        async move { first.get(&url).await }
    });
    setup.paused().await?;
    metric("weir_agent_breakpoints 1");
    metric("weir_agent_paused 1");
    assert_eq!(client.forward().await?.get(&url).await?.status, 200, "it passes");
    setup.decide_next(go_on()).await?;
    assert_eq!(held.await??.status, 200);
    set(setup.points(), v1::Breakpoint { id: vec![8; 16].into(), timeout_ms: 50, ..breakpoint("path:/get") });
    assert_eq!(client.forward().await?.get(&url).await?.status, 200);
    for line in [
        "weir_agent_paused 0",
        "weir_agent_pauses_total{end=\"continue\"} 1",
        "weir_agent_pauses_total{end=\"timed-out\"} 1",
        "weir_agent_pauses_total{end=\"kill\"} 0",
        "weir_agent_pauses_passed_total 1",
    ] {
        metric(line);
    }
    Ok(())
}

/// More than the window of its connection has room for: its end comes behind all that.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_missed_though_much_of_its_body_is_unread() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    for body_bytes in [0, 1000] {
        let id = vec![u8::from(body_bytes == 0); 16].into();
        set(setup.points(), v1::Breakpoint { id, body_bytes, ..breakpoint("path:/echo") });
        let mut raw = uploading(&setup, 90_000_000).await?;
        setup.paused().await?;
        within(PATIENCE, "the body", raw.say(vec![b'x'; 3_000_000])).await??;
        is_missed(&setup, raw).await?;
    }
    Ok(())
}

/// What is read ahead while it pauses goes on as what follows it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_while_it_pauses_goes_on_whole() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), v1::Breakpoint { body_bytes: 0, ..breakpoint("path:/check") });
    for (mut http, base) in super::connections(&setup).await? {
        for (pattern, size) in
            [(Pattern::new(3, 6_000_000), 6_000_000), (Pattern::new(3, 600_000).by(999).chunked(), 600_000)]
        {
            let request = http.request("POST", &format!("{base}/check?seed=3"), pattern.boxed())?;
            let (response, held) = tokio::join!(http.exchange(request), setup.decide_next(go_on()));
            assert!(held?.body.is_empty());
            let response = response?;
            assert_eq!((response.status.as_u16(), response.text()), (200, format!("{size}")));
        }
    }
    Ok(())
}
