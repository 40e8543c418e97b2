//! Requests that an orchestrator has agents send: recorded ones as they were or edited, and made-up ones. They go the way
//! of every other through the agent, and nowhere that its operator does not let them go.

use anyhow::{Context as _, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_testkit::{
    agent::AgentOptions,
    binaries::filter,
    body::Pattern,
    client::Alpn,
    debian,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

async fn start(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| options.with("--workers", "2").with("--allow", "connections,replay")).await
}

async fn replay(setup: &Setup, id: &str, edits: Value) -> anyhow::Result<(StatusCode, Value)> {
    setup.orchestrator.request(Method::POST, &format!("/exchanges/{id}/replay"), Some(&edits)).await
}

/// The one exchange that came of it.
async fn sent(setup: &Setup, id: &str, edits: Value) -> anyhow::Result<Value> {
    let (status, answer) = replay(setup, id, edits).await?;
    ensure!(status == 201, "{status} {answer}");
    let new = answer["items"][0]["id"].as_str().context("an id")?;
    let exchange = setup.orchestrator.get(&format!("/exchanges/{new}")).await?;
    ensure!(exchange["replay_of"] == id && exchange["replay_by"] == "admin", "{exchange}");
    ensure!(exchange["status"] == answer["items"][0]["status"], "{answer} {exchange}");
    Ok(exchange)
}

fn id(exchange: &Value) -> anyhow::Result<&str> {
    exchange["id"].as_str().context("an id")
}

async fn response_body(setup: &Setup, exchange: &Value) -> anyhow::Result<String> {
    let bytes = setup.orchestrator.bytes(&format!("/exchanges/{}/response/body", id(exchange)?)).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_a_tunnel_is_sent_again_through_the_filters() -> anyhow::Result<()> {
    let setup = start("replay-tunnel").await?;
    let ca = setup.agent.ca_file();
    for (path, protocol) in [("/echo?h1", "--http1.1"), ("/echo?h2", "--http2")] {
        let url = setup.tls(path);
        let reply = setup.agent.curl(&ca).get(&[protocol, "--data", "what was said", "-H", "X-A: 1", &url]).await?;
        assert_eq!((reply.status, reply.body.as_str()), (200, "what was said"));
        let recorded = setup.recorded(path).await?;

        let same = sent(&setup, id(&recorded)?, json!({})).await?;
        assert_eq!(same["request"], recorded["request"], "nothing of it is another");
        assert_eq!(same["connection"]["tunnel_target"], recorded["connection"]["tunnel_target"]);
        assert_eq!(same["connection"]["intercepted"], true);
        assert_eq!(response_body(&setup, &same).await?, "what was said");
        let diff = setup.orchestrator.get(&format!("/exchanges/{}/diff/{}", id(&recorded)?, id(&same)?)).await?;
        assert_eq!(diff["request"]["same"], true, "{diff}");

        let edits = json!({"method": "PUT", "url": "/echo?edited", "set_headers": [["X-A", "2"], ["Host", "other.localhost"]],
            "remove_headers": ["user-agent"], "body": "said otherwise"});
        let edited = sent(&setup, id(&recorded)?, edits).await?;
        assert_eq!(response_body(&setup, &edited).await?, "said otherwise");
        let heard = setup.origin.heard().pop().context("the origin heard nothing")?;
        assert_eq!((heard.method.as_str(), heard.uri.query()), ("PUT", Some("edited")));
        assert_eq!(heard.headers["x-a"], "2");
        assert!(!heard.headers.contains_key("user-agent"));
        let host = heard.uri.authority().map(ToString::to_string);
        let host = host.unwrap_or_else(|| String::from_utf8_lossy(heard.headers["host"].as_bytes()).into_owned());
        assert_eq!(host, "other.localhost");
    }
    // A filter of now, which was not there when it was recorded, meets it too.
    let recorded = setup.recorded("/echo?h1").await?;
    setup.orchestrator.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":7}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    let stamped = sent(&setup, id(&recorded)?, json!({})).await?;
    assert_eq!(stamped["filters"], json!(["stamp"]));
    assert!(setup.origin.heard().pop().is_some_and(|heard| heard.headers.contains_key("x-stamp")));

    let found = setup.orchestrator.list("/exchanges?query=is:replay").await?;
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(setup.orchestrator.list("/exchanges?query=-is:replay").await?.len(), 2);
    let trail = setup.orchestrator.get("/audit").await?.to_string();
    assert!(trail.contains("method PUT, url https://localhost:"), "{trail}");
    assert!(trail.contains("removed user-agent, set x-a, set host, body of 14 bytes"), "{trail}");
    assert!(!trail.contains("said otherwise"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_hears_a_request_that_nobody_recorded() -> anyhow::Result<()> {
    let setup = start("replay-made").await?;
    let nginx = debian::nginx(&setup.scratch, &setup.ca.leaf(&["localhost"])?).await?;
    let url = format!("https://localhost:{}/index.html", nginx.address.port());
    let made = json!({"url": url, "headers": [["X-Made", "yes"]], "count": 3});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201, "{status} {answer}");
    let items = answer["items"].as_array().context("items")?;
    assert_eq!(items.len(), 3);
    for item in items {
        let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(item)?)).await?;
        assert_eq!(exchange["replay_of"], "00000000-0000-0000-0000-000000000000");
        assert_eq!(response_body(&setup, &exchange).await?, "nginx says hello\n");
        assert_eq!(exchange["request"]["headers"], json!([["x-made", "yes"], ["host", url[8..].split('/').next()]]));
    }
    // openssl's own server, too.
    let server = debian::s_server(&setup.scratch, &setup.ca.leaf(&["localhost"])?, &["-www"]).await?;
    let made = json!({"url": format!("https://localhost:{}/", server.address.port())});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201 && answer["items"][0]["status"] == 200, "{status} {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_to_clients_is_denied_here() -> anyhow::Result<()> {
    let setup = start("replay-denied").await?;
    let own = [setup.agent.proxy, setup.agent.admin].map(|own| format!("http://{own}/metrics"));
    let denied = ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://0.0.0.0/", &own[0], &own[1]];
    for url in denied {
        let made = json!({"url": url});
        let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
        ensure!(status == 201, "{url}: {status} {answer}");
        let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(&answer["items"][0])?)).await?;
        let refused = exchange["outcome"] != "complete" && exchange["upstream_address"].is_null();
        ensure!(refused && exchange["status"].as_u64() >= Some(400), "{url}: {exchange}");
    }
    // What `Host` says changes nothing about where it goes.
    let made = json!({"url": "http://169.254.169.254/", "headers": [["Host", "localhost"]]});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201, "{status} {answer}");
    let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(&answer["items"][0])?)).await?;
    ensure!(exchange["upstream_address"].is_null() && exchange["outcome"] != "complete", "{exchange}");

    // A filter that decides about tunnels decides about this one.
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&[&setup.tls("/tunnelled")]).await?;
    let recorded = setup.recorded("/tunnelled").await?;
    let config = r#"{"deny":["localhost"]}"#;
    setup.orchestrator.push(&filter("tunnel-guard")?, &["--name", "tunnel-guard", "--config", config]).await?;
    setup.agent.active("tunnel-guard", 1).await?;
    let (status, refused) = replay(&setup, id(&recorded)?, json!({})).await?;
    ensure!(status == 409 && refused["type"] == "urn:weir:problem:refused-by-filter", "{status} {refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_again_is_told_with_what_to_do() -> anyhow::Result<()> {
    let setup = Setup::start_with("replay-cannot", |options| {
        options.with("--allow", "replay").with("--capture-body-bytes", "1KiB")
    })
    .await?;
    let ca = setup.agent.ca_file();
    let long = "x".repeat(5000);
    setup.agent.curl(&ca).get(&["--data", &long, &setup.plain("/length?long")]).await?;
    let recorded = setup.recorded("/length?long").await?;
    let (status, refused) = replay(&setup, id(&recorded)?, json!({})).await?;
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(status == 422 && detail.contains("1024 were recorded: give a body"), "{status} {refused}");
    let whole = sent(&setup, id(&recorded)?, json!({"body": long})).await?;
    assert_eq!(response_body(&setup, &whole).await?, "5000");

    let tls = setup.client()?.tls(&setup.tls_authority(), Alpn::Http1).await?;
    let mut socket = weir_testkit::websocket::WebSocket::open(tls, "/ws?again", &setup.tls_authority()).await?;
    socket.echo(b"hello").await?;
    socket.close().await?;
    let recorded = setup.recorded("/ws?again").await?;
    let (status, refused) = replay(&setup, id(&recorded)?, json!({})).await?;
    ensure!(
        status == 422 && refused["detail"].as_str().unwrap_or_default().contains("WebSocket"),
        "{status} {refused}"
    );

    // An agent whose operator did not allow it is passed over, and refuses when it is named.
    let strict = AgentOptions::new(&setup.scratch, "strict")
        .with("--orchestrator", setup.orchestrator.grpc_url())
        .with("--join-token", setup.orchestrator.join_token().await?)
        .start()
        .await?;
    let agents = eventually(PATIENCE, "two agents", || async {
        let agents = setup.orchestrator.list("/agents").await?;
        let connected = agents.iter().filter(|agent| agent["state"] == "connected").count();
        Ok((connected == 2).then_some(agents))
    })
    .await?;
    let named = agents.iter().find(|agent| agent["allowed"] == json!(["connections"])).context("the strict one")?;
    let made = json!({"url": setup.plain("/made"), "agent": named["id"]});
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(status == 409 && detail.contains("--allow connections,replay"), "{status} {refused}");
    let made = json!({"url": setup.plain("/made")});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201 && answer["items"][0]["agent"] != named["id"], "{status} {answer}");
    assert_eq!(setup.origin.heard().iter().filter(|heard| heard.uri.path() == "/made").count(), 1);
    drop(strict);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_go_in_the_midst_of_it() -> anyhow::Result<()> {
    let mut setup = start("replay-killed").await?;
    // It takes long: the answer says that it goes on, and the record comes when it has ended.
    let made = json!({"url": setup.plain("/bytes/400?chunked&by=8&pace=50"), "wait_seconds": 1});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 202 && answer["items"][0]["recorded"] == false, "{status} {answer}");
    let path = format!("/exchanges/{}", id(&answer["items"][0])?);
    let ended = eventually(PATIENCE, "the record", || async {
        let (status, exchange) = setup.orchestrator.request(Method::GET, &path, None).await?;
        Ok((status == 200).then_some(exchange))
    })
    .await?;
    assert_eq!((&ended["outcome"], &ended["response_bytes"]), (&json!("complete"), &json!(400)));

    let made = json!({"url": setup.plain("/bytes/9000?chunked&by=8&pace=50")});
    let asked = setup.orchestrator.request(Method::POST, "/replays", Some(&made));
    let killed = async {
        let heard = || async { Ok(setup.origin.heard_for("/bytes/9000?chunked&by=8&pace=50")) };
        eventually(PATIENCE, "the request", heard).await?;
        setup.agent.process.kill().await
    };
    let (asked, killed) = tokio::join!(asked, killed);
    killed?;
    let (status, lost) = asked?;
    let detail = lost["detail"].as_str().unwrap_or_default();
    ensure!(status == 502 && detail.contains("may have done it or not"), "{status} {lost}");
    let made = json!({"url": setup.plain("/")});
    let (status, away) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 409 && away["detail"].as_str().unwrap_or_default().contains("--allow"), "{status} {away}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_ask_for_it_on_the_command_line() -> anyhow::Result<()> {
    let setup = start("replay-cli").await?;
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&["--data", "one", &setup.tls("/echo?cli")]).await?;
    let recorded = setup.recorded("/echo?cli").await?;
    let id = id(&recorded)?;
    let short = &id[id.len() - 8..];
    let shown = setup.orchestrator.command(["replay", short, "--header", "X-B: 2", "--body", "two"]).await?.ok()?;
    assert!(shown.contains(&format!("replay of {id}, by admin")), "{shown}");
    assert!(shown.contains("x-b: 2") && shown.contains("\ntwo"), "{shown}");
    let file = setup.scratch.write("body", "three")?;
    let file = format!("@{}", file.display());
    let diff = setup.orchestrator.command(["replay", id, "--body", &file, "--diff"]).await?.ok()?;
    assert!(diff.contains("- one") && diff.contains("+ three"), "{diff}");
    let made = setup.orchestrator.command(["replay", "--url", &setup.plain("/status/418"), "-n", "2"]).await?.ok()?;
    assert_eq!(made.matches("418").count(), 2, "{made}");
    let wrong = setup.orchestrator.command(["replay", id, "--header", "nothing"]).await?;
    assert!(!wrong.success && wrong.stderr.contains("NAME: VALUE"), "{}", wrong.stderr);
    Ok(())
}

