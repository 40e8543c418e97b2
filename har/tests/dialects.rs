//! Files in the manner of each browser and of Charles; and files that are none.
#![cfg(test)]

use weir_har::{ImportError, LeftOut, Recorder, Source, begin, coding, end, entry, read};
use weir_proto::v1::{Exchange, Outcome, tag};

fn import(bytes: &[u8]) -> (Source, LeftOut, Vec<Exchange>) {
    let mut exchanges = Vec::new();
    let (source, left_out) = read(bytes, |found| {
        exchanges.push(found.exchange);
        true
    })
    .unwrap();
    (source, left_out, exchanges)
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}.har", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn lines(exchange: &Exchange) -> [String; 2] {
    let request = exchange.request.as_ref().unwrap();
    let address = format!("{}://{}{}", request.scheme, request.authority, request.path);
    let response = exchange.response.as_ref();
    [
        format!("{} {address} {}", request.method, request.version),
        response.map_or_else(|| "none".to_owned(), |response| format!("{} {}", response.status, response.version)),
    ]
}

fn values<'a>(exchange: &'a Exchange, name: &str) -> Vec<&'a str> {
    let headers = exchange.response.iter().flat_map(|response| &response.headers);
    headers.filter(|field| field.name == name).map(|field| std::str::from_utf8(&field.value).unwrap()).collect()
}

