//! What passes through besides plain requests: both HTTP versions, upgrades, 100 (Continue), trailers, protocols that
//! are not HTTP. Origins that are not ours where there is one.

use std::path::Path;

use anyhow::{Context as _, ensure};
use weir_testkit::{
    body,
    client::Alpn,
    debian,
    process::run,
    raw::{Raw, RawOrigin, Script},
    setup::Setup,
    wait::{PATIENCE, within},
    websocket::WebSocket,
};

#[tokio::test(flavor = "multi_thread")]
async fn websockets_live_plain_and_intercepted() -> anyhow::Result<()> {
    let setup = Setup::start("websockets").await?;
    let client = setup.client()?;
    let origin = setup.origin.plain().to_string();
    let plain = WebSocket::open(client.dial().await?, &setup.plain("/ws"), &origin).await?;
    let tls = client.tls(&setup.tls_authority(), Alpn::Http1).await?;
    let intercepted = WebSocket::open(tls, "/ws", &setup.tls_authority()).await?;
    // CONNECT is also how programs open WebSockets without TLS
    let tunnelled = WebSocket::open(client.tunnel(&origin).await?, "/ws", &origin).await?;
    talk(plain).await?;
    talk(intercepted).await?;
    talk(tunnelled).await?;
    let exchange = setup.recorded("/ws").await?;
    assert_eq!((&exchange["status"], &exchange["outcome"]), (&101.into(), &"upgraded".into()), "{exchange}");
    Ok(())
}

