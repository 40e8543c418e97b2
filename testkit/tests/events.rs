//! Filters that see server-sent events, through a real agent: of curl, and of origins that take their time.

use std::{fs, net::SocketAddr};

use anyhow::ensure;
use tokio::net::TcpListener;
use weir_testkit::{
    agent::{Agent, AgentOptions},
    binaries::filter,
    ca::Ca,
    origin::Origin,
    raw::Raw,
    scratch::Scratch,
    wait::{PATIENCE, within},
};

const GUARD: &str = r#"config = '''{"rules": [
    {"regex": "card=[0-9]+", "then": "replace", "replacement": "card=?"},
    {"literal": "noise", "then": "drop"},
    {"literal": "attack", "then": "close"}
]}'''
"#;

/// An agent with filters in its folder, each with its sidecar, and an origin that echoes.
struct Watched {
    agent: Agent,
    origin: Origin,
    _scratch: Scratch,
}

impl Watched {
    async fn start(name: &str, filters: &[(&str, &str)]) -> anyhow::Result<Self> {
        let scratch = Scratch::new(name)?;
        let ca = Ca::new("testkit origins")?;
        let origin = Origin::start(&ca).await?;
        let folder = scratch.join("filters");
        fs::create_dir(&folder)?;
        for (guest, sidecar) in filters {
            fs::copy(filter(guest)?, folder.join(format!("{guest}.wasm")))?;
            fs::write(folder.join(format!("{guest}.toml")), sidecar)?;
        }
        let roots = scratch.write("origins.pem", ca.pem())?;
        let options = AgentOptions::new(&scratch, "agent").with("--filters", &folder).with("--upstream-ca", roots);
        Ok(Self { agent: options.start().await?, origin, _scratch: scratch })
    }

    /// What curl gets of an origin that says these events, and whether it came to its end.
    async fn curl(&self, base: &str, events: &str, more: &[&str]) -> anyhow::Result<(String, bool)> {
        let ca = self.agent.ca_file();
        let url = format!("{base}/echo");
        let mut arguments = vec!["-H", "content-type: text/event-stream", "--data-binary", events];
        arguments.extend(more);
        arguments.push(&url);
        let finished = self.agent.curl(&ca).run(&arguments).await?;
        Ok((finished.stdout.clone(), finished.ok().is_ok()))
    }

    fn plain(&self) -> String {
        format!("http://{}", self.origin.plain())
    }

    fn tls(&self) -> String {
        format!("https://localhost:{}", self.origin.tls().port())
    }

    /// A client that has asked, and the origin that is to answer.
    async fn asked(&self) -> anyhow::Result<(Raw, Raw)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host: SocketAddr = listener.local_addr()?;
        let mut client = Raw::dial(self.agent.proxy).await?;
        client.say(format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n")).await?;
        let (stream, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
        let mut origin = Raw::over(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(origin.hear(1).await?);
        }
        Ok((client, origin))
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Reads to the end of a chunk that says this.
async fn hear(client: &mut Raw, said: &str) -> anyhow::Result<String> {
    let mut heard = Vec::new();
    let end = format!("{said}\r\n");
    while !heard.ends_with(end.as_bytes()) {
        heard.extend(client.hear(1).await?);
    }
    Ok(String::from_utf8(heard)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_pass_are_replaced_dropped_and_end_the_response() -> anyhow::Result<()> {
    let watched = Watched::start("events", &[("message-guard", GUARD)]).await?;
    let bases = [(watched.plain(), "--http1.1"), (watched.tls(), "--http1.1"), (watched.tls(), "--http2")];
    for (base, version) in bases {
        let events = ": hi\r\rid: 7\r\ndata:untouched\r\n\r\nevent: x\ndata: card=12\n\ndata: noise\n\ndata: end\n\n";
        let expect = ": hi\r\rid: 7\r\ndata:untouched\r\n\r\nevent: x\ndata: card=?\n\ndata: end\n\n";
        let got = watched.curl(&base, events, &[version]).await?;
        ensure!(got == (expect.to_owned(), true), "{base} {version}: {got:?}");
        let got = watched.curl(&base, "data: one\n\ndata: attack\n\ndata: two\n\n", &[version]).await?;
        ensure!(got == ("data: one\n\n".to_owned(), true), "{base} {version}: {got:?}");
        // cut off by the end: a client by the book forgets it, others do not
        let got = watched.curl(&base, "data: one\n\ndata: card=1", &[version]).await?;
        ensure!(got == ("data: one\n\ndata: card=?\n\n".to_owned(), true), "{base} {version}: {got:?}");
    }
    let ca = watched.agent.ca_file();
    let other =
        ["-H", "content-type: text/plain", "--data-binary", "data: attack\n\n", &format!("{}/echo", watched.plain())];
    let got = watched.agent.curl(&ca).get(&other).await?;
    ensure!(got.body == "data: attack\n\n", "no stream of events: {got:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_do_not_wait_for_each_other_and_a_close_ends_both_sides() -> anyhow::Result<()> {
    let watched = Watched::start("events-live", &[("message-guard", GUARD)]).await?;
    let (mut client, mut origin) = watched.asked().await?;
    origin.say(format!("{HEAD}\r\n{}", chunk("data: card=1\n\ndata: ha"))).await?;
    let head = hear(&mut client, "data: card=?\n\n").await?;
    ensure!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    origin.say(chunk("lf\n\n")).await?;
    hear(&mut client, "data: half\n\n").await?;
    origin.say(chunk(": still there\n")).await?;
    hear(&mut client, ": still there\n").await?;
    origin.say(chunk("data: attack\n\n")).await?;
    let end = client.hear(5).await?;
    ensure!(end == b"0\r\n\r\n", "{end:?}");
    ensure!(origin.hear_all().await?.is_empty(), "the origin is told nothing but the end");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_breaks_the_response_off_or_passes_unseen() -> anyhow::Result<()> {
    let sidecar = |policy: &str| format!("on_failure = '{policy}'\n{GUARD}[limits]\nbuffer_bytes = 20\n");
    let events = "data: one\n\ndata: attack, and this is too long\n\ndata: attack\n\n";
    let closed = Watched::start("events-long", &[("message-guard", &sidecar("closed"))]).await?;
    let open = Watched::start("events-long-open", &[("message-guard", &sidecar("open"))]).await?;
    for version in ["--http1.1", "--http2"] {
        let got = closed.curl(&closed.tls(), events, &[version]).await?;
        ensure!(!got.1 && !got.0.contains("attack"), "{version}: {got:?}");
        let got = open.curl(&open.tls(), events, &[version]).await?;
        ensure!(got == (events.to_owned(), true), "{version}: {got:?}");
    }
    ensure!(closed.agent.metric("weir_agent_filter_failures_total", "buffer-overflow").await? >= 2.0, "not counted");
    Ok(())
}

/// `data: card=1`, `data: noise`, `data: end`
const CODED: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x49\x2c\x49\xb4\x52\x48\x4e\x2c\x4a\xb1\x35\xe4\xe2\
    \x4a\x01\xf3\xf2\xf2\x33\x8b\x53\x61\x9c\xd4\xbc\x14\x2e\x2e\x00\x65\x2c\x77\xcf\x26\x00\x00\x00";

#[tokio::test(flavor = "multi_thread")]
async fn compressed_events_are_read_and_those_that_nobody_can_read_fail() -> anyhow::Result<()> {
    let watched = Watched::start("events-coded", &[("message-guard", GUARD)]).await?;
    let (mut client, mut origin) = watched.asked().await?;
    origin.say(format!("{HEAD}Content-Encoding: gzip\r\n\r\n{:x}\r\n", CODED.len())).await?;
    origin.say([CODED, b"\r\n0\r\n\r\n"].concat()).await?;
    let heard = hear(&mut client, "0\r\n").await?;
    ensure!(!heard.to_ascii_lowercase().contains("content-encoding"), "{heard}");
    ensure!(
        heard.contains("data: card=?\n\n") && heard.contains("data: end\n\n") && !heard.contains("noise"),
        "{heard}"
    );
    let (mut client, mut origin) = watched.asked().await?;
    origin.say(format!("{HEAD}Content-Encoding: dcb\r\n\r\n")).await?;
    let problem = client.response().await?.problem(502, "upstream")?;
    ensure!(problem["detail"].as_str().unwrap_or_default().contains("content coding"), "{problem}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_judged_as_body_hooks_have_left_them() -> anyhow::Result<()> {
    let redact =
        r#"config = { patterns = [{ literal = "harmless", replacement = "attack" }, { literal = "attack!" }] }"#;
    let watched = Watched::start("events-bodies", &[("message-guard", GUARD), ("redact", redact)]).await?;
    let got = watched.curl(&watched.plain(), "data: attack!\n\ndata: harmless\n\ndata: two\n\n", &[]).await?;
    ensure!(got == ("data: [redacted]\n\n".to_owned(), true), "{got:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_breaks_the_response_off_unless_its_policy_says_otherwise() -> anyhow::Result<()> {
    for (policy, at, passes) in [("closed", "message", false), ("open", "message", true), ("open", "open", true)] {
        let sidecar = format!("on_failure = '{policy}'\nconfig = {{ at = '{at}', fault = 'panic' }}\n");
        let watched = Watched::start(&format!("events-fail-{policy}-{at}"), &[("rogue", &sidecar)]).await?;
        let got = watched.curl(&watched.plain(), "data: one\n\ndata: two\n\n", &[]).await?;
        ensure!(got.1 == passes && (got.0 == "data: one\n\ndata: two\n\n") == passes, "{policy} {at}: {got:?}");
    }
    let sidecar = "config = { at = 'open', fault = 'panic' }";
    let watched = Watched::start("events-fail-asked", &[("rogue", sidecar)]).await?;
    let (mut client, mut origin) = watched.asked().await?;
    origin.say(format!("{HEAD}\r\n{}", chunk("data: one\n\n"))).await?;
    let problem = client.response().await?.problem(500, "filter")?;
    ensure!(problem["detail"].as_str().unwrap_or_default().contains("on-open"), "{problem}");
    Ok(())
}
