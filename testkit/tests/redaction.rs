//! What an operator says is not to be recorded is nowhere: not in the agent's spool, not at the orchestrator. What passes is
//! as it was.

use std::io::Read as _;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use flate2::{
    Compression,
    bufread::{GzDecoder, GzEncoder},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_testkit::{
    binaries::filter,
    body::full,
    raw::Raw,
    scratch::holding,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
};

const SECRET: &str = "hunter2-never-to-be-seen";

/// No file of either program has it.
async fn nowhere(setup: &Setup) -> anyhow::Result<()> {
    for folder in [setup.agent.data(), setup.orchestrator.data()] {
        let found = holding(folder, SECRET.as_bytes())?;
        ensure!(found.is_empty(), "the secret is in {found:?}");
    }
    Ok(())
}

/// Requests with the secret wherever a rule names it; the origin gets it, and so does the client that gets it back.
async fn talk(setup: &Setup, mark: &str) -> anyhow::Result<()> {
    let mut http = setup.client()?.intercepted(&setup.tls_authority(), weir_testkit::client::Alpn::Http1).await?;
    for (kind, body) in [
        ("application/json", format!(r#"{{"user":{{"password":"{SECRET}","name":"ada"}},"key":"sk-{SECRET}"}}"#)),
        ("application/x-www-form-urlencoded", format!("name=ada&pass={SECRET}")),
        ("text/plain", format!("the key is sk-{SECRET}, keep it")),
    ] {
        let path = format!("/echo?{mark}&token={SECRET}");
        let mut request = http.request("POST", &setup.tls(&path), full(body.clone()))?;
        request.headers_mut().insert("content-type", kind.parse()?);
        request.headers_mut().insert("x-api-key", SECRET.parse()?);
        let reply = http.exchange(request).await?;
        ensure!(reply.status == 200 && reply.text() == body, "{}", reply.text());
        let heard = setup.origin.heard_for(&path).context("the origin heard it")?;
        ensure!(heard.headers["x-api-key"] == SECRET);
    }
    Ok(())
}

async fn arrived(setup: &Setup, mark: &str) -> anyhow::Result<()> {
    let path = format!("/echo?{mark}&token=%5Bredacted%5D");
    let ids = eventually(PATIENCE, "the records", || async {
        let all = setup.orchestrator.list("/exchanges?limit=100").await?;
        let ids: Vec<String> = all
            .iter()
            .filter(|exchange| exchange["path"] == path)
            .filter_map(|exchange| Some(exchange["id"].as_str()?.to_owned()))
            .collect();
        Ok((ids.len() == 3).then_some(ids))
    })
    .await?;
    let mut recorded = String::new();
    for id in ids {
        recorded += &setup.orchestrator.get(&format!("/exchanges/{id}")).await?.to_string();
        for side in ["request", "response"] {
            let bytes = setup.orchestrator.bytes(&format!("/exchanges/{id}/{side}/body")).await?;
            recorded += &String::from_utf8_lossy(&bytes);
        }
    }
    ensure!(!recorded.contains(SECRET), "{recorded}");
    for kept in [
        r#"{"user":{"password":"[redacted]","name":"ada"},"key":"[redacted]"}"#,
        "name=ada&pass=%5Bredacted%5D",
        "the key is [redacted], keep it",
    ] {
        ensure!(recorded.contains(kept), "{kept} is not in {recorded}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_nowhere_but_where_it_was_sent() -> anyhow::Result<()> {
    let mut setup = Setup::start_with("redaction", |options| {
        options
            .with("--redact-headers", "x-api-key")
            .with("--redact-query", "token")
            .with("--redact-json", "/user/password,/**/pin")
            .with("--redact-form", "pass")
            .with("--redact-patterns", "sk-[a-z0-9-]+[a-z0-9]")
    })
    .await?;
    talk(&setup, "there").await?;
    arrived(&setup, "there").await?;
    nowhere(&setup).await?;

    // on disk too, while nobody is there to be told
    setup.orchestrator.kill().await?;
    talk(&setup, "away").await?;
    eventually(PATIENCE, "the spool to fill", || async {
        Ok((setup.agent.metric("weir_agent_spool_bytes", "").await? > 0.0).then_some(()))
    })
    .await?;
    nowhere(&setup).await?;
    setup.orchestrator.restart().await?;
    arrived(&setup, "away").await?;
    nowhere(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_can_be_pushed() -> anyhow::Result<()> {
    let setup = Setup::start("redaction-pushed").await?;
    let keys = setup.orchestrator.keys().display().to_string();
    let rules = "[redact]\nheaders = [\"x-api-key\"]\nquery = [\"token\"]\njson = [\"/user/password\"]\nform = [\"pass\"]\n\
                 patterns = ['sk-[a-z0-9-]+[a-z0-9]']\n";
    let file = setup.scratch.write("rules.toml", rules)?.display().to_string();
    setup.orchestrator.command(["config", "push", &file, "--yes", "--key-dir", &keys]).await?.ok()?;
    talk(&setup, "pushed").await?;
    arrived(&setup, "pushed").await?;
    nowhere(&setup).await?;
    // a rule that no agent can read is refused there, and those before stay
    let file = setup.scratch.write("wrong.toml", "redact.patterns = [\"(\"]\n")?.display().to_string();
    let refused = setup.orchestrator.command(["config", "push", &file, "--yes", "--key-dir", &keys]).await?;
    ensure!(!refused.success && refused.stdout.contains("line 1: redact.patterns"), "{}", refused.stdout);
    talk(&setup, "after").await?;
    arrived(&setup, "after").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coded_body_is_looked_into_and_recorded_as_its_head_says() -> anyhow::Result<()> {
    let setup = Setup::start_with("redaction-coded", |options| options.with("--redact-json", "/**/password")).await?;
    let text = format!(r#"{{"user":{{"password":"{SECRET}","name":"ada"}},"more":"{}"}}"#, "and more, ".repeat(500));
    let mut coded = Vec::new();
    GzEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut coded)?;
    let mut http = setup.client()?.forward().await?;
    let mut request = http.request("POST", &setup.plain("/echo?coded"), full(coded.clone()))?;
    request.headers_mut().insert("content-encoding", "gzip".parse()?);
    let reply = http.exchange(request).await?;
    ensure!(reply.status == 200 && reply.body == coded, "what passes is as it was");
    let exchange = setup.recorded("/echo?coded").await?;
    let id = exchange["id"].as_str().context("id")?;
    let body = &exchange["request"]["body"];
    ensure!(body["size"] == coded.len() && body["redacted"] == true, "{body}");
    let decoded = setup.orchestrator.bytes(&format!("/exchanges/{id}/request/body?decoded")).await?;
    ensure!(String::from_utf8(decoded)? == text.replace(SECRET, "[redacted]"));
    ensure!(setup.orchestrator.list("/exchanges?query=is:truncated").await?.is_empty(), "all of it is there");
    let shown = setup.orchestrator.command(["traffic", "show", id]).await?.ok()?;
    ensure!(shown.contains("values were left out") && !shown.contains(SECRET), "{shown}");
    nowhere(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_are_looked_for_in_what_filters_write() -> anyhow::Result<()> {
    let setup =
        Setup::start_with("redaction-lines", |options| options.with("--redact-patterns", "hunter2[a-z-]*")).await?;
    setup.orchestrator.push(&filter("access-log")?, &[]).await?;
    setup.agent.active("access-log", 1).await?;
    setup.client()?.forward().await?.get(&setup.plain(&format!("/text/{SECRET}"))).await?;
    let line = eventually(PATIENCE, "the line of the filter", || async {
        let lines = setup.orchestrator.get("/filters/access-log/logs").await?;
        Ok(lines["items"][0]["text"].as_str().map(str::to_owned))
    })
    .await?;
    ensure!(line.contains("/text/[redacted]"), "{line}");
    nowhere(&setup).await
}

fn gzip(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut coded = Vec::new();
    GzEncoder::new(text, Compression::best()).read_to_end(&mut coded)?;
    Ok(coded)
}

/// Both sides of both bodies of what was recorded for this path, decompressed by whoever looks at them.
async fn bodies(setup: &Setup, path: &str) -> anyhow::Result<Vec<String>> {
    let exchange = setup.recorded(path).await?;
    let id = exchange["id"].as_str().context("id")?;
    let mut texts = Vec::new();
    for (member, part) in [
        ("request", "request/body"),
        ("filtered_request", "request/body?side=filtered"),
        ("response", "response/body"),
        ("original_response", "response/body?side=original"),
    ] {
        if exchange[member].is_null() {
            continue;
        }
        let bytes = setup.orchestrator.bytes(&format!("/exchanges/{id}/{part}")).await?;
        let mut text = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut text).with_context(|| format!("{part} is no gzip"))?;
        texts.push(String::from_utf8(text)?);
    }
    Ok(texts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coding_that_is_taken_from_the_head_alone_hides_nothing() -> anyhow::Result<()> {
    let setup = Setup::start_with("redaction-dropped", |options| {
        options.with("--redact-patterns", "hunter2[a-z-]*").with("--allow", "breakpoints")
    })
    .await?;
    let text = format!("{} {SECRET} {}", "before ".repeat(50), "behind ".repeat(50));
    let hidden = text.replace(SECRET, "[redacted]");
    let coded = gzip(text.as_bytes())?;
    let send = async |path: &str, fields: &[(&'static str, &str)]| {
        let mut http = setup.client()?.forward().await?;
        let mut request = http.request("POST", &setup.plain(path), full(coded.clone()))?;
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse()?);
        }
        let reply = http.exchange(request).await?;
        ensure!(reply.status == 200 && reply.body == coded, "what passes is as it was");
        anyhow::Ok(())
    };
    let coding = [("content-encoding", "gzip"), ("content-type", "text/plain")];
    // nobody tells of it
    send("/echo?untold", &coding[1..]).await?;
    assert_eq!(bodies(&setup, "/echo?untold").await?, [&*hidden, &hidden]);
    // a person takes it from the head
    let point = json!({ "query": "path:/echo*", "at": "request" });
    let (status, made) = setup.orchestrator.request(Method::POST, "/breakpoints", Some(&point)).await?;
    ensure!(status == StatusCode::CREATED, "{made}");
    let decide = async {
        let id = eventually(PATIENCE, "a pause", async || {
            let list = setup.orchestrator.list("/paused").await?;
            Ok(list.first().and_then(|item| item["id"].as_str().map(str::to_owned)))
        })
        .await?;
        let edit = json!({ "decision": "modify", "headers": [["content-type", "text/plain"]] });
        let (status, done) = setup.orchestrator.request(Method::POST, &format!("/paused/{id}"), Some(&edit)).await?;
        ensure!(status == StatusCode::OK, "{done}");
        Ok(())
    };
    tokio::try_join!(send("/echo?edited", &coding), decide)?;
    let heard = setup.origin.heard_for("/echo?edited").context("the origin heard it")?;
    ensure!(!heard.headers.contains_key("content-encoding"), "{:?}", heard.headers);
    assert_eq!(bodies(&setup, "/echo?edited").await?, [&*hidden, &hidden, &hidden]);
    let id = made["id"].as_str().context("id")?;
    setup.orchestrator.request(Method::DELETE, &format!("/breakpoints/{id}"), None).await?;
    // and so does a filter
    let config = json!({ "request": { "remove": ["content-encoding"] } }).to_string();
    setup.orchestrator.push(&filter("headers")?, &["--config", &config]).await?;
    setup.agent.active("headers", 1).await?;
    send("/echo?filtered", &coding).await?;
    let heard = setup.origin.heard_for("/echo?filtered").context("the origin heard it")?;
    ensure!(!heard.headers.contains_key("content-encoding"), "{:?}", heard.headers);
    assert_eq!(bodies(&setup, "/echo?filtered").await?, [&*hidden, &hidden, &hidden]);
    nowhere(&setup).await
}

/// As an upstream answers, over a connection of its own.
async fn answered(setup: &Setup, path: &str, head: &str, body: &[u8]) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await?;
    let (stream, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
    let mut origin = Raw::over(stream);
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.extend(origin.hear(1).await?);
    }
    origin.say(format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n", body.len())).await?;
    origin.say(body).await?;
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.extend(client.hear(1).await?);
    }
    ensure!(client.hear(body.len()).await? == body, "what passes is as it was");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_events_calls_and_parts_are_looked_into() -> anyhow::Result<()> {
    let setup = Setup::start_with("redaction-within", |options| {
        options.with("--redact-json", "/**/password").with("--redact-patterns", "sk-[a-z0-9-]+[a-z0-9]")
    })
    .await?;
    let messages = async |path: &str, count: usize| {
        let exchange = setup.recorded(path).await?;
        let id = exchange["id"].as_str().context("id")?.to_owned();
        let messages = setup.orchestrator.list(&format!("/exchanges/{id}/messages")).await?;
        ensure!(messages.len() == count, "{messages:?}");
        Ok((id, messages))
    };
    let stream = format!("event: a\ndata: {{\"password\":\"{SECRET}\"}}\n\ndata: sk-{SECRET}\n\n");
    answered(
        &setup,
        "/events",
        "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n",
        &gzip(stream.as_bytes())?,
    )
    .await?;
    let (_, events) = messages("/events", 2).await?;
    let text = |message: &Value| message["text"].as_str().map(str::to_owned);
    assert_eq!(text(&events[0]).as_deref(), Some("event: a\ndata:{\"password\":\"[redacted]\"}"));
    assert_eq!(text(&events[1]).as_deref(), Some("data:[redacted]"));

    let frame = |flag: u8, message: &[u8]| -> anyhow::Result<Vec<u8>> {
        Ok([&[flag][..], &u32::try_from(message.len())?.to_be_bytes(), message].concat())
    };
    let said = format!("\x0a\x20sk-{SECRET}");
    let call = [frame(0, b"first")?, frame(1, &gzip(said.as_bytes())?)?].concat();
    answered(&setup, "/call", "Content-Type: application/grpc\r\nGrpc-Encoding: gzip\r\n", &call).await?;
    let (id, calls) = messages("/call", 2).await?;
    let expect = base64::engine::general_purpose::STANDARD.encode("\x0a\x20[redacted]");
    assert_eq!((&calls[1]["base64"], &calls[1]["compressed"]), (&expect.into(), &false.into()));
    let body = setup.orchestrator.bytes(&format!("/exchanges/{id}/response/body")).await?;
    let (first, second) = body.split_at(10);
    let mut text = String::new();
    GzDecoder::new(&second[5..]).read_to_string(&mut text)?;
    assert_eq!((first, &*text, second[4] as usize), (&frame(0, b"first")?[..], "\x0a\x20[redacted]", second.len() - 5));

    let form = format!(
        "--x\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n\
         {{\"password\":\"{SECRET}\"}}\r\n--x\r\n\r\nand more\r\n--x--\r\n"
    );
    let mut http = setup.client()?.forward().await?;
    let mut request = http.request("POST", &setup.plain("/echo?form"), full(form.clone()))?;
    request.headers_mut().insert("content-type", "multipart/form-data; boundary=x".parse()?);
    let reply = http.exchange(request).await?;
    ensure!(reply.text() == form, "what passes is as it was");
    let exchange = setup.recorded("/echo?form").await?;
    let id = exchange["id"].as_str().context("id")?;
    let body = setup.orchestrator.bytes(&format!("/exchanges/{id}/request/body")).await?;
    assert_eq!(String::from_utf8(body)?, form.replace(SECRET, "[redacted]"));
    nowhere(&setup).await
}