async fn talk<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut socket: WebSocket<S>) -> anyhow::Result<()> {
    for size in [0, 1, 125, 126, 60_000] {
        within(PATIENCE, "an echo", socket.echo(&vec![size as u8; size])).await??;
    }
    within(PATIENCE, "a goodbye", socket.close()).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_speaks_http2_and_http11_to_nginx_through_interception() -> anyhow::Result<()> {
    let setup = Setup::start("versions").await?;
    let nginx = debian::nginx(&setup.scratch, &setup.ca.leaf(&["localhost"])?).await?;
    let url = format!("https://localhost:{}/index.html", nginx.address.port());
    let ca = setup.agent.ca_file();
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let path = format!("{url}?{version}");
        let reply = setup.agent.curl(&ca).get(&[flag, &path]).await?;
        assert_eq!((reply.status, reply.version.as_str(), reply.body.as_str()), (200, version, "nginx says hello\n"));
        // The record has both as the client sent and got them.
        let exchange = setup.recorded(&format!("/index.html?{version}")).await?;
        for message in ["request", "response"] {
            let told = exchange[message]["version"].as_str().unwrap_or_default().trim_start_matches("HTTP/");
            assert_eq!(told, version, "{message} {exchange}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn alpn_mirrors_an_upstream_that_speaks_http11_alone() -> anyhow::Result<()> {
    let setup = Setup::start("alpn").await?;
    let server = debian::s_server(&setup.scratch, &setup.ca.leaf(&["localhost"])?, &["-alpn", "http/1.1"]).await?;
    let ca = setup.agent.ca_file();
    let url = format!("https://localhost:{}/", server.address.port());
    let reply = setup.agent.curl(&ca).get(&["--http2", &url]).await?;
    assert_eq!((reply.status, reply.version.as_str()), (200, "1.1"), "{reply:?}");
    assert!(reply.body.contains("s_server"), "{}", reply.body);
    let url = format!("https://localhost:{}/text/x", setup.origin.tls_http1().port());
    assert_eq!(setup.agent.curl(&ca).get(&["--http2", &url]).await?.version, "1.1");
    assert_eq!(setup.agent.curl(&ca).get(&["--http2", &setup.tls("/text/x")]).await?.version, "2");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_is_answered_before_the_body() -> anyhow::Result<()> {
    let setup = Setup::start("continue").await?;
    let ca = setup.agent.ca_file();
    let file = setup.scratch.write("upload", vec![b'u'; 100_000])?;
    let data = format!("@{}", file.display());
    for url in [setup.plain("/length"), setup.tls("/length")] {
        // curl waits for a second by itself, and sends the body then
        let patient = ["--http1.1", "--expect100-timeout", "30"];
        let arguments = [&patient[..], &["--header", "Expect: 100-continue", "--data-binary", &data, &url]].concat();
        let reply = setup.agent.curl(&ca).get(&arguments).await?;
        assert_eq!((reply.status, reply.body.as_str()), (200, "100000"));
        assert!(reply.verbose.contains("100 Continue"), "{}", reply.verbose);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_in_both_directions() -> anyhow::Result<()> {
    let setup = Setup::start("trailers").await?;
    let client = setup.client()?;
    let mut two = client.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
    let reply = two.get(&setup.tls("/trailers")).await?;
    let trailers = reply.trailers.context("trailers over h2")?;
    assert_eq!((&trailers["x-sum"], &trailers["x-late"]), (&"4096".parse()?, &"yes".parse()?));
    let mut sent = http::HeaderMap::new();
    sent.insert("x-after", "the body".parse()?);
    let mut request = two.request("POST", &setup.tls("/echo"), body::Pattern::new(1, 5000).trailed(sent).boxed())?;
    request.headers_mut().insert("trailer", "x-after".parse()?);
    let reply = two.exchange(request).await?;
    assert_eq!(reply.body.len(), 5000);
    assert_eq!(reply.trailers.context("trailers of the request")?["x-after"], "the body");
    // HTTP/1.1: to a client that asked for them (RFC 9110 section 6.5.1)
    let mut one = client.forward().await?;
    let mut request = one.request("GET", &setup.plain("/trailers"), body::empty())?;
    request.headers_mut().insert("te", "trailers".parse()?);
    let reply = one.exchange(request).await?;
    assert_eq!(reply.trailers.context("trailers over HTTP/1.1")?["x-sum"], "4096");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_works_through_connect() -> anyhow::Result<()> {
    let setup = Setup::start("ssh").await?;
    let sshd = debian::sshd(&setup.scratch).await?;
    let helper = proxy_command(&setup)?;
    let key = setup.scratch.join("ssh-user");
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let port = sshd.address.port().to_string();
    let finished = run(
        &debian::which("ssh")?,
        [
            "-F",
            "none",
            "-i",
            key.to_str().context("UTF-8")?,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            &helper,
            "-p",
            &port,
            &format!("{user}@127.0.0.1"),
            "echo through the tunnel",
        ],
        &[],
    )
    .await?;
    assert_eq!(finished.ok()?, "through the tunnel\n");
    Ok(())
}

/// `ssh` wants a program for its end of the tunnel: curl cannot, bash can. What carries bytes up outlives the other, so that
/// the last of them arrive; it ends with ssh's end of the pipe.
fn proxy_command(setup: &Setup) -> anyhow::Result<String> {
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}\nprintf 'CONNECT %s:%s HTTP/1.1\\r\\nHost: %s:%s\\r\\n\\r\\n' \"$1\" \"$2\" \"$1\" \"$2\" >&3\n\
         while read -r line <&3 && [ \"$line\" != $'\\r' ]; do :; done\nexec 4<&0\ncat <&4 >&3 &\nexec cat <&3\n",
        setup.agent.proxy.ip(),
        setup.agent.proxy.port(),
    );
    let script = setup.scratch.write("connect.sh", script)?;
    ensure!(Path::new("/bin/bash").exists(), "bash has /dev/tcp");
    Ok(format!("ProxyCommand=/bin/bash {} %h %p", script.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_greets_first_is_heard_through_connect() -> anyhow::Result<()> {
    let setup = Setup::start("greeting").await?;
    let smtp = RawOrigin::start(Script::Greet(b"220 mail.example ESMTP\r\n".to_vec())).await?;
    let mut tunnel = Raw::over(setup.client()?.tunnel(&smtp.address().to_string()).await?);
    assert_eq!(tunnel.hear(24).await?, b"220 mail.example ESMTP\r\n");
    tunnel.say("EHLO client.example\r\n").await?;
    assert_eq!(tunnel.hear(21).await?, b"EHLO client.example\r\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_neither_tls_nor_http_passes_unchanged() -> anyhow::Result<()> {
    let setup = Setup::start("opaque").await?;
    let origin = RawOrigin::start(Script::Greet(Vec::new())).await?;
    let mut tunnel = Raw::over(setup.client()?.tunnel(&origin.address().to_string()).await?);
    let said: Vec<u8> = (0..=255u8).cycle().skip(200).take(70_000).collect();
    tunnel.say(&said).await?;
    assert_eq!(tunnel.hear(said.len()).await?, said);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_of_the_pass_through_list_keep_their_own_certificate() -> anyhow::Result<()> {
    let setup =
        Setup::start_with("pass-through", |options| options.with("--intercept-pass-through", "localhost")).await?;
    // a client that trusts the origins' CA and not the agent's
    let client = weir_testkit::client::Client::new(setup.agent.proxy, &[&setup.ca.pem()])?;
    let mut http = client.intercepted(&setup.tls_authority(), Alpn::Http2).await?;
    assert_eq!(http.get(&setup.tls("/text/own")).await?.status, 200);
    let other = format!("127.0.0.1:{}", setup.origin.tls().port());
    assert!(client.intercepted(&other, Alpn::Http2).await.is_err(), "another target is intercepted");
    Ok(())
}
