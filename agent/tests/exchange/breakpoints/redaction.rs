//! What rules of redaction name is not shown of what pauses, and goes on all the same.

use weir_agent::config::Config;
use weir_agent::interception::Refused;
use weir_proto::v1::{self, decide::Decision};
use weir_testkit::body;
use weir_testkit::client::Reply;

use super::{at_response, breakpoint, connections, edit, fields, go_on, set};
use crate::agent::Setup;
use crate::records::{field, record};

const SECRET: &str = "hunter2-never-to-be-seen";

fn rules(config: &mut Config) {
    config.redact.headers = vec![http::header::AUTHORIZATION];
    config.redact.query = vec!["token".to_owned()];
    config.redact.json = vec!["/password".parse().expect("a place")];
    config.redact.patterns = vec!["sk-[a-z0-9-]+[a-z0-9]".parse().expect("a pattern")];
}

/// A request with the secret wherever a rule names it.
async fn send(http: &mut weir_testkit::client::Http, base: &str, more: &[(&str, &str)]) -> anyhow::Result<Reply> {
    let sent = format!(r#"{{"password":"{SECRET}","key":"sk-{SECRET}","name":"ann"}}"#);
    let mut request = http.request("POST", &format!("{base}/echo?token={SECRET}"), body::full(sent))?;
    request.headers_mut().insert("authorization", format!("Bearer {SECRET}").parse()?);
    request.headers_mut().insert("content-type", "application/json".parse()?);
    for (name, value) in more {
        request.headers_mut().insert(http::HeaderName::try_from(*name)?, value.parse()?);
    }
    http.exchange(request).await
}

fn is_nowhere(message: &(impl prost::Message + std::fmt::Debug)) {
    let bytes = message.encode_to_vec();
    assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "{message:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_not_shown_and_goes_on_though_somebody_edits_around_it() -> anyhow::Result<()> {
    let setup = Setup::start(rules).await?;
    set(setup.points(), v1::Breakpoint { at_response: true, ..breakpoint("path:/echo") });
    for (mut http, base) in connections(&setup).await? {
        let decide = async {
            let up = setup.paused().await?;
            let shown = up.paused.as_ref().unwrap().request.clone().unwrap();
            assert_eq!(shown.path, "/echo?token=%5Bredacted-1%5D");
            assert_eq!(up.body, r#"{"password":"[redacted-3]","key":"[redacted-4]","name":"ann"}"#);
            let mut edited = edit(None, Some(r#"{"name":"bob","key":"[redacted-4]","password":"[redacted-3]"}"#));
            edited.url = Some(format!("{base}/echo?token=%5Bredacted-1%5D&more"));
            let headers =
                fields(&[("x-new", "1"), ("authorization", "[redacted-2]"), ("content-type", "application/json")]);
            edited.headers = Some(v1::HeaderEdit { fields: headers });
            let done = setup.decide(&up, Decision::Modify(edited))?;
            let down = setup.paused().await?;
            setup.decide(&down, go_on())?;
            anyhow::Ok((up, done, down))
        };
        let (reply, held) = tokio::join!(send(&mut http, &base, &[]), decide);
        let (reply, (up, done, down)) = (reply?, held?);
        assert_eq!(reply.text(), format!(r#"{{"name":"bob","key":"sk-{SECRET}","password":"{SECRET}"}}"#));
        let heard = setup.origin.heard_for(&format!("/echo?token={SECRET}&more")).expect("the origin heard it");
        assert_eq!(heard.headers["authorization"], format!("Bearer {SECRET}"));
        assert_eq!(heard.headers["x-new"], "1");
        let record = record(&setup).await?;
        let passed_on = record.filtered_request.as_ref().unwrap();
        assert_eq!(
            (&*passed_on.path, field(&passed_on.headers, "x-new")),
            ("/echo?token=%5Bredacted%5D&more", Some("1"))
        );
        is_nowhere(&up);
        is_nowhere(&done);
        is_nowhere(&down);
        is_nowhere(&record);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_neither_elsewhere_nor_is_a_marker_sent_for_it() -> anyhow::Result<()> {
    let setup = Setup::start(rules).await?;
    set(setup.points(), breakpoint("path:/echo"));
    let (mut http, base) = connections(&setup).await?.into_iter().next().unwrap();
    let decide = async {
        let held = setup.paused().await?;
        let elsewhere = |to: &str| Decision::Redirect(v1::Redirect { to: to.to_owned() });
        let header = |name, value| Decision::Modify(edit(Some(&[(name, value)]), None));
        for (decision, says) in [
            (elsewhere("http://elsewhere.example"), "does not go to another host"),
            (header("authorization", "[redacted]"), "stands for no value"),
            (header("x-other", "[redacted-2]"), "cannot be put into `x-other`"),
            (Decision::Modify(edit(None, Some(r#"{"name":"[redacted-3]"}"#))), "would be recorded"),
        ] {
            let refused = setup.decide(&held, decision).unwrap_err();
            assert!(matches!(&refused, Refused::Invalid(why) if why.contains(says)), "{refused}");
        }
        setup.decide(&held, header("authorization", "mine"))?;
        anyhow::Ok(())
    };
    let (reply, decided) = tokio::join!(send(&mut http, &base, &[]), decide);
    decided?;
    assert_eq!(reply?.status, 200);
    let heard = setup.origin.heard_for(&format!("/echo?token={SECRET}")).expect("the origin heard it");
    assert_eq!(heard.headers["authorization"], "mine");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_can_look_into_is_not_shown_and_can_be_replaced() -> anyhow::Result<()> {
    let setup = Setup::start(rules).await?;
    set(setup.points(), breakpoint("path:/echo"));
    let (mut http, base) = connections(&setup).await?.into_iter().next().unwrap();
    for replace in [false, true] {
        let decision = match replace {
            true => Decision::Modify(v1::Modify { body_is_plain: true, ..edit(None, Some("mine")) }),
            false => go_on(),
        };
        let coded = [("content-encoding", "x-own")];
        let (reply, held) = tokio::join!(send(&mut http, &base, &coded), setup.decide_next(decision));
        let (reply, held) = (reply?, held?);
        assert!(held.paused.as_ref().unwrap().body_is_withheld && held.body.is_empty(), "{held:?}");
        is_nowhere(&held);
        assert_eq!(reply.text() == "mine", replace, "{}", reply.text());
        assert_eq!(reply.text().contains(SECRET), !replace);
        is_nowhere(&record(&setup).await?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_it_pauses_tells_nothing_of_a_secret() -> anyhow::Result<()> {
    let setup = Setup::start(rules).await?;
    let (mut http, base) = connections(&setup).await?.into_iter().next().unwrap();
    for query in ["header.authorization:*hunter2*", "url:*hunter2*", "header.authorization~\"^Bearer\""] {
        for one in [breakpoint(query), at_response(query)] {
            set(setup.points(), one);
            assert_eq!(send(&mut http, &base, &[]).await?.status, 200);
            assert_eq!(setup.points().list().states[0].paused_total, 0, "{query}");
            setup.points().set(v1::SetBreakpoints::default());
        }
    }
    // what is recorded can be asked for
    set(setup.points(), breakpoint("header.authorization:[redacted] header.content-type:*json"));
    let (reply, held) = tokio::join!(send(&mut http, &base, &[]), setup.decide_next(go_on()));
    held?;
    assert_eq!(reply?.status, 200);
    Ok(())
}
