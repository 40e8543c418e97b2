//! Filters that see the messages of WebSockets, through a real agent.

use std::fs;

use anyhow::ensure;
use tokio::net::{TcpListener, TcpStream};
use weir_testkit::{
    agent::{Agent, AgentOptions},
    binaries::filter,
    client::Alpn,
    raw::Raw,
    scratch::Scratch,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
    websocket::{BINARY, CLOSE, ENDS, GOES_ON, PING, PONG, SAMPLE_KEY, TEXT, TEXT_BEGINS, WebSocket},
};

const GUARD: &str = r#"{"rules": [
    {"regex": "card=[0-9]+", "then": "replace", "replacement": "card=?"},
    {"literal": "noise", "then": "drop"},
    {"literal": "attack", "then": "close", "code": 4001, "reason": "not here"}
]}"#;

/// An agent with one filter in its folder.
struct Watched {
    agent: Agent,
    _scratch: Scratch,
}

/// A WebSocket through the agent, both ends in hand.
struct Talk {
    client: WebSocket<TcpStream>,
    origin: WebSocket<TcpStream>,
    /// The heads as they arrived.
    asked: String,
    answered: String,
}

impl Watched {
    async fn start(name: &str, guest: &str, sidecar: &str) -> anyhow::Result<Self> {
        Self::start_with(name, guest, sidecar, |options| options).await
    }

    async fn start_with(
        name: &str,
        guest: &str,
        sidecar: &str,
        change: impl FnOnce(AgentOptions) -> AgentOptions,
    ) -> anyhow::Result<Self> {
        let scratch = Scratch::new(name)?;
        let folder = scratch.join("filters");
        fs::create_dir(&folder)?;
        fs::copy(filter(guest)?, folder.join("watch.wasm"))?;
        fs::write(folder.join("watch.toml"), sidecar)?;
        let options = change(AgentOptions::new(&scratch, "agent").with("--filters", &folder));
        Ok(Self { agent: options.start().await?, _scratch: scratch })
    }

    async fn guard(name: &str, more: &str) -> anyhow::Result<Self> {
        Self::start(name, "message-guard", &format!("config = '''{GUARD}'''\n{more}")).await
    }

    async fn talk(&self) -> anyhow::Result<Talk> {
        self.talk_with("", "").await
    }

    async fn talk_with(&self, asks: &str, answers: &str) -> anyhow::Result<Talk> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = listener.local_addr()?.to_string();
        let target = format!("http://{host}/socket");
        let dialed = TcpStream::connect(self.agent.proxy).await?;
        let accept = async {
            let (stream, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
            WebSocket::accept(stream, answers).await
        };
        let ((client, answered), (origin, asked)) =
            tokio::try_join!(WebSocket::open_with(dialed, &target, &host, asks), accept)?;
        Ok(Talk { client, origin, asked, answered })
    }

