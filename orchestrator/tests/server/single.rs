//! One exchange: its bodies in part and decoded, it beside another, its end; and listings of some of it.

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use weir_har::coding::{Coding, encode};
use weir_proto::v1::{Body, Exchange, Field};

use crate::harness::{Running, exchange, id};

fn with_body(headers: &[(&str, &str)], data: Vec<u8>, size: u64) -> Exchange {
    let mut exchange = exchange("a.example", "/", 200);
    let response = exchange.response.as_mut().unwrap();
    let field =
        |(name, value): &(&str, &str)| Field { name: (*name).to_owned(), value: value.as_bytes().to_vec().into() };
    response.headers = headers.iter().map(field).collect();
    response.body = Some(Body { data: data.into(), size, ..Body::default() });
    exchange
}

async fn get(
    running: &Running,
    of: &Exchange,
    query: &str,
    fields: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request =
        running.person.request(Method::GET, &format!("/api/v1/exchanges/{}/response/body{query}", id(of)));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status(), response.headers().clone(), response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn parts_of_bodies() {
    let running = Running::start().await;
    let stored = with_body(&[("content-type", "text/html")], b"0123456789".to_vec(), 10);
    running.agent().await.record(vec![stored.clone()]).await;
    let (status, headers, body) = get(&running, &stored, "", &[]).await;
    assert_eq!(
        (status, &body[..], &headers["accept-ranges"]),
        (StatusCode::OK, &b"0123456789"[..], &"bytes".parse().unwrap())
    );
    let tag = headers["etag"].to_str().unwrap().to_owned();
    for (range, expect, of) in
        [("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=-3", "789", "bytes 7-9/10"), ("bytes=9-", "9", "bytes 9-9/10")]
    {
        let (status, headers, body) = get(&running, &stored, "", &[("range", range), ("if-range", &tag)]).await;
        assert_eq!((status, String::from_utf8(body).unwrap().as_str()), (StatusCode::PARTIAL_CONTENT, expect));
        assert_eq!(
            (&headers["content-range"], headers["etag"].to_str().unwrap()),
            (&of.parse().unwrap(), tag.as_str())
        );
        assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'; sandbox");
        assert_eq!(
            (&headers["x-content-type-options"], &headers["content-type"]),
            (&"nosniff".parse().unwrap(), &"text/html".parse().unwrap())
        );
        assert!(headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    }
    let (status, headers, body) = get(&running, &stored, "", &[("range", "bytes=10-")]).await;
    assert_eq!(
        (status, &headers["content-range"]),
        (StatusCode::RANGE_NOT_SATISFIABLE, &"bytes */10".parse().unwrap())
    );
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["type"], "urn:weir:problem:range-not-satisfiable");
    let changed = get(&running, &stored, "", &[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await;
    assert_eq!((changed.0, changed.2.len()), (StatusCode::OK, 10));
    let known = get(&running, &stored, "", &[("if-none-match", &tag)]).await;
    assert_eq!((known.0, known.2.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn bodies_are_decoded_and_broken_ones_are_told() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let plain = b"some text ".repeat(500);
    for (name, codings) in [
        ("gzip", vec![Coding::Gzip]),
        ("deflate", vec![Coding::Deflate]),
        ("br", vec![Coding::Br]),
        ("zstd", vec![Coding::Zstd]),
        ("br, gzip", vec![Coding::Br, Coding::Gzip]),
    ] {
        let coded = encode(&codings, plain.clone()).unwrap();
        let size = coded.len() as u64;
        let whole = with_body(&[("Content-Encoding", name)], coded.clone(), size);
        let cut = with_body(&[("Content-Encoding", name)], coded[..coded.len() - 3].to_vec(), size);
        let broken = with_body(&[("Content-Encoding", name)], b"\x07nothing of the kind".to_vec(), 20);
        let short = with_body(&[("Content-Encoding", name)], coded[..coded.len() - 3].to_vec(), size - 3);
        agent.record(vec![whole.clone(), cut.clone(), broken.clone(), short.clone()]).await;
        let (status, headers, body) = get(&running, &whole, "", &[]).await;
        assert_eq!((status, body, &headers["weir-content-encoding"]), (StatusCode::OK, coded, &name.parse().unwrap()));
        let first = headers["etag"].clone();
        let (status, headers, body) = get(&running, &whole, "?decoded", &[]).await;
        assert_eq!((status, &body, headers.get("weir-content-encoding")), (StatusCode::OK, &plain, None), "{name}");
        assert_ne!(headers["etag"], first, "another representation");
        let part = get(&running, &whole, "?decoded=true", &[("range", "bytes=5-8")]).await;
        assert_eq!((part.0, &part.2[..]), (StatusCode::PARTIAL_CONTENT, &b"text"[..]));
        let (status, headers, body) = get(&running, &cut, "?decoded", &[]).await;
        assert_eq!((status, &headers["weir-body-truncated"]), (StatusCode::OK, &"true".parse().unwrap()), "{name}");
        assert!(plain.starts_with(&body));
        for wrong in [&broken, &short] {
            let (status, _, body) = get(&running, wrong, "?decoded", &[]).await;
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                (status, &problem["type"]),
                (StatusCode::UNPROCESSABLE_ENTITY, &json!("urn:weir:problem:coding")),
                "{name}"
            );
        }
    }
    let bomb = encode(&[Coding::Zstd], vec![0; 33 << 20]).unwrap();
    let size = bomb.len() as u64;
    let bomb = with_body(&[("content-encoding", "zstd")], bomb, size);
    let strange = with_body(&[("content-encoding", "rot13")], b"uryyb".to_vec(), 5);
    agent.record(vec![bomb.clone(), strange.clone()]).await;
    for (exchange, says) in [(&bomb, "longer than 33554432 bytes"), (&strange, "`rot13`")] {
        let (status, _, body) = get(&running, exchange, "?decoded", &[]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(String::from_utf8(body).unwrap().contains(says));
    }
    assert_eq!(get(&running, &strange, "?decoded=false", &[]).await.2, b"uryyb");
    assert_eq!(get(&running, &strange, "?decoded=maybe", &[]).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn two_are_compared() {
    let running = Running::start().await;
    let secret = |value: &str| {
        let mut one = with_body(&[("x-a", "1"), ("set-cookie", value)], br#"{"n":1,"m":2}"#.to_vec(), 13);
        one.request.as_mut().unwrap().headers = vec![Field { name: "Accept".into(), value: b"*/*"[..].into() }];
        one
    };
    let (a, mut b) = (secret("s=first"), secret("s=second"));
    b.response.as_mut().unwrap().status = 404;
    b.response.as_mut().unwrap().body =
        Some(Body { data: br#"{"m":3,"n":1}"#[..].into(), size: 13, ..Body::default() });
    running.agent().await.record(vec![a.clone(), b.clone()]).await;
    let path = format!("/api/v1/exchanges/{}/diff/{}", id(&a), id(&b));
    let diff = running.person.get(&path).await;
    assert_eq!((&diff["same"], &diff["request"]["same"]), (&json!(false), &json!(true)));
    let response = &diff["response"];
    assert_eq!(response["line"], json!([{"name": "status", "a": "200", "b": "404"}]));
    assert_eq!(response["headers"], json!([{"name": "set-cookie", "a": ["s=[hidden]"], "b": ["s=[hidden]"]}]));
    let lines: Vec<String> = response["body"]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| format!("{}{}", line["op"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [" {", "-  \"m\": 2,", "+  \"m\": 3,", "   \"n\": 1", " }"]);
    assert_eq!(response["body"]["kind"], "json");
    let shown = running.person.get(&format!("{path}?reveal=true")).await;
    assert_eq!(shown["response"]["headers"][0]["b"], json!(["s=second"]));
    let same = running.person.get(&format!("/api/v1/exchanges/{}/diff/{}", id(&a), id(&a))).await;
    assert_eq!(same["same"], true);
    let missing = "0199aa3c-7b1e-7c3a-9f00-0123456789ab";
    for path in
        [format!("{}/diff/{missing}", id(&a)), format!("{missing}/diff/{}", id(&a)), format!("{}/diff/7", id(&a))]
    {
        assert_eq!(running.person.ask(&format!("/api/v1/exchanges/{path}")).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn listings_tell_what_was_asked_for() {
    let running = Running::start().await;
    running.agent().await.record(vec![exchange("a.example", "/x", 200)]).await;
    let list = running.person.get("/api/v1/exchanges?fields=method,%20url").await;
    assert_eq!(list["items"], json!([{"method": "GET", "url": "https://a.example/x"}]));
    let whole = running.person.get("/api/v1/exchanges").await["items"][0].clone();
    let names: Vec<&str> = whole.as_object().unwrap().keys().map(String::as_str).collect();
    let all = running.person.get(&format!("/api/v1/exchanges?fields={}", names.join(","))).await;
    assert_eq!(all["items"][0], whole, "every member can be asked for");
    let (status, problem) = running.person.ask("/api/v1/exchanges?fields=id,body").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("there is no `body`"), "{problem}");
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let running = Running::start().await;
    let all: Vec<Exchange> =
        (0..1100).map(|n| exchange(if n < 1050 { "a.example" } else { "b.example" }, &format!("/{n}"), 200)).collect();
    running.agent().await.record(all.clone()).await;
    let delete = |path: String| running.person.request(Method::DELETE, &path).send();
    let one = format!("/api/v1/exchanges/{}", id(&all[1099]));
    assert_eq!(delete(one.clone()).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(delete(one.clone()).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(running.person.ask(&one).await.0, StatusCode::NOT_FOUND);
    for (query, status) in [("", 400), ("?query=", 400), ("?query=status:x", 400), ("?query=host:a.example&x=y", 400)] {
        assert_eq!(delete(format!("/api/v1/exchanges{query}")).await.unwrap().status(), status, "{query}");
    }
    for limit in ["limit=0", "limit=10001", "limit=x", "cursor=x"] {
        let path = format!("/api/v1/exchanges?query=host:a.example&{limit}");
        assert_eq!(delete(path).await.unwrap().status(), 400, "{limit}");
    }
    let count = running.person.get("/api/v1/exchanges/count?query=host:a.example").await;
    assert_eq!(count, json!({"count": 1050, "unread": 0, "next": null}));
    assert_eq!(running.person.get("/api/v1/exchanges/count").await["count"], 1099);
    // Some at a time, and what comes meanwhile stays.
    let path = "/api/v1/exchanges?query=host:a.example&limit=600";
    let some: Value = delete(path.to_owned()).await.unwrap().json().await.unwrap();
    assert_eq!((&some["deleted"], &some["unread"]), (&json!(600), &json!(0)));
    running.agent().await.record(vec![exchange("a.example", "/late", 200)]).await;
    let path = format!("{path}&cursor={}", some["next"].as_str().unwrap());
    let rest: Value = delete(path).await.unwrap().json().await.unwrap();
    assert_eq!(rest, json!({"deleted": 450, "unread": 0, "next": null}));
    let answer: Value =
        delete("/api/v1/exchanges?query=host:a.example".to_owned()).await.unwrap().json().await.unwrap();
    assert_eq!(answer, json!({"deleted": 1, "unread": 0, "next": null}));
    let left = running.person.ids("", 500).await;
    assert_eq!(left.len(), 49);
}
