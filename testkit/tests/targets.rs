//! Where the agent does not go: back to itself, to its admin address, to link-local and metadata addresses.

use anyhow::ensure;
use weir_testkit::{raw::Raw, setup::Setup};

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_itself_its_admin_and_link_local_addresses_are_refused() -> anyhow::Result<()> {
    let setup = Setup::start("targets").await?;
    let (proxy, admin) = (setup.agent.proxy, setup.agent.admin);
    let targets = [
        proxy.to_string(),
        format!("localhost:{}", proxy.port()),
        format!("[::ffff:127.0.0.1]:{}", proxy.port()),
        format!("0.0.0.0:{}", proxy.port()),
        admin.to_string(),
        format!("localhost:{}", admin.port()),
        "169.254.169.254:80".to_owned(),
        "[fe80::1]:80".to_owned(),
    ];
    for target in &targets {
        let mut http = setup.client()?.forward().await?;
        let reply = http.get(&format!("http://{target}/metrics")).await?;
        ensure!((400..600).contains(&reply.status.as_u16()), "{target}: {}", reply.status);
        let problem = reply.problem(reply.status.as_u16(), "client")?;
        ensure!(reply.status == 403 || reply.status == 508, "{target}: {problem}");
        let mut raw = Raw::dial(proxy).await?;
        raw.say(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await?;
        let response = raw.response().await?;
        if response.status == 200 {
            // accepted, to be told why inside
            raw.say("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            let inner = raw.response().await?;
            ensure!(inner.status == 403 || inner.status == 508, "CONNECT {target}: {}", inner.head);
        } else {
            ensure!(response.status == 403 || response.status == 508, "CONNECT {target}: {}", response.head);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_back_to_us_by_another_way_is_a_loop() -> anyhow::Result<()> {
    let setup = Setup::start("loop").await?;
    // an agent in front of the agent: its Via comes back through the second hop
    let own = setup.client()?;
    let mut http = own.forward().await?;
    let reply = http.get(&setup.plain("/heard")).await?;
    let heard: serde_json::Value = serde_json::from_slice(&reply.body)?;
    let via = heard["headers"].as_array().into_iter().flatten().find(|field| field[0] == "via").cloned();
    let via = via.as_ref().and_then(|field| field[1].as_str()).unwrap_or_default().to_owned();
    ensure!(!via.is_empty(), "the agent names itself in Via: {heard}");
    let mut request = http.request("GET", &setup.plain("/text/again"), weir_testkit::body::empty())?;
    request.headers_mut().insert("via", via.parse()?);
    http.exchange(request).await?.problem(508, "client")?;
    Ok(())
}
