//! Exchanges that pause at breakpoints: what a client says, what a person makes of it, what the upstream hears, what the
//! client gets, and what the record says.

use weir_agent::filters::{Source, swap};
use weir_agent::interception::{Interception, Refused};
use weir_proto::v1::{self, Exchange, Outcome, decide::Decision};
use weir_testkit::body::{self, Pattern};
use weir_testkit::client::{Alpn, Http};
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, eventually};

use crate::agent::Setup;
use crate::guest::{Guest, TRANSFORM, Wants};
use crate::records::{field, record};

const LONG: u32 = 300_000;

fn breakpoint(query: &str) -> v1::Breakpoint {
    v1::Breakpoint {
        id: vec![7; 16].into(),
        query: query.to_owned(),
        at_request: true,
        body_bytes: 1000,
        timeout_ms: LONG,
        most: 10,
        lease_ms: LONG,
        ..v1::Breakpoint::default()
    }
}

fn at_response(query: &str) -> v1::Breakpoint {
    v1::Breakpoint { at_request: false, at_response: true, ..breakpoint(query) }
}

fn set(interception: &Interception, breakpoint: v1::Breakpoint) {
    let states = interception.set(v1::SetBreakpoints { breakpoints: vec![breakpoint] }).states;
    assert_eq!(states[0].refused, "");
}

impl Setup {
    fn points(&self) -> &Interception {
        &self.agent.shared.interception
    }

    /// What pauses, once something does.
    async fn paused(&self) -> anyhow::Result<v1::Held> {
        let first = async || Ok(self.points().list().paused.first().and_then(|first| self.points().read(&first.id)));
        eventually(PATIENCE, "a pause", first).await
    }

    fn decide(&self, held: &v1::Held, decision: Decision) -> Result<v1::Decided, Refused> {
        let id = held.paused.as_ref().expect("a pause").id.clone();
        self.points().decide(v1::Decide { id, by: "user:ann".to_owned(), decision: Some(decision) })
    }

    /// Decides about what pauses next.
    async fn decide_next(&self, decision: Decision) -> anyhow::Result<v1::Held> {
        let held = self.paused().await?;
        self.decide(&held, decision)?;
        Ok(held)
    }
}

fn go_on() -> Decision {
    Decision::GoOn(v1::GoOn {})
}

fn fields(fields: &[(&str, &str)]) -> Vec<v1::Field> {
    let field = |(name, value): &(&str, &str)| v1::Field { name: (*name).into(), value: value.to_string().into() };
    fields.iter().map(field).collect()
}

fn edit(headers: Option<&[(&str, &str)]>, body: Option<&str>) -> v1::Modify {
    v1::Modify {
        headers: headers.map(|headers| v1::HeaderEdit { fields: fields(headers) }),
        body: body.map(|body| body.to_owned().into()),
        ..v1::Modify::default()
    }
}

fn intervention(record: &Exchange) -> (&str, &str, Vec<&str>) {
    assert_eq!(record.interventions.len(), 1, "{:?}", record.interventions);
    let how = &record.interventions[0];
    (&how.decision, &how.by, how.changed.iter().map(String::as_str).collect())
}