/// In the order of their names.
fn trailers_of(message: &Value) -> Vec<(&str, &str)> {
    let all = message["trailers"].as_array().into_iter().flatten();
    let mut all: Vec<_> = all.filter_map(|field| Some((field[0].as_str()?, field[1].as_str()?))).collect();
    all.sort_unstable();
    all
}

/// The edits are those of a recorded one, and a request that nobody recorded has some too.
#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_request_that_nobody_recorded_are_sent() -> anyhow::Result<()> {
    let setup = start("replay-new-trailers").await?;
    for url in [setup.plain("/echo"), setup.tls("/echo")] {
        for method in ["POST", "GET"] {
            let made = json!({"url": url, "method": method, "body": "b", "trailers": [["X-Sum", "9"]],
                "headers": [["TE", "trailers"], ["Trailer", "x-other"]]});
            let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
            ensure!(status == 201, "{status} {answer}");
            let exchange = setup.orchestrator.get(&format!("/exchanges/{}", id(&answer["items"][0])?)).await?;
            ensure!(trailers_of(&exchange["request"]) == [("x-sum", "9")], "{exchange}");
            ensure!(trailers_of(&exchange["response"]) == [("x-sum", "9")], "{method} {url}: {exchange}");
        }
    }
    let made = json!({"url": setup.plain("/echo"), "trailers": [["Content-Length", "9"]]});
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 422 && refused["detail"].as_str().is_some_and(|it| it.contains("`content-length`")), "{refused}");

    let url = setup.plain("/echo?cli");
    let body = ["--body", "b", "-X", "POST", "--header", "TE: trailers"];
    let all = [&["replay", "--url", &url, "--trailer", "X-Sum: 7"][..], &body].concat();
    let shown = setup.orchestrator.command(all).await?.ok()?;
    ensure!(shown.contains("x-sum: 7"), "{shown}");
    let recorded = setup.recorded("/echo?cli").await?;
    let edit = ["replay", id(&recorded)?, "--trailer", "x-new: 1", "--remove-trailer", "x-sum"];
    let shown = setup.orchestrator.command(edit).await?.ok()?;
    ensure!(shown.contains("x-new: 1") && !shown.contains("x-sum: 7"), "{shown}");
    Ok(())
}

