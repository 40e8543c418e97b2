//! What is kept of an exchange: both sides of it, each once, however it ended.

use prost::Message as _;
use weir_agent::config::Config;
use weir_agent::filters::{Source, swap};
use weir_proto::v1::{Exchange, Field, Outcome, TrafficBatch};
use weir_testkit::body::{self, Pattern};
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, eventually};
use weir_testkit::websocket::WebSocket;

use crate::agent::Setup;
use crate::guest::{Guest, TRANSFORM, Wants};

/// The only record there is, once there is one.
pub(crate) async fn record(setup: &Setup) -> anyhow::Result<Exchange> {
    let stats = &setup.agent.shared.stats;
    let over = async || Ok((stats.exchanges_active() == 0 && stats.exchanges_total() > 0).then_some(()));
    eventually(PATIENCE, "the end of the exchange", over).await?;
    let mut batch = TrafficBatch::decode(&setup.agent.shared.recorder.take()[..])?;
    assert_eq!(batch.exchanges.len(), 1);
    Ok(batch.exchanges.remove(0))
}

pub(crate) fn field<'f>(fields: &'f [Field], name: &str) -> Option<&'f str> {
    let found = fields.iter().find(|field| field.name == name)?;
    std::str::from_utf8(&found.value).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_nobody_changed() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.capture.body_bytes = 100).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/echo?x", setup.origin.plain());
    let mut request = http.request("POST", &url, Pattern::new(1, 250).by(48).boxed())?;
    request.headers_mut().insert("proxy-authorization", "Basic c2VjcmV0".parse()?);
    request.headers_mut().insert("connection", "keep-alive".parse()?);
    let sent = http.exchange(request).await?.body;
    let record = record(&setup).await?;
    assert_eq!(record.outcome(), Outcome::Complete);
    assert_eq!(record.upstream_address, setup.origin.plain().to_string());
    assert!(record.id.len() == 16 && record.started_us > 0, "{record:?}");
    assert!((1..=record.duration_us).contains(&record.first_byte_us), "{record:?}");
    assert_eq!(record.connection.expect("a connection").entry, "forward");
    assert!(record.filtered_request.is_none() && record.original_response.is_none() && record.filters.is_empty());
    let request = record.request.expect("a request");
    assert_eq!((request.method.as_str(), request.path.as_str(), request.scheme.as_str()), ("POST", "/echo?x", "http"));
    assert_eq!((request.authority, request.version.as_str()), (setup.origin.plain().to_string(), "HTTP/1.1"));
    assert_eq!(field(&request.headers, "connection"), Some("keep-alive"), "as the client sent it");
    assert_eq!(field(&request.headers, "proxy-authorization"), None);
    let up = request.body.expect("a body");
    assert_eq!((up.size, up.data), (250, sent.slice(..100)));
    let response = record.response.expect("a response");
    assert_eq!(response.status, 200);
    assert!(field(&response.headers, "via").is_some(), "as the client got it");
    let down = response.body.expect("a body");
    assert_eq!((down.size, down.data), (250, sent.slice(..100)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_a_filter_changed_on_all_sides() -> anyhow::Result<()> {
    let both = Wants { request_body: TRANSFORM, response_body: TRANSFORM, ..Wants::default() };
    let mut guest = Guest::new(Wants { request_head: true, response_head: true, ..both });
    guest.request_head = format!("{} global.get $next", guest.set(0, "x-up", "1"));
    guest.response_head = format!("{} global.get $next", guest.set(1, "x-down", "1"));
    let (up, down) = (guest.text("up"), guest.text("down"));
    guest.body = format!(
        "(if (result i32) (i32.eqz (local.get $len)) (then (global.get $next)) (else
           (if (result i32) (local.get $origin) (then (call $replace {down})) (else (call $replace {up})))))"
    );
    let setup = Setup::start(|_| {}).await?;
    swap(&setup.agent.shared, guest.artifact("guest"), Source::Folder).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/echo", setup.origin.plain());
    assert_eq!(http.post(&url, body::full("mine")).await?.text(), "down");
    let record = record(&setup).await?;
    let (request, filtered) = (record.request.expect("sent"), record.filtered_request.expect("passed on"));
    assert_eq!((field(&request.headers, "x-up"), field(&filtered.headers, "x-up")), (None, Some("1")));
    assert_eq!(
        (request.body.expect("sent").data, filtered.body.expect("passed on").data),
        ("mine".into(), "up".into())
    );
    assert_eq!((request.method, filtered.method), ("POST".to_owned(), "POST".to_owned()));
    let (response, original) = (record.response.expect("got"), record.original_response.expect("answered"));
    assert_eq!((field(&response.headers, "x-down"), field(&original.headers, "x-down")), (Some("1"), None));
    assert_eq!((response.body.expect("got").data, original.body.expect("answered").data), ("down".into(), "up".into()));
    assert_eq!((response.status, original.status), (200, 200));
    let [receipt] = &record.filters[..] else { panic!("{:?}", record.filters) };
    assert_eq!((receipt.name.as_str(), receipt.verdict.as_str(), receipt.changed), ("guest", "next", true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_alone_that_a_filter_changed_has_its_head_beside_it() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { response_body: TRANSFORM, ..Wants::default() });
    let text = guest.text("other");
    guest.body = format!("(if (result i32) (local.get $len) (then (call $replace {text})) (else (global.get $next)))");
    let setup = Setup::start(|_| {}).await?;
    swap(&setup.agent.shared, guest.artifact("guest"), Source::Folder).await?;
    let mut http = setup.agent.client()?.forward().await?;
    assert_eq!(http.get(&format!("http://{}/", setup.origin.plain())).await?.text(), "other");
    let record = record(&setup).await?;
    assert!(record.filtered_request.is_none());
    let (response, original) = (record.response.expect("got"), record.original_response.expect("answered"));
    assert_eq!(
        (response.body.expect("got").data, original.body.expect("answered").data),
        ("other".into(), "hello\n".into())
    );
    assert_eq!(original.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_filter() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    guest.request_head = "global.get $respond".into();
    let setup = Setup::start(|_| {}).await?;
    swap(&setup.agent.shared, guest.artifact("guest"), Source::Folder).await?;
    let mut http = setup.agent.client()?.forward().await?;
    http.get(&format!("http://{}/", setup.origin.plain())).await?;
    let record = record(&setup).await?;
    assert_eq!((record.outcome(), record.upstream_address.as_str()), (Outcome::FilterAnswered, ""));
    let response = record.response.expect("a response");
    assert_eq!((response.status, response.body.expect("a body").data), (403, "denied".into()));
    assert_eq!(record.filters[0].verdict, "responded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_with_its_reason() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = RawOrigin::start(Script::Reset).await?;
    let mut http = setup.agent.client()?.forward().await?;
    http.get(&format!("http://{}/", origin.address())).await?;
    let failed = record(&setup).await?;
    assert_eq!(failed.outcome(), Outcome::UpstreamFailed);
    assert!(
        failed.error.contains("upstream") && failed.response.expect("a response").status == 502,
        "{}",
        failed.error
    );

    let setup = Setup::start(|_| {}).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say("GET /nowhere HTTP/1.1\r\nHost: a.example\r\n\r\n").await?;
    client.response().await?;
    let refused = record(&setup).await?;
    assert_eq!((refused.outcome(), refused.request.expect("a request").path.as_str()), (Outcome::Refused, "/nowhere"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_left() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", silent.address())).await?;
    eventually(PATIENCE, "the upstream's hearing it", async || Ok((!silent.heard().is_empty()).then_some(()))).await?;
    drop(client);
    let record = record(&setup).await?;
    assert_eq!((record.outcome(), record.response), (Outcome::ClientGone, None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_broke_off_without_half_of_a_secret() -> anyhow::Result<()> {
    let rules = |config: &mut Config| config.redact.patterns = vec!["sk-[a-z]{8}".parse().expect("a pattern")];
    let half = "Content-Length: 99\r\n\r\na sk-abcd";
    let setup = Setup::start(rules).await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\n{half}", silent.address())).await?;
    let heard = async || Ok(silent.heard().concat().contains("sk-abcd").then_some(()));
    eventually(PATIENCE, "the upstream's hearing it", heard).await?;
    drop(client);
    let body = record(&setup).await?.request.and_then(|request| request.body).expect("a body");
    assert_eq!((&body.data[..], body.size, body.cut), (&b""[..], 9, true));

    let setup = Setup::start(rules).await?;
    let origin = RawOrigin::start(Script::Answer(format!("HTTP/1.1 200 OK\r\n{half}").into_bytes())).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", origin.address())).await?;
    let record = record(&setup).await?;
    let body = record.response.and_then(|response| response.body).expect("a body");
    assert_eq!((&body.data[..], body.size, body.cut), (&b""[..], 9, true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_pattern_names_however_it_is_written() -> anyhow::Result<()> {
    let setup =
        Setup::start(|config| config.redact.patterns = vec!["joe@a[.]example".parse().expect("a pattern")]).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/echo?to=joe%40a.example", setup.origin.plain());
    let text = r#"{"to":"joe\u0040a.example"}"#;
    let mut request = http.request("POST", &url, body::full(text))?;
    request.headers_mut().insert("cookie", "to=joe%40a.example".parse()?);
    assert_eq!(http.exchange(request).await?.text(), text, "what passes is as it was");
    let record = record(&setup).await?;
    let request = record.request.expect("a request");
    assert_eq!((&*request.path, field(&request.headers, "cookie")), ("/echo?to=[redacted]", Some("to=[redacted]")));
    for body in [request.body, record.response.and_then(|response| response.body)] {
        assert_eq!(&body.expect("a body").data[..], br#"{"to":"[redacted]"}"#);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_upgraded_with_what_passed() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let origin = setup.origin.plain().to_string();
    let stream = setup.agent.client()?.dial().await?;
    let mut socket = WebSocket::open(stream, &format!("http://{origin}/ws"), &origin).await?;
    socket.echo(&[7; 1000]).await?;
    socket.close().await?;
    let record = record(&setup).await?;
    assert_eq!(record.outcome(), Outcome::Upgraded);
    assert_eq!(record.response.as_ref().map(|response| response.status), Some(101));
    assert!(record.request.and_then(|request| request.body).is_some_and(|body| body.size > 1000), "bytes up");
    assert!(record.response.and_then(|response| response.body).is_some_and(|body| body.size > 1000), "bytes down");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_both_ways() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", "9".parse()?);
    let body = Pattern::new(1, 9).trailed(trailers).boxed();
    let mut request = http.request("POST", &format!("http://{}/echo", setup.origin.plain()), body)?;
    request.headers_mut().insert("trailer", "x-sum".parse()?);
    request.headers_mut().insert("te", "trailers".parse()?);
    http.exchange(request).await?;
    let record = record(&setup).await?;
    assert_eq!(field(&record.request.expect("a request").trailers, "x-sum"), Some("9"));
    assert_eq!(field(&record.response.expect("a response").trailers, "x-sum"), Some("9"));
    Ok(())
}
