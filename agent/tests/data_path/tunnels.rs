//! What is neither TLS nor HTTP, and what nobody is to look into.

use tokio_rustls::TlsConnector;
use weir_testkit::ca;
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, within};

use crate::agent::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_first_is_heard() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let banner = b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n";
    let origin = RawOrigin::start(Script::Greet(banner.to_vec())).await?;
    let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.address().to_string()).await?);
    assert_eq!(raw.hear(banner.len()).await?, banner);
    raw.say("SSH-2.0-client\r\n").await?;
    assert_eq!(raw.hear(16).await?, b"SSH-2.0-client\r\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_carried() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = RawOrigin::start(Script::Greet(Vec::new())).await?;
    let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.address().to_string()).await?);
    raw.say("EHLO mail.example\r\n").await?;
    assert_eq!(raw.hear(19).await?, b"EHLO mail.example\r\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_is_still_intercepted() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.peek_timeout = std::time::Duration::from_millis(1)).await?;
    let tunnel = setup.agent.client()?.tunnel(&setup.tls()).await?;
    // longer than the agent's patience: it dials, and neither side speaks first
    weir_testkit::wait::eventually(PATIENCE, "the agent to dial", || async {
        Ok((setup.origin.connections() > 0).then_some(()))
    })
    .await?;
    let config = ca::client(&[setup.agent.shared.authority.pem()], &[b"http/1.1"])?;
    TlsConnector::from(config).connect("localhost".try_into()?, tunnel).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_the_pass_through_list_is_not_looked_into() -> anyhow::Result<()> {
    let setup = Setup::start(|config| {
        config.intercept.pass_through = vec!["localhost".parse().expect("a pattern")];
    })
    .await?;
    let tunnel = setup.agent.client()?.tunnel(&setup.tls()).await?;
    let ca_pem = setup.ca.pem();
    // the origin's own certificate arrives, which the agent's authority did not sign
    let config = ca::client(&[&ca_pem], &[b"h2"])?;
    let tls = TlsConnector::from(config).connect("localhost".try_into()?, tunnel).await?;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_protocol_of_its_own_is_ended_here_and_carried() -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let setup = Setup::start(|_| {}).await?;
    let leaf = setup.ca.leaf(&["localhost"])?;
    let acceptor = tokio_rustls::TlsAcceptor::from(ca::server(&leaf, &[b"weird"])?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let authority = format!("localhost:{}", listener.local_addr()?.port());
    let server = tokio::spawn(async move {
        let mut tls = acceptor.accept(listener.accept().await?.0).await?;
        let mut word = [0; 5];
        tls.read_exact(&mut word).await?;
        tls.write_all(b"world").await?;
        tls.shutdown().await?;
        anyhow::Ok(word)
    });
    let tunnel = setup.agent.client()?.tunnel(&authority).await?;
    let config = ca::client(&[setup.agent.shared.authority.pem()], &[b"weird"])?;
    let mut tls = TlsConnector::from(config).connect("localhost".try_into()?, tunnel).await?;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"weird"[..]));
    tls.write_all(b"\x01ello").await?;
    let mut answer = Vec::new();
    within(PATIENCE, "the answer", tls.read_to_end(&mut answer)).await??;
    assert_eq!(answer, b"world");
    assert_eq!(&server.await??, b"\x01ello");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_garbage_ends_its_connection_and_no_other() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.head_timeout = std::time::Duration::from_secs(1)).await?;
    for garbage in [&b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"[..], b"\x16"] {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&setup.tls()).await?);
        raw.say(garbage).await?;
        raw.hear_all().await?;
    }
    let reply = setup.agent.client()?.forward().await?.get(&format!("http://{}/", setup.origin.plain())).await?;
    assert_eq!(reply.status, 200);
    Ok(())
}

/// Whoever controls a server could have it greet, and a client speak HTTP after that past all filters.
#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_does_not_end_the_look_at_what_the_client_says() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.peek_timeout = std::time::Duration::from_millis(1)).await?;
    let greeting = b"220 mail.example\r\n";
    let origin = RawOrigin::start(Script::Greet(greeting.to_vec())).await?;
    let at = origin.address();
    let greeted = async || {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&at.to_string()).await?);
        assert_eq!(raw.hear(greeting.len()).await?, greeting);
        anyhow::Ok(raw)
    };
    let mut smtp = greeted().await?;
    smtp.say("EHLO a.example\r\n").await?;
    assert_eq!(smtp.hear(16).await?, b"EHLO a.example\r\n");
    smtp.say("GET / HTTP/1.1\r\n").await?;
    assert_eq!(smtp.hear(16).await?, b"GET / HTTP/1.1\r\n", "by then it is a tunnel");

    let mut http = greeted().await?;
    http.say(format!("GET / HTTP/1.1\r\nHost: {at}\r\n\r\n")).await?;
    http.response().await?.problem(502, "upstream")?;
    // an exchange, on a connection of its own: what greets there is no HTTP
    assert!(!origin.heard().iter().any(|heard| heard.starts_with("GET /") && !heard.contains("via: 1.1 weir-")));

    let mut tls = rustls::ClientConnection::new(
        ca::client(&[setup.agent.shared.authority.pem()], &[])?,
        "localhost".try_into()?,
    )?;
    let mut hello = Vec::new();
    tls.write_tls(&mut hello)?;
    let mut raw = greeted().await?;
    raw.say(&hello).await?;
    let answer = raw.hear(2).await?;
    assert_eq!(answer, [0x16, 3], "the agent's own ServerHello");
    assert!(!origin.heard().iter().any(|heard| heard.starts_with('\u{16}')), "no hello went through");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_nothing_to_say_hears_its_server_out() -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let setup = Setup::start(|config| config.client.peek_timeout = std::time::Duration::from_millis(1)).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut tunnel = setup.agent.client()?.tunnel(&listener.local_addr()?.to_string()).await?;
    let (mut far, _) = within(PATIENCE, "the agent to dial", listener.accept()).await??;
    far.write_all(b"one ").await?;
    let mut heard = [0; 4];
    within(PATIENCE, "the first word", tunnel.read_exact(&mut heard)).await??;
    tunnel.shutdown().await?;
    assert_eq!(within(PATIENCE, "the client's end", far.read(&mut [0; 1])).await??, 0);
    far.write_all(b"two").await?;
    drop(far);
    let mut rest = Vec::new();
    within(PATIENCE, "the rest", tunnel.read_to_end(&mut rest)).await??;
    assert_eq!((&heard, &rest[..]), (b"one ", &b"two"[..]));
    Ok(())
}

/// The name in the hello is any client's to write: it counts where it leads to where the tunnel goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_the_pass_through_list_counts_where_it_leads_there() -> anyhow::Result<()> {
    let setup = Setup::start(|config| {
        config.intercept.pass_through = ["localhost", "*.invalid"].map(|text| text.parse().expect("a pattern")).into();
    })
    .await?;
    let authority = setup.origin.tls().to_string();
    let tunnel = setup.agent.client()?.tunnel(&authority).await?;
    let config = ca::client(&[&setup.ca.pem()], &[b"h2"])?;
    let tls = TlsConnector::from(config).connect("localhost".try_into()?, tunnel).await?;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the origin's own certificate");

    let tunnel = setup.agent.client()?.tunnel(&authority).await?;
    let config = ca::client(&[setup.agent.shared.authority.pem()], &[b"http/1.1"])?;
    TlsConnector::from(config).connect("bank.invalid".try_into()?, tunnel).await?;
    Ok(())
}
