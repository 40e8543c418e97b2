//! What goes past filters and recorder: nothing that an origin would answer.

use std::time::Duration;

use weir_testkit::ca;
use weir_testkit::client::Alpn;
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, within};

use crate::agent::Setup;

const REST: &str = "Host: a.example\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn http_that_is_not_well_formed_is_refused_in_a_tunnel_too() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = RawOrigin::start(Script::Silence).await?;
    for line in [
        "GET  /admin HTTP/1.1\r\n",
        "GET /admin  HTTP/1.1\r\n",
        "\tGET /admin HTTP/1.1\r\n",
        "GET\t/admin HTTP/1.1\r\n",
        "GET /admin\r\n",
        "get  /admin HTTP/1.1\r\n",
    ] {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.address().to_string()).await?);
        raw.say(format!("{line}{REST}")).await?;
        let response = raw.response().await?;
        response.problem(response.status, "client")?;
        assert!([400, 505].contains(&response.status), "{line:?}: {}", response.head);
    }
    assert_eq!(origin.heard(), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_lines_before_a_request_do_not_hide_it() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = setup.origin.plain();
    for (n, lines) in ["\r\n", "\r\n\r\n"].into_iter().enumerate() {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.to_string()).await?);
        raw.say(format!("{lines}GET /text/{n} HTTP/1.1\r\nHost: {origin}\r\nConnection: close\r\n\r\n")).await?;
        assert_eq!(raw.response().await?.status, 200, "{lines:?}");
        let heard = setup.origin.heard_for(&format!("/text/{n}")).expect("heard");
        assert!(heard.headers.contains_key("via"), "{lines:?}: it was an exchange");
    }
    for lines in ["\n\n", "\n\r\n\n"] {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.to_string()).await?);
        raw.say(format!("{lines}GET /text/hidden HTTP/1.1\r\nHost: {origin}\r\n\r\n")).await?;
        raw.response().await?.problem(400, "client")?;
    }
    assert!(setup.origin.heard_for("/text/hidden").is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_agreed_on_http_speaks_http() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut tls = setup.agent.client()?.tls(&setup.tls_http1(), Alpn::Http1).await?;
    tokio::io::AsyncWriteExt::write_all(&mut tls, b"SECRET\r\n\r\n").await?;
    let mut heard = Vec::new();
    within(PATIENCE, "the refusal", tokio::io::AsyncReadExt::read_to_end(&mut tls, &mut heard)).await??;
    assert!(heard.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&heard));
    assert_eq!(setup.origin.requests(), 0);
    Ok(())
}

/// A ClientHello of a client that offers no ALPN, for which nobody is dialled before the handshake is over.
fn hello(roots: &str) -> anyhow::Result<Vec<u8>> {
    let mut client = rustls::ClientConnection::new(ca::client(&[roots], &[])?, "localhost".try_into()?)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok(hello)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_in_an_unusual_record_is_not_carried_past() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = RawOrigin::start(Script::Silence).await?;
    let hello = hello(setup.agent.shared.authority.pem())?;
    let (record, message) = hello.split_at(5);
    let mut odd_version = hello.clone();
    odd_version[2] = 5;
    let rest = u16::try_from(message.len() - 1)?.to_be_bytes();
    let fragmented = [&[0x16, 3, 1, 0, 1], &message[..1], &[0x16, 3, 1], &rest, &message[1..]].concat();
    let after_an_alert = [&[0x15, 3, 1, 0, 2, 1, 90], &hello[..]].concat();
    let ssl2 = [&[0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10][..], &[7; 0x25]].concat();
    assert_eq!(record[0], 0x16);
    for said in [&fragmented, &odd_version, &after_an_alert, &ssl2] {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.address().to_string()).await?);
        raw.say(said).await?;
        match said == &fragmented {
            // a record of a handshake: the agent's own ServerHello
            true => assert_eq!(raw.hear(2).await?, [0x16, 3]),
            false => drop(raw.hear_all().await?),
        }
    }
    assert_eq!(origin.heard(), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_in_what_may_be_a_request_hides_nothing() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.head_timeout = Duration::from_secs(1)).await?;
    let origin = RawOrigin::start(Script::Silence).await?;
    // the last is wrong already, whatever would come
    for (said, status) in [("GE", 408), ("\r\n", 408), ("ANY /admin", 408), ("PRI * HTTP/2.0\r\n", 505)] {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.address().to_string()).await?);
        raw.say(said).await?;
        raw.response().await?.problem(status, "client")?;
    }
    for said in [&b"\x16"[..], b"\x80\x2e\x01"] {
        let mut raw = Raw::over(setup.agent.client()?.tunnel(&origin.address().to_string()).await?);
        raw.say(said).await?;
        assert_eq!(raw.hear_all().await?, b"");
    }
    assert_eq!(origin.heard(), Vec::<String>::new());
    Ok(())
}
