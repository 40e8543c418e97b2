//! The whole path: keys, join, push, HTTPS through the agent, the filter acts, a changed filter acts on the next
//! request, every exchange is found over REST. curl is the client, nginx the origin: neither is ours.

use anyhow::{Context as _, ensure};
use weir_testkit::{
    agent::AgentOptions,
    binaries::{binary, filter},
    ca::Ca,
    debian,
    origin::Origin,
    scratch::Scratch,
    setup::Setup,
};

const ADS_REFUSED: &str = r#"{"paths":["/ads*"],"status":403}"#;
const PAGES_REFUSED: &str = r#"{"paths":["/index*"],"status":451}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_filter_acts_on_https_and_a_changed_one_on_the_next_request() -> anyhow::Result<()> {
    let setup = Setup::start("first-light").await?;
    let nginx = debian::nginx(&setup.scratch, &setup.ca.leaf(&["localhost"])?).await?;
    let base = format!("https://localhost:{}", nginx.address.port());
    let (ads, page) = (format!("{base}/ads/banner.js"), format!("{base}/index.html"));
    let ca = setup.agent.ca_file();
    let curl = setup.agent.curl(&ca);

    let before = curl.get(&[&page]).await?;
    assert_eq!((before.status, before.body.as_str()), (200, "nginx says hello\n"));
    assert_eq!(curl.get(&[&ads]).await?.status, 404);

    let block = filter("block")?;
    setup.orchestrator.push(&block, &["--name", "block", "--config", ADS_REFUSED]).await?;
    setup.agent.active("block", 1).await?;
    assert_eq!(curl.get(&[&ads]).await?.status, 403);
    assert_eq!(curl.get(&[&page]).await?.body, "nginx says hello\n");

    setup.orchestrator.push(&block, &["--name", "block", "--config", PAGES_REFUSED]).await?;
    setup.agent.active("block", 2).await?;
    assert_eq!(curl.get(&[&page]).await?.status, 451);
    assert_eq!(curl.get(&[&ads]).await?.status, 404);

    setup
        .orchestrator
        .command(
            ["filters", "remove", "block", "--key-dir"].map(Into::into).into_iter().chain([setup
                .orchestrator
                .keys()
                .as_os_str()
                .to_owned()]),
        )
        .await?
        .ok()?;
    weir_testkit::wait::eventually(weir_testkit::wait::PATIENCE, "block to be gone", || async {
        Ok((curl.get(&[&page]).await?.status == 200).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_exchange_is_found_over_rest_with_its_bodies_and_what_filters_did() -> anyhow::Result<()> {
    let setup = Setup::start("recorded").await?;
    setup.orchestrator.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":7}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    let ca = setup.agent.ca_file();
    let url = setup.tls("/echo?first=light");
    let reply = setup.agent.curl(&ca).get(&["--data", "what was said", &url]).await?;
    assert_eq!((reply.status, reply.body.as_str()), (200, "what was said"));

    let exchange = setup.recorded("/echo?first=light").await?;
    let id = exchange["id"].as_str().context("id")?;
    assert_eq!(exchange["status"], 200);
    assert_eq!(exchange["outcome"], "complete", "{exchange}");
    assert_eq!(exchange["request"]["method"], "POST");
    assert_eq!(exchange["request"]["url"], url.as_str());
    assert_eq!(exchange["connection"]["intercepted"], true);
    assert_eq!(exchange["connection"]["entry"], "connect");
    for (side, what) in [("request", "what was said"), ("response", "what was said")] {
        let body = setup.orchestrator.bytes(&format!("/exchanges/{id}/{side}/body")).await?;
        assert_eq!(String::from_utf8_lossy(&body), what, "{side}");
    }
    // as the client sent it, and as the upstream got it
    let names = |part: &serde_json::Value| part["headers"].to_string().to_ascii_lowercase().contains("x-stamp");
    assert!(!names(&exchange["request"]), "{}", exchange["request"]);
    assert!(names(&exchange["filtered_request"]), "{}", exchange["filtered_request"]);
    assert!(names(&exchange["response"]), "{}", exchange["response"]);
    assert!(!names(&exchange["original_response"]), "{}", exchange["original_response"]);
    let receipt = &exchange["receipts"][0];
    assert_eq!((&receipt["name"], &receipt["version"]), (&"stamp".into(), &1.into()));
    assert_eq!(receipt["changed"], true);
    assert_eq!(receipt["changes"], serde_json::json!(["request-head", "response-head"]));
    ensure!(receipt["took_us"].as_f64().is_some_and(|us| us > 0.0 && us < 3e7), "{receipt}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agents_counted_of_a_filter_is_told_by_the_orchestrator() -> anyhow::Result<()> {
    let setup = Setup::start("figures").await?;
    setup.orchestrator.push(&filter("block")?, &["--name", "block", "--config", ADS_REFUSED]).await?;
    setup.agent.active("block", 1).await?;
    let curl = setup.agent.curl(&setup.agent.ca_file()).get(&[&setup.plain("/ads/x")]).await?;
    ensure!(curl.status == 403, "{curl:?}");
    let counted = weir_testkit::wait::eventually(weir_testkit::wait::PATIENCE, "figures of one exchange", || async {
        let filter = setup.orchestrator.get("/filters/block").await?;
        let figures = filter["agents"][0]["figures"].clone();
        Ok((figures["exchanges"] == 1).then_some(figures))
    })
    .await?;
    let calls = counted["calls"].as_u64().context("calls")?;
    ensure!(calls >= 1 && counted["instances"].as_u64() >= Some(1), "{counted}");
    let by_time = counted["times"].as_array().context("times")?.iter().filter_map(|bucket| bucket["calls"].as_u64());
    ensure!(by_time.sum::<u64>() == calls, "{counted}");
    let shown = setup.orchestrator.command(["filters", "show", "block"]).await?.ok()?;
    ensure!(shown.contains("PER CALL") && shown.contains("µs"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_credentials_are_never_recorded_and_files_are_their_owners() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = Setup::start("secrets").await?;
    let ca = setup.agent.ca_file();
    let plain = setup.plain("/text/credentials");
    setup.agent.curl(&ca).get(&["--proxy-user", "ann:secret", &plain]).await?;
    let exchange = setup.recorded("/text/credentials").await?;
    assert!(!exchange.to_string().to_ascii_lowercase().contains("proxy-authorization"), "{exchange}");
    let heard = setup.origin.heard_for("/text/credentials").context("heard")?;
    assert!(!heard.headers.contains_key("proxy-authorization"), "{heard:?}");
    let (agent, orchestrator) = (setup.agent.data(), setup.orchestrator.data());
    for file in
        [agent.join("ca.key"), orchestrator.join("ca.key"), orchestrator.join("token"), orchestrator.join("weir.db")]
    {
        let mode = std::fs::metadata(&file).with_context(|| file.display().to_string())?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_alone_with_a_folder_and_reloads_it() -> anyhow::Result<()> {
    let scratch = Scratch::new("folder")?;
    let ca = Ca::new("testkit origins")?;
    let origin = Origin::start(&ca).await?;
    let folder = scratch.join("filters");
    std::fs::create_dir(&folder)?;
    std::fs::copy(filter("stamp")?, folder.join("stamp.wasm"))?;
    std::fs::write(folder.join("stamp.toml"), "config = { stamp = 1 }\n")?;
    let agent = AgentOptions::new(&scratch, "agent").with("--filters", &folder).start().await?;
    let client = agent.client(&[])?;
    let url = format!("http://{}/text/alone", origin.plain());
    let stamped = |stamp: &'static str| {
        let (client, url) = (client.clone(), url.clone());
        weir_testkit::wait::eventually(weir_testkit::wait::PATIENCE, "the changed filter", move || {
            let (client, url) = (client.clone(), url.clone());
            async move { Ok((client.forward().await?.get(&url).await?.header("x-stamp") == stamp).then_some(())) }
        })
    };
    stamped("1").await?;
    std::fs::write(folder.join("stamp.toml"), "config = { stamp = 2 }\n")?;
    stamped("2").await?;
    std::fs::remove_file(folder.join("stamp.wasm"))?;
    stamped("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_exchanges_finish_and_takes_no_new_ones() -> anyhow::Result<()> {
    let setup = Setup::start("drain").await?;
    let mut http = setup.client()?.forward().await?;
    let request = http.request("GET", &setup.plain("/bytes/8000?by=400&pace=50"), weir_testkit::body::empty())?;
    let response = http.send(request).await?;
    setup.agent.process.signal(libc::SIGTERM);
    weir_testkit::wait::eventually(weir_testkit::wait::PATIENCE, "the listener to close", || async {
        Ok(tokio::net::TcpStream::connect(setup.agent.proxy).await.is_err().then_some(()))
    })
    .await?;
    let (size, _) = weir_testkit::body::check(response.into_body(), 0).await?;
    ensure!(size == 8000, "{size} of 8000 bytes");
    let mut process = setup.agent.process;
    let status = process.ended(weir_testkit::wait::PATIENCE).await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[test]
fn the_authority_of_a_folder_that_no_agent_has_used_is_told_to_be_new() -> anyhow::Result<()> {
    let scratch = Scratch::new("new-authority")?;
    let folder = scratch.join("agent");
    let asked = || {
        let output = std::process::Command::new(binary("agent")?).args(["ca", "--data-dir"]).arg(&folder).output()?;
        anyhow::Ok((String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
    };
    let (first, said) = asked()?;
    ensure!(first.starts_with("-----BEGIN CERTIFICATE-----") && said.contains("is a new one"), "{first}{said}");
    assert_eq!(asked()?, (first, String::new()));
    Ok(())
}
