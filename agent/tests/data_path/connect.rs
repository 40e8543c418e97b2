//! CONNECT, and what is found inside.

use tokio_rustls::TlsConnector;
use weir_testkit::ca;
use weir_testkit::client::{Alpn, Http};
use weir_testkit::raw::Raw;

use crate::agent::Setup;

async fn check(alpn: Alpn, version: http::Version) -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let authority = setup.tls();
    let mut http = setup.agent.client()?.intercepted(&authority, alpn).await?;
    for n in 0..3 {
        let reply = http.get(&format!("https://{authority}/text/{n}")).await?;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(setup.origin.heard_for("/text/0").expect("the origin heard it").version, version);
    assert_eq!(setup.origin.connections(), 1, "the connection that was asked for ALPN serves the requests");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_inside_tls_goes_on_as_http1() -> anyhow::Result<()> {
    check(Alpn::Http1, http::Version::HTTP_11).await
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_inside_tls_goes_on_as_http2() -> anyhow::Result<()> {
    check(Alpn::Http2, http::Version::HTTP_2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_answered_what_the_upstream_speaks() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let config = ca::client(&[setup.agent.shared.authority.pem()], &[b"h2", b"http/1.1"])?;
    for (authority, expect) in [(setup.tls(), &b"h2"[..]), (setup.tls_http1(), b"http/1.1")] {
        let tunnel = setup.agent.client()?.tunnel(&authority).await?;
        let tls = TlsConnector::from(config.clone()).connect("localhost".try_into()?, tunnel).await?;
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(expect), "{authority}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_translated_where_the_upstream_does_not_speak_it() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let authority = setup.tls_http1();
    let mut http = setup.agent.client()?.intercepted(&authority, Alpn::Http2).await?;
    for n in 0..3 {
        assert_eq!(http.get(&format!("https://{authority}/text/{n}")).await?.status, 200);
    }
    let heard = setup.origin.heard_for("/text/0").expect("the origin heard it");
    assert_eq!((heard.version, heard.headers["host"].to_str()?), (http::Version::HTTP_11, &*authority));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_name_gets_a_certificate_for_the_address() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    // rustls sends no SNI for an address (RFC 6066 section 3)
    let authority = setup.origin.tls().to_string();
    let mut http = setup.agent.client()?.intercepted(&authority, Alpn::Http1).await?;
    assert_eq!(http.get(&format!("https://{authority}/")).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_the_handshake_is_asked_of_the_upstream_too() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    // the origin's certificate is for localhost and 127.0.0.1, not for 127.0.0.2
    let authority = format!("127.0.0.2:{}", setup.origin.tls().port());
    let tls = setup.agent.client()?.tls_named(&authority, "localhost", Alpn::Http1).await;
    // nobody listens on 127.0.0.2, yet the client has its handshake, and is told inside
    let mut http = Http::start(tls?, Alpn::Http1).await?;
    assert_eq!(http.get("https://localhost/").await?.status, 502);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_in_a_tunnel_is_an_exchange_one_byte_at_a_time_too() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = setup.origin.plain();
    let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.to_string()).await?);
    let head = format!("GET /text/inner HTTP/1.1\r\nHost: {origin}\r\n\r\n");
    raw.say_slowly(head, std::time::Duration::from_millis(1)).await?;
    assert_eq!(raw.response().await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_and_forbidden_addresses_are_refused() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let admin = setup.agent.admin.local_addr()?;
    for (target, status) in [
        (setup.agent.proxy.to_string(), 508),
        (format!("localhost:{}", setup.agent.proxy.port()), 508),
        (admin.to_string(), 403),
        ("169.254.169.254:80".to_owned(), 403),
        ("[fe80::1]:80".to_owned(), 403),
        ("nowhere".to_owned(), 400),
        ("2130706433:80".to_owned(), 400),
    ] {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await?;
        assert_eq!(raw.response().await?.status, status, "CONNECT {target}");
    }
    Ok(())
}
