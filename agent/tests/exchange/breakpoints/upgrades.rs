//! Responses that begin another protocol pause as others do.

use weir_proto::v1::{self, Outcome, decide::Decision};
use weir_testkit::raw::Raw;
use weir_testkit::websocket::{SAMPLE_KEY, WebSocket};

use super::{at_response, edit, fields, go_on, intervention, set};
use crate::agent::Setup;
use crate::records::{field, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_begins_when_somebody_lets_it() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), at_response("status:101"));
    let origin = setup.origin.plain().to_string();
    for (decision, changed) in [
        (go_on(), vec![]),
        (
            Decision::Modify(edit(
                Some(&[("x-new", "1"), ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]),
                None,
            )),
            vec!["headers"],
        ),
    ] {
        let stream = setup.agent.client()?.dial().await?;
        let url = format!("http://{origin}/ws");
        let open = WebSocket::open_with(stream, &url, &origin, "");
        let (opened, held) = tokio::join!(open, setup.decide_next(decision));
        let ((mut socket, head), held) = (opened?, held?);
        let shown = held.paused.as_ref().unwrap();
        assert!(shown.at_response && shown.body_is_whole && held.body.is_empty(), "{shown:?}");
        assert_eq!(head.contains("x-new: 1"), !changed.is_empty(), "{head}");
        socket.echo(&[7; 1000]).await?;
        socket.close().await?;
        let record = record(&setup).await?;
        assert_eq!(record.outcome(), Outcome::Upgraded);
        assert_eq!(intervention(&record).2, changed);
        let original = record.original_response.as_ref().map(|head| field(&head.headers, "x-new"));
        assert_eq!(original, (!changed.is_empty()).then_some(None));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn or_something_else_is_answered() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    set(setup.points(), at_response("status:101"));
    let origin = setup.origin.plain().to_string();
    let ask = format!(
        "GET http://{origin}/ws HTTP/1.1\r\nHost: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let respond = v1::Respond { status: 418, headers: fields(&[("x-a", "b")]), body: "short".into() };
    let status = v1::Modify { status: Some(403), ..v1::Modify::default() };
    for (decision, status, body, outcome) in [
        (Decision::Respond(respond), Some(418), "short", Outcome::Complete),
        (Decision::Modify(status), Some(403), "", Outcome::Complete),
        (Decision::Block(v1::Block {}), Some(403), "urn:weir:problem:blocked", Outcome::Refused),
        (Decision::Kill(v1::Kill {}), None, "", Outcome::Refused),
    ] {
        let mut client = Raw::dial(setup.agent.proxy).await?;
        client.say(&ask).await?;
        setup.decide_next(decision).await?;
        match status {
            Some(status) => {
                let response = client.response().await?;
                assert_eq!(response.status, status, "{}", response.head);
                assert!(!response.head.to_ascii_lowercase().contains("upgrade"), "{}", response.head);
                assert!(String::from_utf8_lossy(&response.body).contains(body), "{response:?}");
            }
            None => assert_eq!(client.hear_all().await?, b""),
        }
        drop(client);
        let record = record(&setup).await?;
        assert_eq!(record.outcome(), outcome, "{record:?}");
    }
    Ok(())
}
