//! `orchestrator config`: settings change while traffic runs, an agent that cannot take them keeps what it had, and what
//! was good last is in force without an orchestrator too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::net::TcpStream;
use weir_testkit::{
    agent::{Agent, AgentOptions},
    body::{empty, full},
    client::{Alpn, Client},
    process::Finished,
    raw::Raw,
    setup::Setup,
    wait::{PATIENCE, eventually},
    websocket::{TEXT, WebSocket},
};

/// `orchestrator config` with the publisher's key.
async fn config(setup: &Setup, arguments: &[&str]) -> anyhow::Result<Finished> {
    let keys = setup.orchestrator.keys().display().to_string();
    setup.orchestrator.command([&["config"], arguments, &["--key-dir", &keys]].concat()).await
}

async fn push(setup: &Setup, text: &str) -> anyhow::Result<Finished> {
    let file = setup.scratch.write("pushed.toml", text)?;
    config(setup, &["push", &file.display().to_string(), "--yes"]).await
}

/// Whether the origin's own certificate is what a client gets: its TLS passes through.
async fn passes_through(setup: &Setup, agent: &Agent) -> anyhow::Result<bool> {
    let authority = setup.tls_authority();
    let origins = Client::new(agent.proxy, &[&setup.ca.pem()])?.tls(&authority, Alpn::Http1).await.is_ok();
    let ours = agent.client(&[])?.tls(&authority, Alpn::Http1).await.is_ok();
    ensure!(origins != ours, "one of the two vouches for what the client gets");
    Ok(origins)
}

/// Bytes of a request body that are recorded, and how many it had.
async fn recorded(setup: &Setup, http: &mut weir_testkit::client::Http, path: &str) -> anyhow::Result<(usize, u64)> {
    let reply = http.post(&setup.plain(path), full(vec![b'x'; 5000])).await?;
    ensure!(reply.status == 200, "{}", reply.status);
    let exchange = setup.recorded(path).await?;
    let id = exchange["id"].as_str().context("id")?;
    let bytes = setup.orchestrator.bytes(&format!("/exchanges/{id}/request/body")).await?;
    Ok((bytes.len(), exchange["request"]["body"]["size"].as_u64().context("size")?))
}

