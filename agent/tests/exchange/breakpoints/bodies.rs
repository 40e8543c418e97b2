//! Bodies of what pauses: long, encoded, and none.

use weir_proto::v1::{self, decide::Decision};
use weir_testkit::body::{self, Pattern};
use weir_testkit::raw::{RawOrigin, Script};

use super::{at_response, breakpoint, connections, edit, go_on, set};
use crate::agent::Setup;

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
