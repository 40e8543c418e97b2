//! What becomes of heads.

use http::{HeaderMap, Method};
use weir_testkit::body;
use weir_testkit::client::Alpn;
use weir_testkit::raw::{Raw, RawOrigin, Script};

use crate::agent::Setup;

fn answer(text: &str) -> Script {
    Script::Answer(text.replace('\n', "\r\n").into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_a_hop_end_there_and_the_way_is_told() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = RawOrigin::start(answer(
        "HTTP/1.1 200 Fine\nConnection: close, X-Hop\nX-Hop: 1\nKeep-Alive: timeout=5\nX-Goes-On: 2\n\
         Proxy-Authenticate: Basic\nContent-Length: 2\n\nok",
    ))
    .await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    let request = format!(
        "GET http://{0}/a%2Fb?c HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: keep-alive, X-Only-Here\r\n\
         X-Only-Here: 1\r\nProxy-Authorization: Basic c2VjcmV0\r\nTE: gzip, trailers\r\nX-MixedCase: 3\r\n\r\n",
        origin.address()
    );
    client.say(request).await?;
    let response = client.response().await?;
    assert!(response.head.starts_with("HTTP/1.1 200 Fine\r\n"), "{}", response.head);
    assert!(
        response.head.contains("X-Goes-On: 2\r\n") && response.head.contains("via: 1.1 weir-"),
        "{}",
        response.head
    );
    for gone in ["X-Hop", "Keep-Alive:", "Proxy-Authenticate", "close"] {
        assert!(!response.head.contains(gone), "{gone} in {}", response.head);
    }
    let heard = origin.heard().remove(0);
    assert!(heard.starts_with("GET /a%2Fb?c HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("Host: {}\r\n", origin.address())), "{heard}");
    assert!(heard.contains("X-MixedCase: 3\r\n") && heard.contains("via: 1.1 weir-"), "{heard}");
    assert!(heard.contains("TE: trailers\r\n") && heard.contains("Connection: te\r\n"), "{heard}");
    for gone in ["X-Only-Here", "secret", "c2VjcmV0", "gzip"] {
        assert!(!heard.contains(gone), "{gone} in {heard}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_came_back_is_refused() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/heard", setup.origin.plain());
    http.get(&url).await?;
    let via = setup.origin.heard_for("/heard").expect("heard").headers["via"].clone();
    let mut request = http.request("GET", &url, body::empty())?;
    request.headers_mut().insert("via", via);
    let problem = http.exchange(request).await?.problem(508, "client")?;
    assert_eq!(problem["type"], "urn:weir:problem:loop");
    // a target that is the agent is as bad
    let reply = http.get(&format!("http://{}/", setup.agent.proxy)).await?;
    reply.problem(508, "client")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_without_content_has_none_and_keeps_its_length() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = RawOrigin::start(answer("HTTP/1.1 200 OK\nContent-Length: 1234\nConnection: close\n\n")).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let request = http.request("HEAD", &format!("http://{}/", origin.address()), body::empty())?;
    let reply = http.exchange(request).await?;
    assert_eq!((reply.header("content-length"), reply.body.len()), ("1234", 0));
    for status in [204, 304] {
        let reply = http.get(&format!("http://{}/status/{status}", setup.origin.plain())).await?;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (status, 0));
    }
    // the connection is none the worse for it
    let reply = http.get(&format!("http://{}/text/x", setup.origin.plain())).await?;
    assert_eq!(reply.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_over_http2_ends_with_its_head() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.intercepted(&setup.tls(), Alpn::Http2).await?;
    let request = http.request("HEAD", &format!("https://{}/bytes/5000", setup.tls()), body::empty())?;
    let reply = http.exchange(request).await?;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0));
    // refused by the agent: an error page has no content either
    let mut request = http.request("HEAD", &format!("https://{}/", setup.tls()), body::empty())?;
    request.headers_mut().insert("expect", "the-unexpected".parse()?);
    let reply = http.exchange(request).await?;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (417, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_and_options_stop_where_max_forwards_says() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/heard", setup.origin.plain());
    let with = |request: &mut http::Request<body::Boxed>, forwards: &str| {
        request.headers_mut().insert("max-forwards", forwards.parse().expect("a number"));
    };
    let mut trace = http.request("TRACE", &url, body::empty())?;
    with(&mut trace, "0");
    trace.headers_mut().insert("cookie", "secret".parse()?);
    let reply = http.exchange(trace).await?;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "message/http"));
    assert!(reply.text().starts_with(&format!("TRACE {url} HTTP/1.1\r\n")) && !reply.text().contains("secret"));
    let mut options = http.request("OPTIONS", &url, body::empty())?;
    with(&mut options, "1");
    assert_eq!(http.exchange(options).await?.status, 200);
    let heard = setup.origin.heard_for("/heard").expect("heard");
    assert_eq!((heard.method, heard.headers["max-forwards"].as_bytes()), (Method::OPTIONS, &b"0"[..]));
    assert_eq!(setup.origin.requests(), 1);
    Ok(())
}

/// Trailers go up and come down where both sides can carry them.
async fn trailers(alpn: Alpn) -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let (authority, mut http) = match alpn {
        Alpn::Http1 => (format!("http://{}", setup.origin.plain()), setup.agent.client()?.forward().await?),
        Alpn::Http2 => (format!("https://{}", setup.tls()), {
            setup.agent.client()?.intercepted(&setup.tls(), Alpn::Http2).await?
        }),
    };
    let mut sent = HeaderMap::new();
    sent.insert("x-sum", "4096".parse()?);
    let body = body::Pattern::new(5, 4096).trailed(sent.clone()).boxed();
    let mut request = http.request("POST", &format!("{authority}/echo"), body)?;
    request.headers_mut().insert("te", "trailers".parse()?);
    request.headers_mut().insert("trailer", "x-sum".parse()?);
    let reply = http.exchange(request).await?;
    assert_eq!((reply.body.len(), reply.trailers), (4096, Some(sent)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_over_http1() -> anyhow::Result<()> {
    trailers(Alpn::Http1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_over_http2() -> anyhow::Result<()> {
    trailers(Alpn::Http2).await
}

/// The client says `request`; its status and the whole reply.
async fn refused(request: &str, status: u16) -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    let origin = setup.origin.plain().to_string();
    client.say(request.replace('\n', "\r\n").replace("ORIGIN", &origin)).await?;
    client.response().await?.problem(status, "client")?;
    assert_eq!(setup.origin.requests(), 0, "{request}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_placed_are_refused() -> anyhow::Result<()> {
    refused("GET /x HTTP/1.1\nHost: ORIGIN\n\n", 400).await?;
    refused("GET http://ORIGIN/ HTTP/1.1\n\n", 400).await?;
    refused("GET http://ORIGIN/ HTTP/1.1\nHost: ORIGIN\nHost: ORIGIN\n\n", 400).await?;
    refused("GET http://ORIGIN/ HTTP/1.1\nHost: a b\n\n", 400).await?;
    refused("GET http://me:pw@ORIGIN/ HTTP/1.1\nHost: ORIGIN\n\n", 400).await?;
    refused("GET ftp://ORIGIN/ HTTP/1.1\nHost: ORIGIN\n\n", 400).await?;
    refused("POST http://ORIGIN/ HTTP/1.1\nHost: ORIGIN\nTransfer-Encoding: gzip, chunked\n\n0\n\n", 501).await?;
    refused("GET http://ORIGIN/ HTTP/1.1\nHost: ORIGIN\nExpect: x\n\n", 417).await
}
