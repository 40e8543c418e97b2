use std::sync::Arc;

use http::StatusCode;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{Connection, Entry};

fn exchange() -> Box<Exchange> {
    let connection = Connection {
        entry: Entry::Forward,
        client_address: "192.0.2.7:51034".parse().unwrap(),
        user: None,
        tunnel_target: None,
        server_name: None,
        intercepted: false,
    };
    let request = Request::builder()
        .uri("http://me@example.com/path?query")
        .header("host", "example.com")
        .header("te", "trailers")
        .header("content-length", "3")
        .header("accept", "*/*");
    Exchange::new(Uuid::nil(), Arc::new(connection), request.body(()).unwrap().into_parts().0)
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(http::HeaderName::as_str).collect()
}

#[test]
fn what_is_the_agents_stays_behind_and_comes_back() {
    let (mut exchange, mut kept) = (exchange(), Kept::new());
    let shown = request(&exchange, &mut kept, ());
    assert_eq!(names(shown.headers()), ["content-length", "accept"]);
    assert_eq!(shown.uri(), "http://example.com/path?query");
    let (made, declared) = requested(shown.into_parts().0, &exchange, &kept).unwrap();
    assert_eq!((names(&made.headers), declared), (vec!["host", "te", "accept"], Some(3)));
    exchange.request.uri = without_user(&exchange.request.uri);
    let said = Said { declared: None, keeps: true };
    assert!(!replace_request(&mut exchange, made, said), "an untouched head is no change");
    assert!(exchange.original_method.is_none());
}

#[test]
fn a_guest_sets_no_framing_and_goes_where_its_authority_says() {
    let (exchange, mut kept) = (exchange(), Kept::new());
    let mut head = request(&exchange, &mut kept, ()).into_parts().0;
    for name in ["transfer-encoding", "connection", "proxy-authorization", "upgrade"] {
        head.headers.insert(name, "chunked".parse().unwrap());
    }
    head.uri = "https://other.example:8443?x".parse().unwrap();
    let (made, _) = requested(head, &exchange, &kept).unwrap();
    assert_eq!(names(&made.headers), ["host", "te", "accept"]);
    assert_eq!(made.headers[HOST], "other.example:8443");
    assert_eq!(made.uri, "https://other.example:8443/?x");
}

#[test]
fn what_no_message_can_be_is_refused() {
    let (exchange, kept) = (exchange(), Kept::new());
    let head = |change: fn(&mut request::Parts)| {
        let mut head = request(&exchange, &mut Kept::new(), ()).into_parts().0;
        change(&mut head);
        requested(head, &exchange, &kept).map(drop)
    };
    assert!(head(|_| ()).is_ok());
    assert!(head(|head| head.method = Method::CONNECT).is_err());
    assert!(head(|head| head.uri = "http://me@example.com/".parse().unwrap()).is_err());
    assert!(
        head(|head| {
            let long = HeaderValue::from_bytes(&[b'x'; 70_000]).unwrap();
            head.headers.insert("x-long", long);
        })
        .is_err()
    );
    let status = |status: u16| {
        let mut head = Response::new(()).into_parts().0;
        head.status = StatusCode::from_u16(status).unwrap();
        responded(head, None, &kept).is_ok()
    };
    assert!(status(200) && status(599) && !status(101) && !status(199) && !status(600));
}

proptest! {
    #[test]
    fn whatever_a_guest_hands_on_is_a_request_with_one_host(
        uri in "(http|https)://[!-~]{1,12}(/[!-~]{0,12})?", method in "[!-~]{1,8}", name in "[a-z-]{1,18}", value in "[ -~]{0,12}",
    ) {
        let (exchange, mut kept) = (exchange(), Kept::new());
        let mut head = request(&exchange, &mut kept, ()).into_parts().0;
        let parsed = (uri.parse::<Uri>(), Method::from_bytes(method.as_bytes()), http::HeaderName::try_from(name), HeaderValue::try_from(value));
        let (Ok(uri), Ok(method), Ok(name), Ok(value)) = parsed else { return Ok(()) };
        (head.uri, head.method) = (uri, method);
        head.headers.append(name, value);
        if let Ok((made, _)) = requested(head, &exchange, &kept) {
            prop_assert!(made.uri.scheme().is_some() && made.uri.authority().is_some());
            prop_assert_eq!(made.headers.get_all(HOST).iter().count(), 1);
            prop_assert_eq!(made.headers[HOST].as_bytes(), made.uri.authority().unwrap().as_str().as_bytes());
            prop_assert!(!made.headers.contains_key("transfer-encoding") && !made.headers.contains_key(CONTENT_LENGTH));
        }
    }
}
