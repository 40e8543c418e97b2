//! What a person decides about: a message goes on as it was or as it was made, is answered, sent elsewhere, blocked or closed; once.

use weir_agent::filters::{Source, swap};
use weir_agent::interception::Refused;
use weir_proto::v1::{self, Outcome, decide::Decision};
use weir_testkit::body;
use weir_testkit::raw::{RawOrigin, Script};

use super::{at_response, breakpoint, connections, edit, fields, go_on, intervention, set};
use crate::agent::Setup;
use crate::guest::{Guest, TRANSFORM, Wants};
use crate::records::{field, record};

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
