//! Draining: what is under way ends well, nothing new begins.

use std::time::{Duration, Instant};

use weir_testkit::client::Alpn;

use weir_agent::config::Config;

use crate::agent::{Agent, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_under_way_ends_before_the_agent_does() -> anyhow::Result<()> {
    let mut setup = Setup::start(|config| config.drain = Duration::from_secs(60)).await?;
    let authority = setup.tls();
    let mut plain = setup.agent.client()?.forward().await?;
    let mut http2 = setup.agent.client()?.intercepted(&authority, Alpn::Http2).await?;
    let mut idle = setup.agent.client()?.forward().await?;
    idle.get(&format!("http://{}/", setup.origin.plain())).await?;
    let path = "bytes/20000?seed=1&chunked&by=1000&pace=10";
    let request =
        plain.request("GET", &format!("http://{}/{path}", setup.origin.plain()), weir_testkit::body::empty())?;
    let response = plain.send(request).await?;
    let request = http2.request("GET", &format!("https://{authority}/{path}"), weir_testkit::body::empty())?;
    let response2 = http2.send(request).await?;
    setup.agent.shared.shutdown.begin();
    let (sum, _) = weir_testkit::body::check(response.into_body(), 1).await?;
    let (sum2, _) = weir_testkit::body::check(response2.into_body(), 1).await?;
    assert_eq!((sum, sum2), (20_000, 20_000));
    let began = Instant::now();
    tokio::task::spawn_blocking(move || setup.agent.join()).await?;
    assert!(began.elapsed() < Duration::from_secs(30), "it did not wait for idle connections");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_is_given_until_the_deadline() -> anyhow::Result<()> {
    use weir_testkit::raw::{Raw, RawOrigin, Script};
    let mut setup = Setup::start(|config| config.drain = Duration::from_millis(200)).await?;
    let origin = RawOrigin::start(Script::Greet(b"hello".to_vec())).await?;
    let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.address().to_string()).await?);
    raw.hear(5).await?;
    setup.agent.shared.shutdown.begin();
    tokio::task::spawn_blocking(move || setup.agent.join()).await?;
    assert!(raw.hear_all().await?.is_empty());
    Ok(())
}

/// The kernel let them in before the agent was told to stop, so they cannot know.
#[tokio::test(flavor = "multi_thread")]
async fn clients_in_the_backlog_are_served_by_an_agent_that_stops() -> anyhow::Result<()> {
    use weir_testkit::raw::Raw;
    let origin = weir_testkit::origin::Origin::start(&weir_testkit::ca::Ca::new("origins")?).await?;
    let mut agent = Agent::listening(Config::default())?;
    let at = origin.plain();
    let mut clients = Vec::new();
    for n in 0..10 {
        let mut raw = Raw::dial(agent.proxy).await?;
        // some speak at once, some in a moment
        if n % 2 == 0 {
            raw.say(format!("GET http://{at}/text/{n} HTTP/1.1\r\nHost: {at}\r\n\r\n")).await?;
        }
        clients.push(raw);
    }
    agent.shared.shutdown.begin();
    agent.accept()?;
    // none of them has to wait for another's answer: they have half a second
    for (n, raw) in clients.iter_mut().enumerate().filter(|(n, _)| n % 2 == 1) {
        raw.say(format!("GET http://{at}/text/{n} HTTP/1.1\r\nHost: {at}\r\n\r\n")).await?;
    }
    for raw in &mut clients {
        let response = raw.response().await?;
        assert_eq!(response.status, 200);
        assert!(response.head.to_ascii_lowercase().contains("connection: close"), "{}", response.head);
    }
    tokio::task::spawn_blocking(move || agent.join()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_of_a_dead_target_is_not_waited_for() -> anyhow::Result<()> {
    let mut setup = Setup::start(|config| {
        config.client.peek_timeout = Duration::from_millis(1);
        config.drain = Duration::from_secs(60);
    })
    .await?;
    let nobody = weir_testkit::ports::Closed::new()?;
    let tunnel = setup.agent.client()?.tunnel(&nobody.address().to_string()).await?;
    // nothing shows from outside when the agent's dial has failed
    tokio::time::sleep(Duration::from_millis(100)).await;
    setup.agent.shared.shutdown.begin();
    let join = tokio::task::spawn_blocking(move || setup.agent.join());
    weir_testkit::wait::within(Duration::from_secs(40), "the agent to end", join).await??;
    drop(tunnel);
    Ok(())
}
