//! What people say of exchanges: it is found, it changes nothing of what was recorded, and nobody undoes what somebody else said.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::{Body, Exchange, Tag, tag};

use crate::harness::{Person, Running, exchange, id};

async fn patch(person: &Person, path: &str, wanted: &Value, if_match: Option<&str>) -> Response {
    let request = person.request(Method::PATCH, path).json(wanted);
    let request = if_match.into_iter().fold(request, |request, tag| request.header("if-match", tag));
    request.send().await.unwrap()
}

/// With a body that is kept beside it, a tag of a filter, and what only people say.
fn recorded() -> Exchange {
    let mut recorded = exchange("a.example", "/", 200);
    let data = vec![b'x'; 100_000];
    let body = Body { size: data.len() as u64, data: data.into(), ..Body::default() };
    recorded.response.as_mut().unwrap().body = Some(body);
    let tag = |name: &str| Tag { name: name.to_owned(), value: Some(tag::Value::Text("DE".to_owned())) };
    recorded.tags = vec![tag("geo.country"), tag("forged")];
    recorded.note = "forged".to_owned();
    recorded
}

#[tokio::test]
async fn what_people_say_is_found_and_nothing_else_changes() {
    let running = Running::start().await;
    let person = &running.person;
    let (one, other) = (recorded(), exchange("b.example", "/", 200));
    running.agent().await.record(vec![one.clone(), other]).await;
    let path = format!("/api/v1/exchanges/{}", id(&one));
    let before = person.get(&path).await;
    assert_eq!(
        (&before["note"], &before["tags"]),
        (&Value::Null, &json!({"geo.country": "DE"})),
        "an agent is no person"
    );
    let size = || async { person.get("/api/v1/retention").await["held"].clone() };
    let held = size().await;

    let wanted = json!({"note": "the one of Tuesday\n", "tags": {"incident": true, "ticket": "4711", "old": null}});
    let answer = patch(person, &path, &wanted, None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let said: Value = answer.json().await.unwrap();
    let tags = json!({"geo.country": "DE", "incident": true, "ticket": "4711"});
    assert_eq!(said, json!({"note": "the one of Tuesday\n", "tags": tags}));
    let seen = person.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(seen.headers()["etag"], tag.as_str());
    let mut now: Value = seen.json().await.unwrap();
    assert_eq!((now["note"].take(), now["tags"].take()), (said["note"].clone(), tags));
    now["tags"] = before["tags"].clone();
    assert_eq!(now, before);
    let body = person.request(Method::GET, &format!("{path}/response/body")).send().await.unwrap();
    assert_eq!(body.bytes().await.unwrap(), vec![b'x'; 100_000]);
    assert_eq!(size().await, held);

    for (query, found) in [
        ("tag:incident", 1),
        ("tag:ticket=47*", 1),
        ("tag:geo.country=DE tag:ticket", 1),
        ("tag:incident -tag:ticket=4711", 0),
        ("tag:forged", 0),
        ("-tag:incident", 1),
    ] {
        assert_eq!(person.ids(query, 10).await.len(), found, "{query}");
    }
    // What is left out stays; the type of RFC 7396 is taken too.
    let gone = person.request(Method::PATCH, &path).header("content-type", "application/merge-patch+json");
    let gone = gone.body(r#"{"tags":{"incident":null}}"#).send().await.unwrap();
    assert_eq!(gone.json::<Value>().await.unwrap()["tags"], json!({"geo.country": "DE", "ticket": "4711"}));
    assert_eq!(person.ids("tag:incident", 10).await.len(), 0);
    let gone = patch(person, &path, &json!({"note": null, "tags": {"ticket": null}}), None).await;
    assert_eq!(gone.json::<Value>().await.unwrap(), json!({"note": null, "tags": {"geo.country": "DE"}}));
    assert_eq!(person.get(&path).await, before);
}

#[tokio::test]
async fn what_cannot_be_said_changes_nothing() {
    let running = Running::start().await;
    let person = &running.person;
    let one = recorded();
    running.agent().await.record(vec![one.clone()]).await;
    let path = format!("/api/v1/exchanges/{}", id(&one));
    let before = person.get(&path).await;
    let many: serde_json::Map<String, Value> = (0..33).map(|n| (format!("t{n}"), json!(true))).collect();
    for (wanted, pointer) in [
        (json!({"note": "x".repeat(8193)}), Some("/note")),
        (json!({"tags": {"geo.country": "FR"}}), Some("/tags/geo.country")),
        (json!({"tags": {"geo.country": null}}), Some("/tags/geo.country")),
        (json!({"note": "new", "tags": {"a/b~": true}}), Some("/tags/a~1b~0")),
        (json!({"tags": {"": true}}), Some("/tags/")),
        (json!({"tags": {"a": "x".repeat(257)}}), Some("/tags/a")),
        (json!({"tags": {"a": "x\ny"}}), Some("/tags/a")),
        (json!({"tags": many}), None),
        (json!({"tags": {"a": [1]}}), None),
        (json!({"nota": "x"}), Some("/nota")),
        (json!([]), None),
    ] {
        let answer = patch(person, &path, &wanted, None).await;
        assert!(matches!(answer.status().as_u16(), 400 | 422), "{wanted}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["pointer"].as_str(), pointer, "{problem}");
    }
    assert_eq!(person.get(&path).await, before);
    let wanted = json!({"note": "new"});
    let nothing = format!("/api/v1/exchanges/{}", uuid::Uuid::nil());
    assert_eq!(patch(person, &nothing, &wanted, None).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(patch(person, &nothing, &wanted, Some("*")).await.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(patch(person, &path, &wanted, Some("\"x\"")).await.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(person.get(&path).await, before);
}

/// Of those who saw the same, one says something; who did not look first loses nothing of what others say.
#[tokio::test(flavor = "multi_thread")]
async fn what_several_say_at_once() {
    let running = Running::start().await;
    race(&running, &[&running.person]).await;
}

pub(crate) async fn race(running: &Running, people: &[&Person]) {
    let one = recorded();
    running.agent().await.record(vec![one.clone()]).await;
    let path = format!("/api/v1/exchanges/{}", id(&one));
    for round in 0..5 {
        let seen = people[0].request(Method::GET, &path).send().await.unwrap();
        let tag = seen.headers()["etag"].to_str().unwrap().to_owned();
        let all = (0..8).map(|n| {
            let (person, wanted) = (people[n % people.len()], json!({"note": format!("{round} {n}")}));
            let (path, tag) = (&path, &tag);
            async move { patch(person, path, &wanted, Some(tag)).await.status().as_u16() }
        });
        let mut told = futures_util::future::join_all(all).await;
        told.sort_unstable();
        assert_eq!(told, [200, 412, 412, 412, 412, 412, 412, 412]);
    }
    let all = (0..16).map(|n| {
        let (person, wanted) = (people[n % people.len()], json!({"tags": {format!("t{n}"): true}}));
        let path = &path;
        async move { patch(person, path, &wanted, None).await.status().as_u16() }
    });
    assert_eq!(futures_util::future::join_all(all).await, [200; 16]);
    let tags = people[0].get(&path).await["tags"].clone();
    assert_eq!(tags.as_object().unwrap().len(), 17, "{tags}");
}
