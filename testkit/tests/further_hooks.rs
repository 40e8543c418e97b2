//! Hooks that a filter may have besides those of every filter, in each language: tunnels, messages, what exchanges came to, the clock. The
//! guest is the tour of the language's SDK, in a real agent. And filters without them do not have them.

use std::fs;

use anyhow::ensure;
use weir_adapter::Anatomy;
use weir_testkit::{
    agent::{Agent, AgentOptions},
    binaries::filter,
    body,
    ca::Ca,
    client::{Alpn, Client, Http},
    origin::Origin,
    raw::Raw,
    scratch::Scratch,
    wait::{PATIENCE, eventually},
    websocket::{BINARY, CLOSE, TEXT, WebSocket},
};

const EVENTS: &str = "id: 1\ndata: keep\n\nevent: x\nid: 7\nretry: 5\ndata: swap\n\ndata: drop\n\ndata: swap\n\n\
                      data: close\n\ndata: never\n\n";
const JUDGED: &str =
    "id: 1\ndata: keep\n\nevent: x!\nid: 7\nretry: 6\ndata: two\ndata: lines\n\ndata: two\ndata: lines\n\n";

/// An agent with one tour in its folder, and an origin.
struct Tour {
    agent: Agent,
    origin: Origin,
    ca: Ca,
    scratch: Scratch,
}

impl Tour {
    async fn start(language: &str) -> anyhow::Result<Self> {
        let scratch = Scratch::new(&format!("further-{language}"))?;
        let ca = Ca::new("testkit origins")?;
        let origin = Origin::start(&ca).await?;
        fs::create_dir(scratch.join("filters"))?;
        fs::copy(filter(&format!("tour-{language}"))?, scratch.join("filters/tour.wasm"))?;
        write(&scratch, &origin, false)?;
        let roots = scratch.write("origins.pem", ca.pem())?;
        let options = AgentOptions::new(&scratch, "agent").with("--filters", scratch.join("filters"));
        let agent = options.with("--upstream-ca", roots).with("--workers", "1").start().await?;
        Ok(Self { agent, origin, ca, scratch })
    }

    fn authority(&self) -> String {
        format!("localhost:{}", self.origin.tls().port())
    }

    async fn decides_about_tunnels(&self) -> anyhow::Result<()> {
        let mut raw = Raw::dial(self.agent.proxy).await?;
        raw.say("CONNECT denied.example:443 HTTP/1.1\r\nHost: denied.example:443\r\n\r\n").await?;
        let problem = raw.response().await?.problem(403, "filter")?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains("denied.example:443, on purpose"), "{problem}");

        let client = self.agent.client(&[])?;
        let stream = client.tls_named("elsewhere.example:443", "localhost", Alpn::Http1).await?;
        let reply = Http::start(stream, Alpn::Http1).await?.get("https://elsewhere.example/text/hello").await?;
        ensure!(reply.status == 200 && reply.text().contains("hello"), "{}", reply.status);

