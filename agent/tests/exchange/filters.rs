//! Exchanges that meet a filter: what it changes, answers, closes and breaks.

use std::time::Duration;

use proptest::prelude::*;
use weir_agent::filters::{Source, swap};
use weir_artifact::FailurePolicy;
use weir_testkit::body::{self, Pattern};
use weir_testkit::client::Alpn;
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, eventually};

use crate::agent::Setup;
use crate::bodies::{Case, case, pass};
use crate::guest::{BUFFER, Guest, OBSERVE, TRANSFORM, Wants};

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;

async fn filtered(guest: &Guest) -> anyhow::Result<Setup> {
    filtered_by(guest, FailurePolicy::Closed).await
}

async fn filtered_by(guest: &Guest, policy: FailurePolicy) -> anyhow::Result<Setup> {
    let setup = Setup::start(|config| config.upstream.head_timeout = Duration::from_secs(10)).await?;
    let artifact = guest.publish("guest", |publication| publication.on_failure = policy);
    swap(&setup.agent.shared, artifact, Source::Folder).await?;
    Ok(setup)
}

/// How many exchanges ended so, by the metrics.
async fn ended(setup: &Setup, outcome: &str) -> anyhow::Result<()> {
    let wanted = format!("outcome=\"{outcome}\"}} 1");
    eventually(PATIENCE, &wanted, async || {
        Ok(weir_agent::stats::text(&setup.agent.shared).contains(&wanted).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_changed_on_both_ways() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_head: true, response_head: true, ..Wants::default() });
    guest.request_head = format!("{} global.get $next", guest.set(REQUEST, "x-up", "1"));
    guest.response_head = format!("{} global.get $next", guest.set(RESPONSE, "x-down", "2"));
    let setup = filtered(&guest).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let reply = http.get(&format!("http://{}/heard", setup.origin.plain())).await?;
    assert_eq!(reply.header("x-down"), "2");
    let heard = setup.origin.heard_for("/heard").expect("heard");
    assert_eq!(heard.headers["x-up"], "1");
    assert!(!heard.headers.contains_key("connection"));
    ended(&setup, "complete").await
}

/// Bodies through a guest that has every chunk.
async fn whole_bodies(wants: Wants, hold: bool) -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_head: true, response_head: true, ..wants });
    if hold {
        guest.request_head = "global.get $hold".into();
        guest.response_head = "global.get $hold".into();
    }
    let setup = filtered(&guest).await?;
    for http2 in [None, Some(true)] {
        for sized in [true, false] {
            for size in [0, 1, 100_000] {
                let case = Case { http2, size, by: 30_000, sized, down: size, down_chunked: !sized };
                assert_eq!(pass(&setup, &case).await?, (size, size), "{case:?}");
            }
        }
    }
    let stats = &setup.agent.shared.stats;
    let over = async || Ok((stats.exchanges_active() == 0 && stats.exchanges_total() == 24).then_some(()));
    eventually(PATIENCE, "the end of all", over).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_observed_pass() -> anyhow::Result<()> {
    whole_bodies(Wants { request_body: OBSERVE, response_body: OBSERVE, ..Wants::default() }, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_may_be_transformed_pass() -> anyhow::Result<()> {
    whole_bodies(Wants { request_body: TRANSFORM, response_body: TRANSFORM, ..Wants::default() }, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_buffered_pass() -> anyhow::Result<()> {
    let wants = Wants { request_body: BUFFER, response_body: BUFFER, max_buffer: 1 << 20, ..Wants::default() };
    whole_bodies(wants, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_whose_heads_are_held_pass() -> anyhow::Result<()> {
    let wants = Wants { request_body: TRANSFORM, response_body: TRANSFORM, max_buffer: 40_000, ..Wants::default() };
    whole_bodies(wants, true).await
}

#[test]
fn small_bodies_pass_through_a_guest_whatever_their_framing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for mode in [OBSERVE, TRANSFORM] {
        let wants = Wants { request_body: mode, response_body: mode, ..Wants::default() };
        let setup = runtime.block_on(filtered(&Guest::new(wants))).unwrap();
        let config = ProptestConfig { cases: 100, ..ProptestConfig::default() };
        proptest!(config, |(case in case())| {
            let passed = runtime.block_on(pass(&setup, &case));
            prop_assert_eq!(passed.map_err(|error| TestCaseError::fail(format!("{error:#}")))?, (case.size, case.down));
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_goes_on_only_as_far_as_it_is_known() -> anyhow::Result<()> {
    let lengths = async |mode: u8, hold: bool| {
        let mut guest =
            Guest::new(Wants { response_head: true, response_body: mode, max_buffer: 9999, ..Wants::default() });
        if hold {
            guest.response_head = "global.get $hold".into();
        }
        if mode == TRANSFORM {
            let text = guest.text("other");
            guest.body =
                format!("(if (result i32) (local.get $len) (then (call $replace {text})) (else (global.get $next)))");
        }
        let setup = filtered(&guest).await?;
        let mut http = setup.agent.client()?.forward().await?;
        let url = format!("http://{}/bytes/100", setup.origin.plain());
        let get = http.get(&url).await?;
        let request = http.request("HEAD", &url, body::empty())?;
        let head = http.exchange(request).await?;
        let length = |reply: &weir_testkit::client::Reply| reply.header("content-length").to_owned();
        anyhow::Ok((get.body.len(), length(&get), length(&head)))
    };
    assert_eq!(lengths(OBSERVE, false).await?, (100, "100".into(), "100".into()));
    assert_eq!(lengths(TRANSFORM, false).await?, (5, String::new(), String::new()));
    assert_eq!(lengths(TRANSFORM, true).await?, (5, "5".into(), String::new()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_answers_by_the_head_and_the_upstream_hears_nothing() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    guest.request_head = "global.get $respond".into();
    let setup = filtered(&guest).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/", setup.origin.plain());
    let reply = http.get(&url).await?;
    assert_eq!((reply.status.as_u16(), reply.text().as_str(), reply.header("x-filter")), (403, "denied", "yes"));
    assert_eq!(reply.header("content-length"), "6");
    ended(&setup, "filter-answered").await?;
    let request = http.request("HEAD", &url, body::empty())?;
    let reply = http.exchange(request).await?;
    assert_eq!((reply.status.as_u16(), reply.header("content-length"), reply.body.len()), (403, "6", 0));
    let mut http = setup.agent.client()?.intercepted(&setup.tls(), Alpn::Http2).await?;
    let request = http.request("HEAD", &format!("https://{}/", setup.tls()), body::empty())?;
    let reply = http.exchange(request).await?;
    assert_eq!((reply.status.as_u16(), reply.header("content-length"), reply.body.len()), (403, "6", 0));
    assert_eq!(setup.origin.requests(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_denies_an_upgrade_leaves_no_word_of_it() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { response_head: true, ..Wants::default() });
    guest.response_head =
        "(call $set-status (local.get $of) (i32.const 403) (i32.const 0x300)) global.get $next".to_owned();
    let setup = filtered(&guest).await?;
    let origin = setup.origin.plain();
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client
        .say(format!(
            "GET http://{origin}/ws HTTP/1.1\r\nHost: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ))
        .await?;
    let answer = client.response().await?;
    assert_eq!((answer.status, answer.body.len()), (403, 0));
    assert!(!answer.head.to_ascii_lowercase().contains("upgrade"), "{}", answer.head);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_answers_in_the_middle_of_an_upload() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_body: OBSERVE, ..Wants::default() });
    guest.body = "global.get $chunk-respond".into();
    let setup = filtered(&guest).await?;
    let silent = RawOrigin::start(Script::Silence).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let upload = Pattern::new(1, 8 << 20).by(64 << 10).boxed();
    let request = http.request("POST", &format!("http://{}/", silent.address()), upload)?;
    let reply = http.exchange(request).await?;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (403, "denied"));
    ended(&setup, "filter-answered").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_closes_without_an_answer() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    guest.request_head = "global.get $abort".into();
    let setup = filtered(&guest).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", setup.origin.plain())).await?;
    assert_eq!(client.hear_all().await?, b"");
    ended(&setup, "filter-answered").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_ends_or_leaves_the_exchange_as_its_policy_says() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    guest.request_head = "unreachable".into();
    let setup = filtered(&guest).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let problem = http.get(&format!("http://{}/", setup.origin.plain())).await?.problem(500, "filter")?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("guest") && detail.contains("on-request-head"), "{detail}");
    ended(&setup, "filter-failed").await?;

    let setup = filtered_by(&guest, FailurePolicy::Open).await?;
    let mut http = setup.agent.client()?.forward().await?;
    assert_eq!(http.get(&format!("http://{}/", setup.origin.plain())).await?.status, 200);
    ended(&setup, "complete").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_when_the_head_is_out_cuts_the_response_off() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { response_body: TRANSFORM, ..Wants::default() });
    guest.body = "unreachable".into();
    let setup = filtered(&guest).await?;
    let mut client = Raw::dial(setup.agent.proxy).await?;
    client.say(format!("GET http://{0}/bytes/100 HTTP/1.1\r\nHost: {0}\r\n\r\n", setup.origin.plain())).await?;
    let heard = String::from_utf8_lossy(&client.hear_all().await?).into_owned();
    assert!(heard.is_empty() || (heard.starts_with("HTTP/1.1 200 OK") && !heard.ends_with("0\r\n\r\n")), "{heard}");
    ended(&setup, "filter-failed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_answers_for_a_dead_upstream() -> anyhow::Result<()> {
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    guest.upstream_error = "global.get $respond".into();
    let setup = filtered(&guest).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let reply = http.get("http://no-such-name.invalid/").await?;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (403, "denied"));
    ended(&setup, "filter-answered").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_sends_the_exchange_elsewhere_but_not_everywhere() -> anyhow::Result<()> {
    let other = RawOrigin::start(Script::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother".into())).await?;
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    let authority = guest.text(&other.address().to_string());
    guest.request_head =
        format!("(call $set-authority (local.get $of) {authority} (i32.const 0x300)) global.get $next");
    let setup = filtered(&guest).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let reply = http.get(&format!("http://{}/", setup.origin.plain())).await?;
    assert_eq!(reply.text(), "other");
    assert!(other.heard()[0].contains(&format!("host: {}\r\n", other.address())), "{:?}", other.heard());

    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    let authority = guest.text(&setup.agent.proxy.to_string());
    guest.request_head =
        format!("(call $set-authority (local.get $of) {authority} (i32.const 0x300)) global.get $next");
    swap(&setup.agent.shared, guest.publish("guest", |publication| publication.version = 2), Source::Folder).await?;
    http.get(&format!("http://{}/", setup.origin.plain())).await?.problem(508, "client")?;
    Ok(())
}