async fn states(setup: &Setup) -> anyhow::Result<Vec<Value>> {
    let one = setup.orchestrator.get("/configurations/default").await?;
    Ok(one["agents"].as_array().context("agents")?.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_under_traffic_and_roll_back() -> anyhow::Result<()> {
    let setup = Setup::start("config-live").await?;
    let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let traffic = tokio::spawn({
        let (client, url, stop, sent) = (setup.client()?, setup.plain("/text/all-along"), stop.clone(), sent.clone());
        async move {
            // one connection: were it dropped, the next request would fail
            let mut http = client.forward().await?;
            while !stop.load(Ordering::Relaxed) {
                ensure!(http.get(&url).await?.status == 200);
                sent.fetch_add(1, Ordering::Relaxed);
                // traffic, and not all that the machine can do: each of these is recorded, too
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            anyhow::Ok(())
        }
    });
    let mut http = setup.client()?.forward().await?;
    ensure!(recorded(&setup, &mut http, "/echo?before").await? == (5000, 5000));
    ensure!(!passes_through(&setup, &setup.agent).await?);

    let text = format!("[capture]\nbody_bytes = 10\n[intercept]\npass_through = [{:?}]\n", setup.tls_authority());
    let said = push(&setup, &text).await?.ok()?;
    ensure!(said.contains("+ capture.body_bytes = 10") && said.contains("in force after"), "{said}");
    ensure!(recorded(&setup, &mut http, "/echo?after").await? == (10, 5000));
    ensure!(passes_through(&setup, &setup.agent).await?);
    let said = push(&setup, &text).await?.ok()?;
    ensure!(said.contains("has this configuration already, as version 1"), "{said}");

    let said = push(&setup, "capture.body_bytes = 20\n").await?.ok()?;
    ensure!(said.contains("~ capture.body_bytes = 10 -> 20") && said.contains("- intercept.pass_through"), "{said}");
    ensure!(!passes_through(&setup, &setup.agent).await?);
    let said = config(&setup, &["rollback", "1", "--yes"]).await?.ok()?;
    ensure!(said.contains("configuration 3 of group default"), "{said}");
    ensure!(passes_through(&setup, &setup.agent).await?);
    let history = config(&setup, &["history", "--format", "json"]).await?.ok()?;
    let history: Value = serde_json::from_str(&history)?;
    ensure!(history[0]["version"] == 3 && history[0]["restores"] == 1 && history.as_array().map(Vec::len) == Some(3));
    let agents = setup.orchestrator.command(["agents"]).await?.ok()?;
    ensure!(agents.contains("CONFIG"), "{agents}");

    let before = sent.load(Ordering::Relaxed);
    eventually(PATIENCE, "requests after all that", || async {
        Ok((sent.load(Ordering::Relaxed) > before + 10 || traffic.is_finished()).then_some(()))
    })
    .await?;
    stop.store(true, Ordering::Relaxed);
    traffic.await?
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_take_it_keeps_what_it_had() -> anyhow::Result<()> {
    let mut setup = Setup::start("config-nack").await?;
    let small = AgentOptions::new(&setup.scratch, "small")
        .with("--orchestrator", setup.orchestrator.grpc_url())
        .with("--join-token", setup.orchestrator.join_token().await?)
        .with("--upstream-ca", setup.scratch.join("origins.pem"))
        .with("--client-headers", "99")
        .with("--capture-queue-bytes", "512KiB");
    let agent = small.start().await?;
    let through = format!("intercept.pass_through = [{:?}]\nclient.headers = 77\n", setup.tls_authority());
    push(&setup, &through).await?.ok()?;
    let pinned = states(&setup).await?;
    ensure!(pinned.iter().all(|one| one["active"] == true), "{pinned:?}");
    ensure!(pinned.iter().filter(|one| one["pinned"][0] == "client.headers").count() == 1, "{pinned:?}");

    // more than the room that the second one's operator gives to bodies
    let refused = push(&setup, "\ncapture.body_bytes = \"1MiB\"\n").await?;
    ensure!(
        !refused.success && refused.stdout.contains("refused: content: line 2: capture.body_bytes"),
        "{}",
        refused.stdout
    );
    let said = states(&setup).await?;
    ensure!(said.iter().filter(|one| one["active"] == true && one["in_force"] == 2).count() == 1, "{said:?}");
    ensure!(said.iter().filter(|one| one["active"] == false && one["in_force"] == 1).count() == 1, "{said:?}");
    ensure!(!passes_through(&setup, &setup.agent).await? && passes_through(&setup, &agent).await?);

    // nobody is there to be asked, and the second one starts with what was good last
    setup.orchestrator.kill().await?;
    agent.stop(PATIENCE).await?;
    let agent = small.start().await?;
    ensure!(passes_through(&setup, &agent).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_may_push_is_told_before_it_is_signed() -> anyhow::Result<()> {
    let setup = Setup::start("config-refused").await?;
    let refused = push(&setup, "listen = \"0.0.0.0:1\"\n[client]\nheaders = 1\n").await?;
    ensure!(!refused.success, "{}", refused.stdout);
    for line in [
        "pushed.toml:1: listen: this is decided where the agent runs",
        "pushed.toml:3: client.headers: 1 is out of range",
    ] {
        ensure!(refused.stderr.contains(line), "{}", refused.stderr);
    }
    let file = setup.scratch.write("right.toml", "metrics.interval = \"1s\"\nmetrics.interfaces = [\"none0\"]\n")?;
    let file = file.display().to_string();
    let unasked = config(&setup, &["push", &file]).await?;
    ensure!(!unasked.success && unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let diff = config(&setup, &["diff", &file]).await?.ok()?;
    ensure!(diff.contains("+ metrics.interval = 1s") && !diff.contains("\n\n"), "{diff}");
    let told = config(&setup, &["diff", &file, "--format", "json"]).await?.ok()?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    ensure!(told[1] == serde_json::json!({"key": "metrics.interval", "before": null, "after": "1s"}), "{told}");
    ensure!(setup.orchestrator.list("/configurations").await?.is_empty());
    let interfaces = async || {
        let samples = setup.orchestrator.list("/metrics?limit=1").await?;
        anyhow::Ok(samples.first().and_then(|sample| Some(sample["networks"].as_array()?.len())))
    };
    eventually(PATIENCE, "samples of every interface", || async { Ok(interfaces().await?.filter(|count| *count > 0)) })
        .await?;

    config(&setup, &["push", &file, "--yes"]).await?.ok()?;
    // what is measured changes while the agent runs
    eventually(PATIENCE, "samples of no interface", || async { Ok(interfaces().await?.filter(|count| *count == 0)) })
        .await?;
    Ok(())
}

/// Says something in a WebSocket and leaves; the id of its exchange, once it is recorded.
async fn talk(setup: &Setup, path: &str) -> anyhow::Result<String> {
    let origin = setup.tls_authority();
    let tls = setup.client()?.tls(&origin, Alpn::Http1).await?;
    let mut socket = WebSocket::open(tls, path, &origin).await?;
    socket.say(TEXT, "hello").await?;
    socket.hear(TEXT, "hello").await?;
    socket.close().await?;
    Ok(setup.recorded(path).await?["id"].as_str().context("id")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_changes_while_the_agent_runs() -> anyhow::Result<()> {
    let setup = Setup::start("config-recording").await?;
    let count = async |id: &str| anyhow::Ok(setup.orchestrator.list(&format!("/exchanges/{id}/messages")).await?.len());
    let before = talk(&setup, "/ws?before").await?;
    eventually(PATIENCE, "its messages", || async { Ok((count(&before).await? == 4).then_some(())) }).await?;
    eventually(PATIENCE, "its connection", || async {
        Ok((setup.orchestrator.list("/connections/ended").await?.len() == 1).then_some(()))
    })
    .await?;
    push(&setup, "[capture]\nmessages = false\nconnections = false\n").await?.ok()?;
    let without = talk(&setup, "/ws?without").await?;
    push(&setup, "[capture]\nmessage_bytes = 2\n").await?.ok()?;
    let after = talk(&setup, "/ws?after").await?;
    eventually(PATIENCE, "messages again", || async { Ok((count(&after).await? == 4).then_some(())) }).await?;
    let cut = setup.orchestrator.list(&format!("/exchanges/{after}/messages")).await?;
    ensure!(cut[0]["text"] == "he" && cut[0]["size"] == 5, "{cut:?}");
    // what came later is there, so what is not there will not come
    eventually(PATIENCE, "the last connection", || async {
        Ok((setup.orchestrator.list("/connections/ended").await?.len() == 2).then_some(()))
    })
    .await?;
    ensure!(count(&without).await? == 0, "nobody wanted them");
    Ok(())
}

/// A client's connection through the agent that has had an answer.
async fn connected(setup: &Setup) -> anyhow::Result<Raw> {
    let mut client = Raw::dial(setup.agent.proxy).await?;
    ask(setup, &mut client).await?;
    Ok(client)
}

async fn ask(setup: &Setup, client: &mut Raw) -> anyhow::Result<()> {
    client.say(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", setup.plain("/hello"))).await?;
    let status = client.response().await?.status;
    ensure!(status == 200, "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_clients_there_may_be_changes_and_nobody_has_to_leave() -> anyhow::Result<()> {
    let setup = Setup::start("config-connections").await?;
    let (mut first, mut second) = (connected(&setup).await?, connected(&setup).await?);
    push(&setup, "client.connections = 1\n").await?.ok()?;
    for client in [&mut first, &mut second] {
        ask(&setup, client).await?;
    }
    let mut refused = Raw::dial(setup.agent.proxy).await?;
    ensure!(refused.response().await?.status == 503, "there is no room");
    push(&setup, "client.connections = 3\n").await?.ok()?;
    let _third = connected(&setup).await?;
    let mut refused = Raw::dial(setup.agent.proxy).await?;
    ensure!(refused.response().await?.status == 503, "there is room for three");
    push(&setup, "").await?.ok()?;
    connected(&setup).await?;
    ask(&setup, &mut first).await
}

/// Says what no HTTP is: the agent's log has a line about it at the level debug, with the client's address.
async fn misspeaks(setup: &Setup) -> anyhow::Result<String> {
    let stream = TcpStream::connect(setup.agent.proxy).await?;
    let address = stream.local_addr()?.to_string();
    let mut client = Raw::over(stream);
    client.say("GET http://x/ HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n").await?;
    client.hear_all().await?;
    Ok(address)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_changes_while_the_agent_runs() -> anyhow::Result<()> {
    let setup = Setup::start("config-log").await?;
    let tells = |client: &str| setup.agent.process.log().lines().any(|line| line.contains(client));
    let before = misspeaks(&setup).await?;
    push(&setup, "log.level = \"info,weir_agent=debug\"\n").await?.ok()?;
    let client = misspeaks(&setup).await?;
    eventually(PATIENCE, "a line of the level debug", || async { Ok(tells(&client).then_some(())) }).await?;
    push(&setup, "log.level = \"off\"\n").await?.ok()?;
    let without = misspeaks(&setup).await?;
    push(&setup, "log.level = \"debug\"\n").await?.ok()?;
    let client = misspeaks(&setup).await?;
    eventually(PATIENCE, "a line of the level debug", || async { Ok(tells(&client).then_some(())) }).await?;
    ensure!(!tells(&before) && !tells(&without), "lines come in order");
    let wrong = push(&setup, "log.level = \"loud\"\n").await?;
    ensure!(!wrong.success && wrong.stderr.contains("pushed.toml:1: log.level: expected a level"), "{}", wrong.stderr);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_exchanges_may_go_on_is_pushed() -> anyhow::Result<()> {
    let setup = Setup::start("config-drain").await?;
    push(&setup, "drain = \"1s\"\n").await?.ok()?;
    let mut http = setup.client()?.forward().await?;
    let request = http.request("GET", &setup.plain("/bytes/90000?by=1&pace=1000"), empty())?;
    let _response = http.send(request).await?;
    // of itself the agent waits for half a minute
    setup.agent.stop(Duration::from_secs(15)).await
}