/// What is sent may hold credentials, and an agent says itself what it is called.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_several_agents_bear_is_no_agent() -> anyhow::Result<()> {
    let setup = start("replay-same-name").await?;
    let _twin = AgentOptions::new(&setup.scratch, "twin")
        .with("--orchestrator", setup.orchestrator.grpc_url())
        .with("--join-token", setup.orchestrator.join_token().await?)
        .with("--allow", "connections,replay")
        .start()
        .await?;
    let twins = eventually(PATIENCE, "two agents", || async {
        let mut agents = setup.orchestrator.list("/agents").await?;
        agents.retain(|agent| agent["state"] == "connected");
        Ok((agents.len() == 2).then_some(agents))
    })
    .await?;
    // Both are called as the machine is.
    let name = twins[0]["name"].as_str().context("a name")?;
    ensure!(twins[1]["name"] == name, "{twins:?}");
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&[&setup.plain("/text/twins")]).await?;
    let recorded = setup.recorded("/text/twins").await?;
    let heard = || setup.origin.heard().iter().filter(|heard| heard.uri.path() == "/text/twins").count();
    let made = json!({"url": setup.plain("/text/twins"), "agent": name});
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(
        status == 409 && refused["detail"] == format!("2 agents are called `{name}`: give the id of one"),
        "{status} {refused}"
    );
    let (status, refused) = replay(&setup, id(&recorded)?, json!({"agent": name})).await?;
    ensure!(status == 409, "{status} {refused}");
    ensure!(heard() == 1, "nothing was sent");
    let (status, answer) = replay(&setup, id(&recorded)?, json!({"agent": twins[1]["id"]})).await?;
    ensure!(status == 201 && answer["items"][0]["agent"] == twins[1]["id"], "{status} {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_are_sent_again() -> anyhow::Result<()> {
    let setup = start("replay-trailers").await?;
    let client = setup.client()?;
    let authority = setup.tls_authority();
    for (mut http, url, path) in [
        (client.forward().await?, setup.plain("/echo?plain"), "/echo?plain"),
        (client.intercepted(&authority, Alpn::Http1).await?, setup.tls("/echo?h1"), "/echo?h1"),
        (client.intercepted(&authority, Alpn::Http2).await?, setup.tls("/echo?h2"), "/echo?h2"),
    ] {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "9".parse()?);
        let mut request = http.request("POST", &url, Pattern::new(1, 9).trailed(trailers).boxed())?;
        request.headers_mut().insert("te", "trailers".parse()?);
        if !path.ends_with("h2") {
            request.headers_mut().insert("trailer", "x-sum".parse()?);
        }
        http.exchange(request).await?;
        let recorded = setup.recorded(path).await?;
        ensure!(recorded["request"]["trailers"] == json!([["x-sum", "9"]]), "{recorded}");
        let again = sent(&setup, id(&recorded)?, json!({})).await?;
        // the origin sends back what it got
        for message in ["request", "response"] {
            ensure!(again[message]["trailers"] == json!([["x-sum", "9"]]), "{path}: {again}");
        }
        let edits = json!({"set_trailers": [["X-Sum", "8"], ["x-new", "1"]]});
        let edited = sent(&setup, id(&recorded)?, edits).await?;
        for message in ["request", "response"] {
            ensure!(trailers_of(&edited[message]) == [("x-new", "1"), ("x-sum", "8")], "{path}: {edited}");
        }
        let edits = json!({"body": "another", "set_trailers": [["x-new", "2"]]});
        let edited = sent(&setup, id(&recorded)?, edits).await?;
        ensure!(trailers_of(&edited["response"]) == [("x-new", "2")], "{path}: {edited}");
        ensure!(response_body(&setup, &edited).await? == "another", "{path}: {edited}");
        let edited = sent(&setup, id(&recorded)?, json!({"remove_trailers": ["x-sum"]})).await?;
        ensure!(edited["request"]["trailers"] == json!([]) && edited["status"] == 200, "{path}: {edited}");
        let other = sent(&setup, id(&recorded)?, json!({"body": "another"})).await?;
        ensure!(other["request"]["trailers"] == json!([]) && other["status"] == 200, "{path}: {other}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_replay_is_pointed_at() -> anyhow::Result<()> {
    let setup = start("replay-members").await?;
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&[&setup.plain("/text/x")]).await?;
    let recorded = setup.recorded("/text/x").await?;
    let again = format!("/exchanges/{}/replay", id(&recorded)?);
    for (path, wanted) in [
        (&*again, json!({"set_header": [["a", "b"]]})),
        (&again, json!({"headers": [["a", "b"]]})),
        ("/replays", json!({"url": setup.plain("/"), "set_headers": []})),
    ] {
        let (status, problem) = setup.orchestrator.request(Method::POST, path, Some(&wanted)).await?;
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        ensure!(status == 400 && wanted.pointer(pointer).is_some_and(Value::is_array), "{status} {problem}");
    }
    ensure!(setup.orchestrator.list("/exchanges?query=is:replay").await?.is_empty(), "nothing was sent");

    // the bounds are those in force, not those of the agent's start
    let headers: Vec<_> = (0..30).map(|at| json!([format!("x-{at}"), "y"])).collect();
    let made = json!({"url": setup.plain("/"), "headers": headers});
    let (status, answer) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    ensure!(status == 201, "{status} {answer}");
    let keys = setup.orchestrator.keys().display().to_string();
    let file = setup.scratch.write("bounds.toml", "client.headers = 20\n")?.display().to_string();
    setup.orchestrator.command(["config", "push", &file, "--yes", "--key-dir", &keys]).await?.ok()?;
    let (status, refused) = setup.orchestrator.request(Method::POST, "/replays", Some(&made)).await?;
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(status == 422 && detail.contains("20 fields"), "{status} {refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_out_of_the_record_is_not_sent_as_a_mark() -> anyhow::Result<()> {
    let setup = Setup::start_with("replay-redacted", |options| {
        options.with("--allow", "replay").with("--redact-headers", "authorization").with("--redact-query", "token")
    })
    .await?;
    let ca = setup.agent.ca_file();
    setup.agent.curl(&ca).get(&["--header", "Authorization: Bearer mine", &setup.plain("/text/x?token=mine")]).await?;
    let recorded = setup.recorded("/text/x?token=%5Bredacted%5D").await?;
    let heard = || setup.origin.heard().len();
    let before = heard();
    for (edits, says) in [
        (json!({}), "`authorization` is hidden"),
        (json!({"set_headers": [["Authorization", "[redacted]"]]}), "`authorization` is hidden"),
        (json!({"remove_headers": ["authorization"]}), "give the URL"),
    ] {
        let (status, refused) = replay(&setup, id(&recorded)?, edits).await?;
        let detail = refused["detail"].as_str().unwrap_or_default();
        ensure!(status == 422 && detail.contains(says), "{status} {refused}");
    }
    ensure!(heard() == before, "nothing was sent");
    let edits = json!({"url": "/text/x?token=other", "set_headers": [["authorization", "Bearer other"]]});
    sent(&setup, id(&recorded)?, edits).await?;
    let heard = setup.origin.heard_for("/text/x?token=other").context("it was sent")?;
    ensure!(heard.headers["authorization"] == "Bearer other");
    Ok(())
}