    /// What the client gets that asks an origin which answers so.
    async fn refused(&self, answers: &str) -> anyhow::Result<serde_json::Value> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = listener.local_addr()?;
        let mut client = Raw::dial(self.agent.proxy).await?;
        let fields = format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {SAMPLE_KEY}"
        );
        client.say(format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n\r\n")).await?;
        let (stream, _) = within(PATIENCE, "the agent's connection", listener.accept()).await??;
        let (mut origin, _) = WebSocket::accept(stream, answers).await?;
        let response = client.response().await?;
        origin.hear_end().await?;
        let blame = if response.status == 502 { "upstream" } else { "filter" };
        response.problem(response.status, blame)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_pass_are_replaced_dropped_and_end_the_conversation() -> anyhow::Result<()> {
    let setup = Setup::start_with("messages", |options| options.with("--workers", "1")).await?;
    setup.orchestrator.push(&filter("message-guard")?, &["--config", GUARD]).await?;
    setup.agent.active("message-guard", 1).await?;
    let client = setup.client()?;
    let origin = setup.origin.plain().to_string();
    let plain = WebSocket::open(client.dial().await?, &setup.plain("/ws?plain"), &origin).await?;
    let tls = client.tls(&setup.tls_authority(), Alpn::Http1).await?;
    let intercepted = WebSocket::open(tls, "/ws?intercepted", &setup.tls_authority()).await?;
    let tunnelled = WebSocket::open(client.tunnel(&origin).await?, "/ws?tunnelled", &origin).await?;
    tokio::try_join!(guarded(plain), guarded(intercepted), guarded(tunnelled))?;
    let exchange = setup.recorded("/ws?plain").await?;
    let words = (&exchange["status"], &exchange["outcome"]);
    ensure!(words == (&101.into(), &"filter-answered".into()), "{exchange}");
    let ca = setup.agent.ca_file();
    let events = ["-H", "content-type: text/event-stream", "--data-binary", "data: 1\n\ndata: attack\n\n"];
    let reply = setup.agent.curl(&ca).get(&[&events[..], &[&setup.tls("/echo?events")]].concat()).await?;
    ensure!(reply.body == "data: 1\n\n", "{reply:?}");
    let exchange = setup.recorded("/echo?events").await?;
    let words = (&exchange["status"], &exchange["outcome"]);
    ensure!(words == (&200.into(), &"filter-answered".into()), "{exchange}");
    Ok(())
}

async fn guarded<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    mut client: WebSocket<S>,
) -> anyhow::Result<()> {
    client.say(TEXT, "hello").await?;
    client.hear(TEXT, "hello").await?;
    client.say(TEXT, "card=1234!").await?;
    client.hear(TEXT, "card=?!").await?;
    client.say(BINARY, b"\xffcard=1\xfe").await?;
    client.hear(BINARY, b"\xffcard=?\xfe").await?;
    client.say(TEXT, "noise").await?;
    let long = "x".repeat(60_000);
    client.say(TEXT, &long).await?;
    client.hear(TEXT, &long).await?;
    client.say(TEXT, "attack").await?;
    ensure!(client.hear_close(4001).await? == "not here");
    client.say(CLOSE, []).await?;
    client.hear_end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_whole_and_what_controls_comes_between_their_fragments() -> anyhow::Result<()> {
    let watched = Watched::guard("messages-whole", "").await?;
    let Talk { mut client, mut origin, .. } = watched.talk().await?;
    client.say(TEXT_BEGINS, "ca").await?;
    client.say(PING, "are you there").await?;
    origin.hear(PING, "are you there").await?;
    origin.say(PONG, "are you there").await?;
    client.hear(PONG, "are you there").await?;
    client.say(GOES_ON, "rd=1").await?;
    client.say(GOES_ON, "").await?;
    client.say(ENDS, "2").await?;
    origin.hear(TEXT, "card=?").await?;
    for byte in [0x81, 0x05, b'h', b'e', b'l', b'l', b'o'] {
        origin.say_raw(&[byte]).await?;
    }
    client.hear(TEXT, "hello").await?;
    // many at once, in one segment
    let many: Vec<u8> = (0..1000).flat_map(|number: u16| [0x82, 2, (number >> 8) as u8, number as u8]).collect();
    origin.say_raw(&many).await?;
    for number in 0..1000u16 {
        client.hear(BINARY, number.to_be_bytes()).await?;
    }
    client.say(CLOSE, b"\x03\xe8bye").await?;
    origin.hear(CLOSE, b"\x03\xe8bye").await?;
    // what the origin had on its tongue
    origin.say(TEXT, "last words").await?;
    client.hear(TEXT, "last words").await?;
    origin.say(CLOSE, b"\x03\xe8bye").await?;
    drop(origin);
    client.hear(CLOSE, b"\x03\xe8bye").await?;
    client.hear_end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_closes_on_both_sides() -> anyhow::Result<()> {
    let watched = Watched::guard("messages-close", "").await?;
    let Talk { mut client, mut origin, .. } = watched.talk().await?;
    origin.say(TEXT, "an attack").await?;
    for side in [&mut client, &mut origin] {
        ensure!(side.hear_close(4001).await? == "not here");
    }
    client.say(CLOSE, b"\x0f\xa1").await?;
    client.hear_end().await?;
    // a peer that does not say goodbye is not waited for
    origin.hear_end().await?;
    eventually(PATIENCE, "the connection to be over", || async {
        Ok((watched.agent.metric("weir_agent_tunnels_active", "").await? == 0.0).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_extension_is_offered_and_one_that_comes_all_the_same_fails_by_policy() -> anyhow::Result<()> {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let answer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let closed = Watched::guard("messages-extension", "").await?;
    let talk = closed.talk_with(offer, "").await?;
    ensure!(!talk.asked.to_ascii_lowercase().contains("extensions"), "{}", talk.asked);
    let problem = closed.refused(answer).await?;
    ensure!(problem["detail"].as_str().unwrap_or_default().contains("extension"), "{problem}");
    let open = Watched::guard("messages-extension-open", "on_failure = 'open'").await?;
    let Talk { mut client, mut origin, answered, .. } = open.talk_with(offer, answer).await?;
    ensure!(answered.to_ascii_lowercase().contains("permessage-deflate"), "{answered}");
    // bytes that nobody here reads
    client.say(TEXT | 0x40, "attack").await?;
    origin.hear(TEXT | 0x40, "attack").await?;
    // who does not see messages leaves the offer alone
    let other = Watched::start("messages-no-hook", "block", "config = { hosts = ['a.example'] }").await?;
    let talk = other.talk_with(offer, "").await?;
    ensure!(talk.asked.to_ascii_lowercase().contains("permessage-deflate"), "{}", talk.asked);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_does_not_lead_past_a_filter_by_calling_it_something_else() -> anyhow::Result<()> {
    let watched = Watched::guard("messages-named", "").await?;
    for name in ["Upgrade: chat\r\n", "Upgrade: x, WEBSOCKET/13\r\n"] {
        let Talk { mut client, mut origin, .. } = watched.talk_with("", name).await?;
        client.say(TEXT, "card=1").await?;
        origin.hear(TEXT, "card=?").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_closes_or_passes_unseen() -> anyhow::Result<()> {
    let limits = "[limits]\nbuffer_bytes = 10\n";
    let closed = Watched::guard("messages-long", limits).await?;
    for fragments in [&["longer than 10"][..], &["1234567", "1234567"]] {
        let Talk { mut client, mut origin, .. } = closed.talk().await?;
        client.say(TEXT, "1234567890").await?;
        origin.hear(TEXT, "1234567890").await?;
        for (index, fragment) in fragments.iter().enumerate() {
            let opcode = if index == 0 { TEXT_BEGINS } else { GOES_ON };
            client.say(opcode, fragment).await?;
        }
        client.hear_close(1009).await?;
        origin.hear_close(1009).await?;
    }
    let open = Watched::guard("messages-long-open", &format!("on_failure = 'open'\n{limits}")).await?;
    let Talk { mut client, mut origin, .. } = open.talk().await?;
    // the other direction is in the middle of a message meanwhile
    origin.say(TEXT_BEGINS, "card=").await?;
    origin.say(PING, "").await?;
    client.hear(PING, "").await?;
    client.say(TEXT_BEGINS, "1234567").await?;
    client.say(GOES_ON, "1234567").await?;
    origin.hear(TEXT_BEGINS, "1234567").await?;
    origin.hear(GOES_ON, "1234567").await?;
    origin.say(ENDS, "1").await?;
    client.hear(TEXT, "card=1").await?;
    client.say(ENDS, "attack, and this is long").await?;
    origin.hear(ENDS, "attack, and this is long").await?;
    origin.say(TEXT, "attack").await?;
    client.hear(TEXT, "attack").await?;
    ensure!(open.agent.metric("weir_agent_filter_failures_total", "buffer-overflow").await? >= 1.0, "not counted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_closes_unless_its_policy_says_otherwise() -> anyhow::Result<()> {
    let sidecar = |at: &str, policy: &str| {
        format!("on_failure = '{policy}'\nconfig = {{ at = '{at}', fault = 'panic' }}\n[limits]\ncpu_ms = 50\n")
    };
    let closed = Watched::start("messages-fail", "rogue", &sidecar("message", "closed")).await?;
    let Talk { mut client, mut origin, .. } = closed.talk().await?;
    client.say(TEXT, "hello").await?;
    client.hear_close(1011).await?;
    origin.hear_close(1011).await?;
    ensure!(closed.agent.metric("weir_agent_filter_failures_total", "trap").await? >= 1.0, "not counted");
    let closed = Watched::start("messages-fail-open", "rogue", &sidecar("open", "closed")).await?;
    let problem = closed.refused("").await?;
    ensure!(problem["detail"].as_str().unwrap_or_default().contains("on-open"), "{problem}");
    for at in ["message", "open"] {
        let open = Watched::start(&format!("messages-open-{at}"), "rogue", &sidecar(at, "open")).await?;
        let Talk { mut client, mut origin, .. } = open.talk().await?;
        for (first, word) in [(TEXT, "hello"), (TEXT_BEGINS, "hel"), (ENDS, "lo")] {
            client.say(first, word).await?;
            origin.hear(first, word).await?;
            origin.say(first, word).await?;
            client.hear(first, word).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_protocol_is_told_and_the_other_too() -> anyhow::Result<()> {
    let watched = Watched::guard("messages-faults", "").await?;
    let faults: [(&[u8], u16, &str); 4] = [
        (b"\x81\x05hello", 1002, "mask"),
        (b"\xc1\x80\0\0\0\0", 1002, "reserved"),
        (b"\x80\x80\0\0\0\0", 1002, "continues nothing"),
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007, "UTF-8"),
    ];
    for (bytes, code, reason) in faults {
        let Talk { mut client, mut origin, .. } = watched.talk().await?;
        client.say_raw(bytes).await?;
        for side in [&mut client, &mut origin] {
            let said = side.hear_close(code).await?;
            ensure!(said.contains("the client broke RFC 6455") && said.contains(reason), "{said}");
        }
    }
    let Talk { mut client, mut origin, .. } = watched.talk().await?;
    origin.say_raw(b"\x81\x85\0\0\0\0hello").await?;
    ensure!(client.hear_close(1002).await?.contains("the upstream broke"));
    origin.hear_close(1002).await?;
    // an end without a goodbye is passed on as it is
    let Talk { mut client, mut origin, .. } = watched.talk().await?;
    client.say(TEXT_BEGINS, "half").await?;
    drop(client);
    origin.hear_end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_silent_ends_and_one_that_talks_outlives_the_wish_to_stop() -> anyhow::Result<()> {
    let sidecar = format!("config = '''{GUARD}'''");
    let idle = |options: AgentOptions| options.with("--client-tunnel-idle", "3s");
    let watched = Watched::start_with("messages-idle", "message-guard", &sidecar, idle).await?;
    let Talk { mut client, mut origin, .. } = watched.talk().await?;
    client.say(TEXT, "hello").await?;
    origin.hear(TEXT, "hello").await?;
    client.hear_end().await?;
    origin.hear_end().await?;

    let watched = Watched::guard("messages-drain", "").await?;
    let Talk { mut client, mut origin, .. } = watched.talk().await?;
    let proxy = watched.agent.proxy;
    let talks = async {
        eventually(PATIENCE, "the agent to take nobody any more", || async {
            Ok(TcpStream::connect(proxy).await.is_err().then_some(()))
        })
        .await?;
        client.say(TEXT, "card=1").await?;
        origin.hear(TEXT, "card=?").await?;
        client.say(CLOSE, []).await?;
        origin.hear(CLOSE, []).await?;
        origin.say(CLOSE, []).await?;
        client.hear(CLOSE, []).await?;
        drop((client, origin));
        anyhow::Ok(())
    };
    tokio::try_join!(watched.agent.stop(PATIENCE), talks)?;
    Ok(())
}
