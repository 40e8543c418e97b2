//! Clients and upstreams that misbehave: a problem document that says whose fault it was, never a hang, never a crash.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::ensure;
use rcgen::date_time_ymd;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use weir_testkit::{
    ca::{self, Ca},
    client::{Alpn, Http},
    origin::Origin,
    ports::Closed,
    raw::{Raw, RawOrigin, Script},
    setup::Setup,
    wait::{PATIENCE, within},
};

async fn setup(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| options.with("--workers", "1")).await
}

/// One that waits for nobody for long.
async fn impatient(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| {
        options
            .with("--workers", "1")
            .with("--client-head-timeout", "2s")
            .with("--client-handshake-timeout", "2s")
            .with("--upstream-head-timeout", "2s")
    })
    .await
}

async fn still_well(setup: &Setup) -> anyhow::Result<()> {
    let reply = setup.client()?.forward().await?.get(&setup.plain("/text/well")).await?;
    ensure!(reply.status == 200, "the agent is not well: {reply:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_the_clients_fault() -> anyhow::Result<()> {
    let setup = setup("malformed").await?;
    let origin = setup.origin.plain();
    let cases = [
        "GARBAGE\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n".to_owned(),
        format!("GET http://{origin}/ HTTP/1.1\r\nHost: {origin}\r\nContent-Length: x\r\n\r\n"),
        format!("GET http://{origin}/ HTTP/9.9\r\nHost: {origin}\r\n\r\n"),
        format!("GET ftp://{origin}/ HTTP/1.1\r\nHost: {origin}\r\n\r\n"),
        "GET http:///nowhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "CONNECT nowhere HTTP/1.1\r\nHost: nowhere\r\n\r\n".to_owned(),
        "GET /origin-form HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ];
    for case in cases {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(&case).await?;
        let response = raw.response().await.map_err(|error| error.context(case.clone()))?;
        ensure!((400..=505).contains(&response.status), "{case:?}: {}", response.head);
        ensure!(response.status == 505 || response.status < 500, "{case:?}: {}", response.head);
    }
    let heads = ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"];
    for head in heads {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(head).await?;
        raw.response().await?.problem(400, "client")?;
    }
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_framing_is_never_forwarded() -> anyhow::Result<()> {
    let setup = impatient("smuggling").await?;
    let origin = RawOrigin::start(Script::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())).await?;
    let at = origin.address();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let bodies = [
        format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
    ];
    for body in bodies {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(format!("POST http://{at}/first HTTP/1.1\r\nHost: {at}\r\n{body}")).await?;
        let _ = within(PATIENCE, "the end of it", raw.hear_all()).await;
    }
    for heard in origin.heard() {
        ensure!(!heard.contains("/smuggled"), "the origin heard the inner request: {heard}");
        let lower = heard.to_ascii_lowercase();
        ensure!(
            !(lower.contains("content-length") && lower.contains("transfer-encoding")),
            "both framings were forwarded: {heard}"
        );
    }
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_heads_are_refused() -> anyhow::Result<()> {
    let setup = setup("oversized").await?;
    let origin = setup.origin.plain();
    for filler in ["x".repeat(80 << 10), "y: z\r\nx-".repeat(300)] {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(format!("GET http://{origin}/ HTTP/1.1\r\nHost: {origin}\r\nx-{filler}: 1\r\n\r\n")).await?;
        raw.response().await?.problem(431, "client")?;
    }
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("GET http://{origin}/{} HTTP/1.1\r\nHost: {origin}\r\n\r\n", "p".repeat(80 << 10))).await?;
    let response = raw.response().await?;
    ensure!([414, 431].contains(&response.status), "{}", response.head);
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_timed_out_and_hinder_nobody() -> anyhow::Result<()> {
    let setup = impatient("slow").await?;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say("GET http://").await?;
        slow.push(raw);
    }
    still_well(&setup).await?;
    let mut one = Raw::dial(setup.agent.proxy).await?;
    let said = one.say_slowly("GET http://example.test/slow HTTP/1.1\r\n", Duration::from_secs(1));
    let _ = within(PATIENCE * 2, "one byte a second", said).await;
    let heard = one.hear_all().await?;
    ensure!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 408"), "{:?}", String::from_utf8_lossy(&heard));
    for mut raw in slow {
        raw.hear_all().await?;
    }
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_garbage_ends_the_tunnel_and_nothing_else() -> anyhow::Result<()> {
    let setup = impatient("tls-garbage").await?;
    let authority = setup.tls_authority();
    let cases: [&[u8]; 5] = [
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage garbage garbage garbage garbage",
        b"\x16",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
    ];
    for case in cases {
        let mut tunnel = Raw::over(setup.client()?.tunnel(&authority).await?);
        tunnel.say(case).await?;
        within(PATIENCE, "the tunnel to end", tunnel.hear_all()).await??;
    }
    // straight to the proxy's port: neither a request nor a tunnel
    for case in cases {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(case).await?;
        within(PATIENCE, "the connection to end", raw.hear_all()).await??;
    }
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_that_fail_are_named_as_such() -> anyhow::Result<()> {
    let setup = setup("bad-upstreams").await?;
    let mut http = setup.client()?.forward().await?;
    let nobody = Closed::new()?;
    let closed = nobody.address();
    http.get(&format!("http://{closed}/")).await?.problem(502, "upstream")?;
    let reset = RawOrigin::start(Script::Reset).await?;
    let mut http = setup.client()?.forward().await?;
    http.get(&format!("http://{}/", reset.address())).await?.problem(502, "upstream")?;
    let nonsense = RawOrigin::start(Script::Answer(b"what?\r\n\r\n".to_vec())).await?;
    let mut http = setup.client()?.forward().await?;
    http.get(&format!("http://{}/", nonsense.address())).await?.problem(502, "upstream")?;
    let mut http = setup.client()?.forward().await?;
    // a resolver that takes its time about it (RFC 6761 section 6.4) is the upstream's fault as well
    let reply = http.get("http://no-such-name.invalid/").await?;
    let status = if reply.status == 504 { 504 } else { 502 };
    reply.problem(status, "upstream")?;
    // inside TLS the page arrives through the client's own handshake
    let closed = format!("localhost:{}", closed.port());
    let mut http = setup.client()?.intercepted(&closed, Alpn::Http1).await?;
    http.get(&format!("https://{closed}/")).await?.problem(502, "upstream")?;
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_says_nothing_is_not_waited_for_for_ever() -> anyhow::Result<()> {
    let setup = impatient("silent-upstream").await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let mut http = setup.client()?.forward().await?;
    http.get(&format!("http://{}/", silent.address())).await?.problem(504, "upstream")?;
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_cut_short_is_not_passed_off_as_whole() -> anyhow::Result<()> {
    let setup = setup("cut-short").await?;
    let cut =
        RawOrigin::start(Script::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".to_vec())).await?;
    let mut http = setup.client()?.forward().await?;
    let reply = http.get(&format!("http://{}/", cut.address())).await;
    ensure!(reply.is_err(), "a cut response looked whole: {reply:?}");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly \r\n".to_vec();
    let cut = RawOrigin::start(Script::Answer(chunked)).await?;
    let mut http = setup.client()?.forward().await?;
    let reply = http.get(&format!("http://{}/", cut.address())).await;
    ensure!(reply.is_err(), "a cut response looked whole: {reply:?}");
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_upstream_certificates_are_refused_and_named() -> anyhow::Result<()> {
    let setup = setup("bad-certificates").await?;
    let stranger = Ca::new("nobody trusts this one")?;
    let unknown = Origin::start(&stranger).await?;
    let expired = setup.ca.leaf_with(&["localhost"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
    })?;
    let expired = weir_testkit::debian::s_server(&setup.scratch, &expired, &[]).await?;
    let cases = [
        format!("localhost:{}", unknown.tls().port()),
        format!("localhost:{}", expired.address.port()),
        // the certificate names localhost and 127.0.0.1, not this address
        format!("127.0.0.2:{}", unknown.tls().port()),
    ];
    for authority in &cases[..2] {
        let mut http = setup.client()?.intercepted(authority, Alpn::Http1).await?;
        let problem = http.get(&format!("https://{authority}/")).await?.problem(502, "upstream")?;
        ensure!(problem.to_string().to_ascii_lowercase().contains("certificate"), "{problem}");
    }
    let named = weir_testkit::debian::nginx(&setup.scratch, &setup.ca.leaf(&["other.example"])?).await?;
    let authority = format!("localhost:{}", named.address.port());
    let mut http = setup.client()?.intercepted(&authority, Alpn::Http1).await?;
    let problem = http.get(&format!("https://{authority}/")).await?.problem(502, "upstream")?;
    ensure!(problem.to_string().to_ascii_lowercase().contains("certificate"), "{problem}");
    still_well(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_a_page_and_programs_a_document() -> anyhow::Result<()> {
    let setup = setup("pages").await?;
    let nobody = Closed::new()?;
    let closed = format!("http://{}/", nobody.address());
    let mut http = setup.client()?.forward().await?;
    let mut request = http.request("GET", &closed, weir_testkit::body::empty())?;
    request.headers_mut().insert("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8".parse()?);
    let reply = http.exchange(request).await?;
    ensure!(reply.status == 502 && reply.header("content-type").starts_with("text/html"), "{reply:?}");
    Ok(())
}

/// Writes one byte at a time, each in a segment of its own.
struct OneByOne(TcpStream);

impl AsyncRead for OneByOne {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for OneByOne {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &buffer[..buffer.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_at_a_time_is_detected_as_all_at_once() -> anyhow::Result<()> {
    let setup = setup("one-by-one").await?;
    let client = setup.client()?;
    // a forward request
    let mut http = Http::start(OneByOne(client.dial().await?), Alpn::Http1).await?;
    assert_eq!(http.get(&setup.plain("/text/plain")).await?.status, 200);
    // TLS in a tunnel, both versions of HTTP
    let ca = std::fs::read_to_string(setup.agent.ca_file())?;
    for (alpn, protocol) in [(Alpn::Http1, &b"http/1.1"[..]), (Alpn::Http2, b"h2")] {
        let tunnel = OneByOne(client.tunnel(&setup.tls_authority()).await?);
        let connector = tokio_rustls::TlsConnector::from(ca::client(&[&ca], &[protocol])?);
        let tls = within(PATIENCE, "TLS byte by byte", connector.connect("localhost".try_into()?, tunnel)).await??;
        let mut http = Http::start(tls, alpn).await?;
        assert_eq!(http.get(&setup.tls("/text/tls")).await?.status, 200, "{alpn:?}");
    }
    // plain HTTP in a tunnel
    let origin = setup.origin.plain();
    let mut raw = Raw::over(client.tunnel(&origin.to_string()).await?);
    raw.say_slowly(format!("GET /text/inner HTTP/1.1\r\nHost: {origin}\r\n\r\n"), Duration::from_millis(2)).await?;
    assert_eq!(raw.response().await?.status, 200);
    setup.recorded("/text/inner").await?;
    Ok(())
}