#[test]
fn chrome() {
    let (source, left_out, exchanges) = import(&file("chrome"));
    assert_eq!(source.creator, "WebInspector 537.36");
    assert_eq!((left_out.messages, left_out.cut), (0, 0));
    assert_eq!(left_out.entries.into_iter().collect::<Vec<_>>(), [("data".to_owned(), 1)]);
    let [cart, socket, blocked, cached] = &exchanges[..] else { panic!("{}", exchanges.len()) };
    assert_eq!(lines(cart), ["POST https://shop.example/api/cart?step=2&lang=de%20ch HTTP/2", "200 HTTP/2"]);
    assert_eq!((cart.started_us, cart.duration_us, cart.first_byte_us), (1_795_165_200_204_000, 31_832, 30_820));
    let sent = cart.request.as_ref().unwrap();
    assert!(sent.headers.iter().all(|field| !field.name.starts_with(':')));
    assert_eq!(sent.body.as_ref().unwrap().data, r#"{"item":7,"n":"2"}"#);
    assert_eq!(values(cart, "set-cookie"), ["a=1; Path=/", "b=2; HttpOnly"]);
    let body = cart.response.as_ref().unwrap().body.as_ref().unwrap();
    let plain = coding::decode(&[coding::Coding::Br], &body.data, 100).unwrap().bytes;
    assert_eq!(String::from_utf8(plain).unwrap(), r#"{"total":"14,00 €"}"#);
    assert_eq!(cart.upstream_address, "2001:db8::7");
    assert_eq!(cart.connection.as_ref().unwrap().entry, "import");
    assert_eq!(cart.tags[0].name, "_import.creator");
    assert_eq!(cart.tags[0].value, Some(tag::Value::Text("WebInspector 537.36".to_owned())));
    assert_eq!(lines(socket), ["GET https://shop.example/live HTTP/1.1", "101 HTTP/1.1"]);
    assert_eq!((socket.outcome(), socket.first_byte_us), (Outcome::Upgraded, 60_500));
    let mut said = Vec::new();
    read(&file("chrome")[..], |found| {
        said.extend(found.messages);
        true
    })
    .unwrap();
    let said: Vec<_> =
        said.iter().map(|one| (&one.exchange, one.number, one.from_client, &one.data[..], one.at_us)).collect();
    let expect = [
        (&socket.id, 1, true, &b"hello"[..], 1_795_165_200_500_000),
        (&socket.id, 2, false, &b"\0\x01\x02"[..], 1_795_165_200_600_000),
    ];
    assert_eq!(said, expect);
    assert_eq!(lines(blocked)[1], "none");
    assert_eq!((blocked.outcome(), &*blocked.error), (Outcome::UpstreamFailed, "net::ERR_BLOCKED_BY_CLIENT"));
    assert_eq!(cached.response.as_ref().unwrap().body.as_ref().unwrap().data, &b"\x89PNG\r\n\x1a\n"[..]);
}

#[test]
fn firefox() {
    let (source, left_out, exchanges) = import(&file("firefox"));
    assert_eq!((source.creator.as_str(), left_out), ("Firefox 145.0", LeftOut::default()));
    let [login, feed, gone] = &exchanges[..] else { panic!("{}", exchanges.len()) };
    assert_eq!((login.started_us, login.duration_us, login.first_byte_us), (1_795_165_200_123_000, 58_000, 58_000));
    assert_eq!(login.request.as_ref().unwrap().body.as_ref().unwrap().data, "user=me&pass=a+b");
    assert_eq!(login.response.as_ref().unwrap().body, None);
    let body = feed.response.as_ref().unwrap().body.as_ref().unwrap();
    assert_eq!((&body.data[..], body.size), (&b"only the beginning"[..], 1_048_586));
    assert_eq!(lines(gone), ["GET https://gone.example/ ", "none"]);
}

#[test]
fn safari() {
    let (_, _, exchanges) = import(&file("safari"));
    let [tile, style] = &exchanges[..] else { panic!("{}", exchanges.len()) };
    assert_eq!(lines(tile)[0], "GET https://maps.example/tile/3/4 HTTP/2");
    assert_eq!((tile.duration_us, tile.first_byte_us), (93_620, 85_620));
    let body = tile.response.as_ref().unwrap().body.as_ref().unwrap();
    assert_eq!(coding::decode(&[coding::Coding::Gzip], &body.data, 100).unwrap().bytes, b"let a = 1;\n");
    assert_eq!((style.duration_us, style.first_byte_us), (0, 0));
    assert_eq!(style.response.as_ref().unwrap().body.as_ref().unwrap().data, "a{}\n");
}

#[test]
fn charles() {
    let (source, _, exchanges) = import(&file("charles"));
    assert_eq!(source.creator, "Charles Proxy 5.0.2");
    let [photo, pinned] = &exchanges[..] else { panic!("{}", exchanges.len()) };
    assert_eq!((photo.started_us, photo.duration_us, photo.first_byte_us), (1_795_165_200_500_000, 250_000, 245_000));
    let sent = photo.request.as_ref().unwrap().body.as_ref().unwrap();
    assert_eq!((sent.data.len(), sent.size), (0, 5321), "what Charles does not tell");
    let body = photo.response.as_ref().unwrap().body.as_ref().unwrap();
    assert_eq!((&body.data[..], body.size), (&b"<a/>"[..], 6));
    assert_eq!(lines(pinned), ["CONNECT https://pinned.example/ HTTP/1.1", "none"]);
}

#[test]
fn what_was_imported_and_exported_is_imported_the_same() {
    for name in ["chrome", "firefox", "safari", "charles"] {
        let (_, _, exchanges) = import(&file(name));
        let archive = |exchanges: &[Exchange]| {
            let recorder = Recorder { id: "", name: "import" };
            let entries: Vec<String> = exchanges.iter().map(|one| entry(one, recorder).to_string()).collect();
            format!("{}{}{}", begin("0.1.0"), entries.join(","), end())
        };
        let (_, _, again) = import(archive(&exchanges).as_bytes());
        let bare = |of: &[Exchange]| -> Vec<Exchange> {
            of.iter().map(|one| Exchange { id: Default::default(), tags: vec![], ..one.clone() }).collect()
        };
        assert_eq!(bare(&again), bare(&exchanges), "{name}");
    }
}

/// An archive with one good entry and this one.
fn with(entry: &str) -> String {
    let good = r#"{"startedDateTime":"2026-11-20T09:00:00Z","request":{"method":"GET","url":"http://a/"}}"#;
    format!(r#"{{"log":{{"entries":[{good},{entry}]}}}}"#)
}

#[track_caller]
fn refused(text: &str, says: &str) {
    let error = read(text.as_bytes(), |_| true).unwrap_err();
    assert!(error.to_string().starts_with(says), "{error}");
    if let ImportError::Entry { index, pointer, .. } = error {
        assert_eq!(index, 1);
        assert!(pointer.starts_with("/log/entries/1"), "{pointer}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_and_where_it_stands_is_said() {
    let at = "log.entries[1]";
    let entry = |request: &str, rest: &str| {
        with(&format!(r#"{{"startedDateTime":"2026-11-20T09:00:00Z","request":{request}{rest}}}"#))
    };
    let get = r#"{"method":"GET","url":"http://a/"}"#;
    refused(&with("7"), &format!("{at}: invalid type: integer `7`"));
    refused(&with("{}"), &format!("{at}: missing field"));
    refused(
        &with(r#"{"startedDateTime":"now","request":{"method":"GET","url":"http://a/"}}"#),
        &format!("{at}.startedDateTime: no time"),
    );
    refused(&entry(r#"{"method":"G T","url":"http://a/"}"#, ""), &format!("{at}.request.method: no method"));
    refused(&entry(r#"{"method":"GET","url":"a/b"}"#, ""), &format!("{at}.request.url: no address"));
    refused(
        &entry(r#"{"method":"GET","url":"http:///b"}"#, ""),
        &format!("{at}.request.url: an address without a host"),
    );
    refused(&entry(r#"{"method":"GET","url":7}"#, ""), &format!("{at}.request.url: invalid type: integer `7`"));
    let headers = |headers: &str| entry(&format!(r#"{{"method":"GET","url":"http://a/","headers":{headers}}}"#), "");
    refused(&headers(r#"[{"name":"a"},{"value":"b"}]"#), &format!("{at}.request.headers[1]: missing field `name`"));
    refused(&headers(r#"[{"name":"a b","value":"c"}]"#), &format!("{at}.request.headers[0].name: no name"));
    refused(&headers(r#"[{"name":"a","value":"c\u0000"}]"#), &format!("{at}.request.headers[0].value: no value"));
    refused(&headers(r#"{"a":"b"}"#), &format!("{at}.request.headers: invalid type: map"));
    let status = |status: &str| entry(get, &format!(r#","response":{{"status":{status}}}"#));
    refused(&status("99"), &format!("{at}.response.status: no status"));
    refused(&status("200.5"), &format!("{at}.response.status: no status"));
    refused(&status("\"ok\""), &format!("{at}.response.status: invalid type: string"));
    let content = r#","response":{"status":200,"content":{"text":"%","encoding":"base64"}}"#;
    refused(&entry(get, content), &format!("{at}.response.content.text: no base64"));
    refused(&entry(get, r#","response":"#), at);
}

/// HAR 1.2: readers ignore members whose names begin with `_` and that are not theirs.
#[test]
fn members_beyond_the_format_that_cannot_be_read_are_passed_over_and_told() {
    let check = |request: &str, rest: &str, told: &[&str]| {
        let text = with(&format!(
            r#"{{"startedDateTime":"2026-11-20T09:00:00Z","request":{{"method":"GET","url":"http://a/"{request}}}{rest}}}"#
        ));
        let (_, left_out, exchanges) = import(text.as_bytes());
        assert_eq!((exchanges.len(), left_out.odd), (2, told.len() as u64), "{text} {:?}", left_out.first_odd);
        for (one, says) in left_out.first_odd.iter().zip(told) {
            assert!(one.starts_with(&format!("log.entries[1].{says}")), "{one}");
        }
        exchanges.into_iter().nth(1).unwrap()
    };
    check("", r#","_weir":7,"_other":{"a":[{}]},"_error":{}"#, &["_weir: invalid type", "_error: invalid type"]);
    let odd = check(
        "",
        r#","_weir":{"filters":[7],"user":"ann","firstByteUs":-1,"note":[]}"#,
        &["_weir.f", "_weir.f", "_weir.note"],
    );
    assert_eq!(odd.connection.unwrap().user, "ann", "the rest of it is taken");
    let answer = r#""status":200,"_error":[1],"content":{"text":"hi"}"#;
    let own = r#"{"wire":"%","trailers":[{"name":"a b"}],"digest":"12"}"#;
    let odd = check(
        r#","_weir":[],"headers":[{"name":"a","value":"b","_encoding":7}],"postData":{"text":"c","_encoding":{}}"#,
        &format!(r#","response":{{{answer},"_weir":{own}}}"#),
        &[
            "request._weir: a list",
            "request.headers[0]._encoding: invalid type",
            "request.postData._encoding: invalid type",
            "response._error: a list",
            "response._weir.wire: no base64",
            "response._weir.digest: no SHA-256",
            "response._weir.trailers[0].name: no name",
        ],
    );
    assert_eq!(odd.response.unwrap().body.unwrap().data, "hi");
    let filtered = r#"{"filteredRequest":{"method":"G T","url":"http://a/"},"originalResponse":{"status":7}}"#;
    check(
        "",
        &format!(r#","_weir":{filtered}"#),
        &["_weir.filteredRequest.method: no method", "_weir.originalResponse.status"],
    );
    check("", r#","_webSocketMessages":{"a":1}"#, &["_webSocketMessages: no list"]);
}

#[test]
fn files_that_are_no_archives() {
    for (text, says) in [
        ("", "it is no whole JSON, so no HTTP Archive, or one that was cut off: EOF while parsing"),
        ("{}", "there is no `log`"),
        ("[]", "invalid type: sequence, expected an HTTP Archive"),
        (r#"{"log":{}}"#, "there is no `log` with `entries`"),
        (r#"{"log":{"entries":{}}}"#, "invalid type: map, expected `log.entries`, a list"),
        (r#"{"log":{"entries":[]}} x"#, "it is no JSON, so no HTTP Archive: trailing characters"),
        (r#"{"log":{"entries":[]},"log":{"entries":[]}}"#, "`log` is there twice"),
        (r#"{"log":{"entries":[]"#, "it is no whole JSON, so no HTTP Archive, or one that was cut off: EOF"),
        ("\u{1f}\u{8b}", "it is no JSON, so no HTTP Archive: expected value"),
    ] {
        let error = read(text.as_bytes(), |_| true).unwrap_err();
        assert!(error.to_string().starts_with(says), "{text}: {error}");
    }
    assert_eq!(import(br#"{"log":{"entries":[],"creator":null}}"#).2, []);
}

#[test]
fn long_bodies_lose_their_ends_and_the_file_stays_readable() {
    let text = "x".repeat(weir_har::MAX_BODY_BYTES * 2);
    let entry = format!(
        r#"{{"startedDateTime":"2026-11-20T09:00:00Z","request":{{"method":"GET","url":"http://a/"}},
           "response":{{"status":200,"content":{{"size":{},"text":"{text}"}}}}}}"#,
        text.len()
    );
    let (_, left_out, exchanges) = import(with(&entry).as_bytes());
    assert_eq!(left_out.cut, 1);
    let body = exchanges[1].response.as_ref().unwrap().body.as_ref().unwrap();
    assert_eq!((body.data.len(), body.size), (weir_har::MAX_BODY_BYTES, text.len() as u64));
}

#[test]
fn whoever_takes_them_can_stop() {
    let mut count = 0;
    let stopped = read(&file("chrome")[..], |_| {
        count += 1;
        count < 2
    });
    assert_eq!((stopped.unwrap_err(), count), (ImportError::Stopped, 2));
}