/// Each kind of connection, and the URL of the origin over it.
async fn connections(setup: &Setup) -> anyhow::Result<[(Http, String); 3]> {
    let client = setup.agent.client()?;
    Ok([
        (client.forward().await?, format!("http://{}", setup.origin.plain())),
        (client.intercepted(&setup.tls_http1(), Alpn::Http1).await?, format!("https://{}", setup.tls_http1())),
        (client.intercepted(&setup.tls(), Alpn::Http2).await?, format!("https://{}", setup.tls())),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_on_as_it_was_or_as_somebody_made_it() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("method:POST path:/echo*"));
    for (mut http, base) in connections(&setup).await? {
        let url = format!("{base}/echo?first");
        let (response, held) = tokio::join!(http.post(&url, body::full("mine")), setup.decide_next(go_on()));
        let (response, held) = (response?, held?);
        assert_eq!((&*response.text(), &held.body[..]), ("mine", &b"mine"[..]));
        let (shown, as_it_was) = (held.paused.unwrap(), record(&setup).await?);
        assert!(shown.body_is_whole && !shown.at_response && shown.exchange == as_it_was.id, "{shown:?}");
        assert!(as_it_was.filtered_request.is_none());
        assert_eq!(intervention(&as_it_was), ("continue", "user:ann", vec![]));
        assert!(as_it_was.interventions[0].waited_us > 0);

        let (method, url_now) = (Some("PUT".to_owned()), Some(format!("{base}/echo?second")));
        let edit =
            v1::Modify { method, url: url_now, ..edit(Some(&[("x-new", "1"), ("x-new", "2")]), Some("quite another")) };
        let (response, held) =
            tokio::join!(http.post(&url, body::full("mine")), setup.decide_next(Decision::Modify(edit)));
        let (response, _) = (response?, held?);
        assert_eq!(response.text(), "quite another");
        let edited = record(&setup).await?;
        let (sent, passed_on) = (edited.request.as_ref().unwrap(), edited.filtered_request.as_ref().unwrap());
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/echo?first"));
        assert_eq!((passed_on.method.as_str(), passed_on.path.as_str()), ("PUT", "/echo?second"));
        assert_eq!(field(&passed_on.headers, "x-new"), Some("1"));
        assert_eq!(field(&passed_on.headers, "content-length"), Some("13"));
        assert_eq!(sent.body.as_ref().unwrap().data, "mine");
        assert_eq!(passed_on.body.as_ref().unwrap().data, "quite another");
        assert_eq!(intervention(&edited), ("modify", "user:ann", vec!["method", "url", "headers", "body"]));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_goes_on_as_it_was_or_as_somebody_made_it() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), at_response("status:200 path:/echo*"));
    for (mut http, base) in connections(&setup).await? {
        let url = format!("{base}/echo");
        let (response, held) = tokio::join!(http.post(&url, body::full("mine")), setup.decide_next(go_on()));
        let (response, held) = (response?, held?);
        assert_eq!((&*response.text(), &held.body[..]), ("mine", &b"mine"[..]));
        assert_eq!(held.paused.unwrap().response.unwrap().status, 200);
        assert!(record(&setup).await?.original_response.is_none());

        let edit = v1::Modify { status: Some(503), ..edit(Some(&[("x-new", "1")]), Some("quite another")) };
        let (response, held) =
            tokio::join!(http.post(&url, body::full("mine")), setup.decide_next(Decision::Modify(edit)));
        let (response, _) = (response?, held?);
        assert_eq!((response.status.as_u16(), &*response.text()), (503, "quite another"));
        let edited = record(&setup).await?;
        let (sent, received) = (edited.response.as_ref().unwrap(), edited.original_response.as_ref().unwrap());
        assert_eq!((sent.status, received.status), (503, 200));
        assert_eq!((field(&sent.headers, "x-new"), field(&sent.headers, "content-length")), (Some("1"), Some("13")));
        assert_eq!(sent.body.as_ref().unwrap().data, "quite another");
        assert_eq!(received.body.as_ref().unwrap().data, "mine");
        assert_eq!(intervention(&edited), ("modify", "user:ann", vec!["status", "headers", "body"]));

        let respond = v1::Respond { status: 418, headers: fields(&[("x-a", "b")]), body: "short".into() };
        let (response, held) =
            tokio::join!(http.post(&url, body::full("mine")), setup.decide_next(Decision::Respond(respond)));
        let (response, _) = (response?, held?);
        assert_eq!((response.status.as_u16(), &*response.text()), (418, "short"));
        record(&setup).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_blocked_or_closed() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("path:/echo"));
    for at in 0..3 {
        let respond = v1::Respond { status: 201, headers: fields(&[("x-a", "b")]), body: "made up".into() };
        for (decision, name, outcome) in [
            (Decision::Respond(respond), "respond", Outcome::Complete),
            (Decision::Block(v1::Block {}), "block", Outcome::Refused),
            (Decision::Kill(v1::Kill {}), "kill", Outcome::Refused),
        ] {
            let (mut http, base) = connections(&setup).await?.into_iter().nth(at).unwrap();
            let url = format!("{base}/echo");
            let (response, held) = tokio::join!(http.post(&url, body::full("mine")), setup.decide_next(decision));
            held?;
            match name {
                "respond" => {
                    let response = response?;
                    assert_eq!((response.status.as_u16(), &*response.text()), (201, "made up"));
                }
                "block" => {
                    let response = response?;
                    assert_eq!(response.status, 403);
                    assert!(response.text().contains("urn:weir:problem:blocked"), "{}", response.text());
                }
                _ => assert!(response.is_err(), "{response:?}"),
            }
            let record = record(&setup).await?;
            assert_eq!((intervention(&record).0, record.outcome()), (name, outcome));
            assert!(record.upstream_address.is_empty(), "{name}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_elsewhere_if_the_agent_may_go_there() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let other = RawOrigin::start(Script::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother".to_vec())).await?;
    set(setup.points(), breakpoint("path:/get"));
    for (mut http, base) in connections(&setup).await? {
        let to = format!("http://{}", other.address());
        let redirect = Decision::Redirect(v1::Redirect { to: to.clone() });
        let url = format!("{base}/get");
        let (response, held) = tokio::join!(http.get(&url), setup.decide_next(redirect));
        held?;
        assert_eq!(response?.text(), "other", "{base}");
        let record = record(&setup).await?;
        assert_eq!(record.upstream_address, other.address().to_string());
        let passed_on = record.filtered_request.as_ref().unwrap();
        assert_eq!((passed_on.scheme.as_str(), &passed_on.authority), ("http", &other.address().to_string()));
        assert_eq!(field(&passed_on.headers, "host"), Some(&*other.address().to_string()));
    }
    for forbidden in ["http://169.254.169.254".to_owned(), format!("http://{}", setup.agent.proxy)] {
        let (mut http, base) = connections(&setup).await?.into_iter().next().unwrap();
        let redirect = Decision::Redirect(v1::Redirect { to: forbidden.clone() });
        let url = format!("{base}/get");
        let (response, held) = tokio::join!(http.get(&url), setup.decide_next(redirect));
        held?;
        assert!(matches!(response?.status.as_u16(), 403 | 508), "{forbidden}");
        record(&setup).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decides_ends_by_the_policy_of_its_breakpoint() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/echo", setup.origin.plain());
    for (fails, status, outcome) in [(false, 200, Outcome::Complete), (true, 504, Outcome::Refused)] {
        for way in ["timed-out", "lease-ended"] {
            let one = v1::Breakpoint {
                fails,
                id: vec![u8::from(fails) * 2 + u8::from(way == "timed-out"); 16].into(),
                ..breakpoint("path:/echo")
            };
            match way {
                "timed-out" => set(setup.points(), v1::Breakpoint { timeout_ms: 50, ..one }),
                _ => set(setup.points(), v1::Breakpoint { lease_ms: 400, ..one }),
            }
            assert_eq!(http.post(&url, body::full("mine")).await?.status, status, "{way}");
            let record = record(&setup).await?;
            assert_eq!((intervention(&record), record.outcome()), ((way, "", vec![]), outcome));
            assert_eq!(record.interventions[0].failed, fails);
        }
    }
    assert!(setup.points().is_armed());
    assert_eq!(http.post(&url, body::full("mine")).await?.status, 200);
    assert!(!setup.points().is_armed(), "a breakpoint whose lease ended is gone");
    record(&setup).await?;

    // taken away, and the orchestrator lost
    for away in [true, false] {
        set(setup.points(), v1::Breakpoint { fails: true, ..breakpoint("path:/echo") });
        let end = async {
            setup.paused().await?;
            match away {
                true => drop(setup.points().set(v1::SetBreakpoints::default())),
                false => setup.points().lost(),
            }
            anyhow::Ok(())
        };
        let (response, ended) = tokio::join!(http.post(&url, body::full("mine")), end);
        ended?;
        assert_eq!(response?.status, 504);
        assert_eq!(intervention(&record(&setup).await?).0, "lease-ended");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_decision_counts_and_none_that_cannot_be() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("path:/echo"));
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/echo", setup.origin.plain());
    let decide = async {
        let held = setup.paused().await?;
        for bad in [
            edit(Some(&[("x", "a\r\nContent-Length: 0")]), None),
            edit(Some(&[("transfer-encoding", "chunked")]), None),
            edit(Some(&[("content-length", "3")]), Some("four")),
            v1::Modify { url: Some("http://x/ HTTP/1.1\r\nx: y".into()), ..v1::Modify::default() },
        ] {
            let refused = setup.decide(&held, Decision::Modify(bad)).unwrap_err();
            assert!(matches!(refused, Refused::Invalid(_)), "{refused:?}");
        }
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| setup.decide(&held, go_on()))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(Refused::Gone)).count(), 7);
        anyhow::Ok(())
    };
    let (response, decided) = tokio::join!(http.post(&url, body::full("mine")), decide);
    decided?;
    assert_eq!(response?.text(), "mine");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn those_beyond_the_bound_pass() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), v1::Breakpoint { most: 2, ..breakpoint("path:/get") });
    let client = setup.agent.client()?;
    let url = format!("http://{}/get", setup.origin.plain());
    let mut held = Vec::new();
    for count in 1..=2 {
        let (mut http, url) = (client.forward().await?, url.clone());
        held.push(tokio::spawn(async move { http.get(&url).await }));
        let paused = async || Ok((setup.points().list().paused.len() == count).then_some(()));
        eventually(PATIENCE, "a pause", paused).await?;
    }
    assert_eq!(client.forward().await?.get(&url).await?.status, 200);
    let state = setup.points().list().states.remove(0);
    assert_eq!((state.paused_total, state.passed_total), (2, 1));
    for _ in 1..=2 {
        setup.decide_next(go_on()).await?;
    }
    for held in held {
        assert_eq!(held.await??.status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_its_pause_and_another_stream_goes_on() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("path:/get"));
    let none = async || Ok(setup.points().list().paused.is_empty().then_some(()));
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("GET http://{0}/get HTTP/1.1\r\nHost: {0}\r\n\r\n", setup.origin.plain())).await?;
    setup.paused().await?;
    drop(raw);
    eventually(PATIENCE, "the end of the pause", none).await?;
    assert_eq!(record(&setup).await?.outcome(), Outcome::ClientGone);

    let (http, base) = connections(&setup).await?.into_iter().nth(2).unwrap();
    let Http::Two(streams) = http else { anyhow::bail!("HTTP/2 was asked for") };
    let (mut paused, mut other) = (Http::Two(streams.clone()), Http::Two(streams));
    let held = tokio::spawn({
        let url = format!("{base}/get");
        async move { paused.get(&url).await }
    });
    setup.paused().await?;
    assert_eq!(other.post(&format!("{base}/echo"), body::full("free")).await?.text(), "free");
    held.abort();
    eventually(PATIENCE, "the end of the pause", none).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_body_the_beginning_is_held_and_all_of_it_goes_on() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), v1::Breakpoint { at_response: true, ..breakpoint("path:/echo") });
    for (mut http, base) in connections(&setup).await? {
        for pattern in [Pattern::new(1, 300_000).by(700), Pattern::new(1, 300_000).by(700).chunked()] {
            let request = http.request("POST", &format!("{base}/echo"), pattern.boxed())?;
            let decide = async {
                for at_response in [false, true] {
                    let held = setup.paused().await?;
                    let paused = held.paused.as_ref().unwrap();
                    assert_eq!(paused.at_response, at_response);
                    assert!(!paused.body_is_whole && held.body.len() >= 1000, "{}", held.body.len());
                    let refused = setup.decide(&held, Decision::Modify(edit(None, Some("x")))).unwrap_err();
                    assert!(refused.to_string().contains("longer than"), "{refused}");
                    setup.decide(&held, go_on())?;
                }
                anyhow::Ok(())
            };
            let (response, decided) = tokio::join!(http.send(request), decide);
            decided?;
            assert_eq!(body::check(response?.into_body(), 1).await?.0, 300_000);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_stops_lets_go_of_what_pauses() -> anyhow::Result<()> {
    let mut setup = Setup::start(|_| {}).await?;
    set(setup.points(), breakpoint("path:/get"));
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/get", setup.origin.plain());
    let held = tokio::spawn(async move { http.get(&url).await });
    setup.paused().await?;
    setup.agent.shared.shutdown.begin();
    assert_eq!(held.await??.status, 200);
    setup.agent.join();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_have_the_last_word_about_what_a_person_made() -> anyhow::Result<()> {
    let both = Wants { request_body: TRANSFORM, response_body: TRANSFORM, ..Wants::default() };
    let mut guest = Guest::new(Wants { request_head: true, response_head: true, ..both });
    guest.request_head = format!("{} global.get $next", guest.set(0, "x-type", "a filter's"));
    guest.response_head = format!("{} global.get $next", guest.set(1, "x-down", "a filter's"));
    guest.body = "global.get $next".into();
    let setup = Setup::start(|_| {}).await?;
    swap(&setup.agent.shared, guest.artifact("guest"), Source::Folder).await?;
    set(setup.points(), v1::Breakpoint { at_response: true, ..breakpoint("path:/echo") });
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/echo", setup.origin.plain());
    let decide = async {
        let mine = edit(Some(&[("x-type", "a person's"), ("x-mine", "1")]), Some("edited going up"));
        let up = setup.decide_next(Decision::Modify(mine)).await?;
        let down =
            setup.decide_next(Decision::Modify(edit(Some(&[("x-down", "a person's")]), Some("and down")))).await?;
        anyhow::Ok((up, down))
    };
    let (response, held) = tokio::join!(http.post(&url, body::full("mine")), decide);
    let (response, (up, down)) = (response?, held?);
    assert_eq!((&up.body[..], &down.body[..]), (&b"mine"[..], &b"edited going up"[..]));
    assert_eq!((response.header("x-down"), &*response.text()), ("a filter's", "and down"));
    let record = record(&setup).await?;
    let (sent, passed_on) = (record.request.as_ref().unwrap(), record.filtered_request.as_ref().unwrap());
    assert_eq!((field(&sent.headers, "x-mine"), field(&sent.headers, "x-type")), (None, None));
    assert_eq!(field(&passed_on.headers, "x-mine"), Some("1"));
    assert_eq!(field(&passed_on.headers, "x-type"), Some("a filter's"));
    assert_eq!(
        (&sent.body.as_ref().unwrap().data[..], &passed_on.body.as_ref().unwrap().data[..]),
        (&b"mine"[..], &b"edited going up"[..])
    );
    let (got, received) = (record.response.as_ref().unwrap(), record.original_response.as_ref().unwrap());
    assert_eq!((field(&got.headers, "x-down"), field(&received.headers, "x-down")), (Some("a filter's"), None));
    assert_eq!(
        (&got.body.as_ref().unwrap().data[..], &received.body.as_ref().unwrap().data[..]),
        (&b"and down"[..], &b"edited going up"[..])
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_replaces_an_encoded_body_says_how_it_is_encoded() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let coded = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00".to_vec();
    set(setup.points(), at_response("status:200"));
    for (is_plain, encoding) in [(true, ""), (false, "gzip")] {
        let origin = RawOrigin::start(Script::Answer(coded.clone())).await?;
        let mut http = setup.agent.client()?.forward().await?;
        let url = format!("http://{}/", origin.address());
        let edit = v1::Modify { body_is_plain: is_plain, ..edit(None, Some("another")) };
        let (response, held) = tokio::join!(http.get(&url), setup.decide_next(Decision::Modify(edit)));
        let (response, held) = (response?, held?);
        assert_eq!(&held.body[..], b"\x1f\x8b\x08\x00");
        assert_eq!((response.header("content-encoding"), &*response.text()), (encoding, "another"));
        assert_eq!(response.header("content-length"), "7");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_with_no_content_has_none() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), at_response("path:/text/x or path:/status/*"));
    let mut http = setup.agent.client()?.forward().await?;
    for (path, status, body, expect) in [
        ("/text/x", 204, None, ""),
        ("/status/204", 200, None, ""),
        ("/status/204", 200, Some("something"), "something"),
        ("/status/304", 200, None, ""),
    ] {
        let url = format!("http://{}{path}", setup.origin.plain());
        let modify = v1::Modify { status: Some(status), ..edit(None, body) };
        let (response, held) = tokio::join!(http.get(&url), setup.decide_next(Decision::Modify(modify)));
        held?;
        let response = response?;
        assert_eq!((u32::from(response.status.as_u16()), &*response.text()), (status, expect), "{path}");
        // the connection is where it should be: the next answer is the next request's
        set(setup.points(), v1::Breakpoint { id: vec![9; 16].into(), ..at_response("path:/none") });
        assert_eq!(http.get(&format!("http://{}/", setup.origin.plain())).await?.text(), "hello\n");
        set(setup.points(), at_response("path:/text/x or path:/status/*"));
    }
    Ok(())
}