        let refused = client.tls_named(&self.authority(), "refused.localhost", Alpn::Http2).await;
        let error = format!("{:?}", refused.err());
        ensure!(error.contains("AccessDenied"), "{error}");
        Ok(())
    }

    /// The origin echoes: each message is met twice.
    async fn judges_messages(&self) -> anyhow::Result<()> {
        let mut talk = self.talk("/ws").await?;
        for (first, said, heard) in [
            (TEXT, &b"h\xc3\xa4llo"[..], &b"h\xc3\xa4llo"[..]),
            (TEXT, b"swap", b"not swap"),
            (BINARY, b"\0\xfe", b"\0\xfe"),
            (BINARY, b"swap", b"<\0\xff>"),
            (BINARY, b"", b""),
        ] {
            talk.say(first, said).await?;
            talk.hear(first, heard).await?;
        }
        talk.say(TEXT, "drop").await?;
        talk.say(TEXT, "trace").await?;
        // two heads, the opening, each message there and back; what is dropped does not come back, and what comes back is the trace
        talk.hear(TEXT, "hHOmMmMmMmMmMmm").await?;
        talk.say(TEXT, "close").await?;
        ensure!(talk.hear_close(4001).await? == "enough");
        talk.say(CLOSE, []).await?;
        talk.hear_end().await?;

        let mut unseen = self.talk("/ws?unseen").await?;
        unseen.say(TEXT, "swap").await?;
        unseen.hear(TEXT, "swap").await?;
        unseen.close().await
    }

    async fn talk(&self, path: &str) -> anyhow::Result<WebSocket<tokio::net::TcpStream>> {
        let stream = self.agent.client(&[])?.dial().await?;
        let host = self.origin.plain().to_string();
        WebSocket::open(stream, &format!("http://{host}{path}"), &host).await
    }

    async fn judges_events(&self) -> anyhow::Result<()> {
        let ca = self.agent.ca_file();
        let url = format!("{}/echo", self.origin.plain());
        let events = ["-H", "content-type: text/event-stream", "--data-binary", EVENTS, &url];
        let reply = self.agent.curl(&ca).get(&events).await?;
        ensure!(reply.body == JUDGED, "{reply:?}");
        Ok(())
    }

    async fn counts(&self) -> anyhow::Result<()> {
        let url = format!("http://{}/metrics", self.origin.plain());
        for _ in 0..2 {
            let reply = self.agent.client(&[])?.forward().await?.get(&url).await?;
            ensure!(reply.text() == "conflict invalid-name", "{}", reply.text());
        }
        let samples = [
            ("seen_total", "kind=\"a\"", 2.0),
            ("level", "", 3.0),
            ("size_count", "", 2.0),
            ("size_bucket", "le=\"1.0\"", 0.0),
        ];
        for (name, labels, value) in samples {
            let counted = self.agent.metric(&format!("weir_agent_filter_metric_tour_{name}"), labels).await?;
            ensure!(counted == value, "{name} is {counted}");
        }
        Ok(())
    }

    async fn is_told_what_exchanges_came_to(&mut self) -> anyhow::Result<()> {
        let client = self.agent.client(&[])?;
        let mut http = client.intercepted(&self.authority(), Alpn::Http2).await?;
        let reply = http.post(&format!("https://{}/echo", self.authority()), body::full("four")).await?;
        ensure!(reply.text() == "four", "{}", reply.text());
        let told = format!("completed /echo 1 4 4 timed {}", self.origin.tls());
        self.agent.process.says(&told).await?;
        Ok(())
    }

    async fn works_by_the_clock(&self) -> anyhow::Result<()> {
        let client = self.agent.client(&[])?;
        let url = format!("http://{}/ticks", self.origin.plain());
        eventually(PATIENCE, "three ticks", || async {
            client.forward().await?.get(&url).await?;
            let heard = self.origin.heard();
            let ticks = heard.last().and_then(|heard| heard.headers.get("x-ticks")?.to_str().ok()?.parse::<f64>().ok());
            Ok(ticks.filter(|ticks| *ticks >= 3.0).map(drop))
        })
        .await
    }

    /// The configuration reaches the hooks.
    async fn lets_bytes_pass(&self) -> anyhow::Result<()> {
        write(&self.scratch, &self.origin, true)?;
        // trusts the origin alone
        let client = Client::new(self.agent.proxy, &[&self.ca.pem()])?;
        let status = eventually(PATIENCE, "tunnels to pass", || async {
            let Ok(mut http) = client.intercepted(&self.authority(), Alpn::Http1).await else { return Ok(None) };
            Ok(Some(http.get(&format!("https://{}/text/hello", self.authority())).await?.status))
        })
        .await?;
        ensure!(status == 200, "{status}");
        Ok(())
    }
}

fn write(scratch: &Scratch, origin: &Origin, strict: bool) -> anyhow::Result<()> {
    let text = format!(
        "grants = ['log', 'metrics', 'clock', 'random', 'kv', 'tags', 'timer', 'callout', 'secrets']\n\
         config = {{ mark = 'localhost:{}', strict = {strict} }}\n",
        origin.tls().port()
    );
    scratch.write("filters/tour.toml", text).map(drop)
}

async fn holds(language: &str) -> anyhow::Result<()> {
    let mut tour = Tour::start(language).await?;
    tour.decides_about_tunnels().await?;
    tour.judges_messages().await?;
    tour.judges_events().await?;
    tour.counts().await?;
    tour.is_told_what_exchanges_came_to().await?;
    tour.works_by_the_clock().await?;
    tour.lets_bytes_pass().await?;
    // who has no such hooks does not export them
    let plain = Anatomy::of(&fs::read(filter(&format!("hello-{language}"))?)?)?;
    // beside what tools add of their own
    let exports = plain.exports.iter().map(String::as_str).filter(|name| name.starts_with("weir:filter/"));
    let exports: Vec<&str> = exports.collect();
    ensure!(exports == ["weir:filter/events@0.1.0", "weir:filter/lifecycle@0.1.0"], "{exports:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_c() -> anyhow::Result<()> {
    holds("c").await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_go() -> anyhow::Result<()> {
    holds("go").await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_javascript() -> anyhow::Result<()> {
    holds("js").await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_python() -> anyhow::Result<()> {
    holds("python").await
}
