//! Requests in absolute form.

use weir_testkit::body;
use weir_testkit::client::{Alpn, Http};
use weir_testkit::raw::{Raw, RawOrigin, Script};

use crate::agent::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_to_its_origin_and_the_connection_is_kept() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.forward().await?;
    for n in 0..5 {
        let reply = http.get(&format!("http://{}/text/{n}", setup.origin.plain())).await?;
        assert_eq!(reply.status, 200);
        assert!(reply.text().contains(&format!("{n}")), "{reply:?}");
    }
    let heard = setup.origin.heard_for("/text/0").expect("the origin heard it");
    assert_eq!(heard.headers["host"], setup.origin.plain().to_string());
    assert_eq!(setup.origin.connections(), 1, "one upstream connection serves five requests");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_spoken_to_who_begins_with_it() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = Http::start(setup.agent.client()?.dial().await?, Alpn::Http2).await?;
    assert_eq!(http.get(&format!("http://{}/text/2", setup.origin.plain())).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_pass_both_ways() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let size = 3 << 20;
    let reply = http
        .post(&format!("http://{}/check?seed=7", setup.origin.plain()), body::Pattern::new(7, size).boxed())
        .await?;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, size.to_string()));
    let reply = http.get(&format!("http://{}/bytes/{size}?seed=9&chunked", setup.origin.plain())).await?;
    let mut check = body::Check::new(9);
    check.take(&reply.body)?;
    assert_eq!(check.size(), size);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn header_case_is_kept() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let answer = b"HTTP/1.1 200 OK\r\nX-FromOrigin: 1\r\nContent-Length: 0\r\n\r\n".to_vec();
    let origin = RawOrigin::start(Script::Answer(answer)).await?;
    let at = origin.address();
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nX-FromClient: 1\r\n\r\n")).await?;
    let response = raw.response().await?;
    assert!(response.head.contains("X-FromOrigin: 1"), "{}", response.head);
    assert!(origin.heard()[0].contains("X-FromClient: 1"), "{:?}", origin.heard());
    assert!(origin.heard()[0].starts_with("GET / HTTP/1.1\r\n"), "{:?}", origin.heard());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_the_upstream_closed_is_replaced() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    // answers once per connection, and does not say that it will close
    let origin = RawOrigin::start(Script::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())).await?;
    let mut http = setup.agent.client()?.forward().await?;
    for n in 1..=5 {
        let reply = http.get(&format!("http://{}/", origin.address())).await?;
        assert_eq!(reply.status, 200, "request {n}: {}", reply.text());
        weir_testkit::wait::eventually(weir_testkit::wait::PATIENCE, "the agent to notice", || async {
            Ok((origin.heard().len() == n).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_none_is_refused_in_words() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    for (head, status) in [("GARBAGE\r\n\r\n", 400), ("GET http://a/ HTTP/9.9\r\n\r\n", 505)] {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(head).await?;
        let response = raw.response().await?;
        assert_eq!(response.status, status, "{}", response.head);
        assert!(!response.body.is_empty());
    }
    Ok(())
}
