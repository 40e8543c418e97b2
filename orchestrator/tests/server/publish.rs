//! Signed statements: order, integrity, and every component that no agent could run.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use weir_artifact::{Endorsement, Publication, PublisherKey, Statement};

use crate::{
    component::{exporting, filter, filter_noted, importing},
    harness::{Home, Person, Publisher, Running, now_ms, publication, removal},
};

async fn server() -> (Running, Publisher) {
    let running = Running::start().await;
    let publisher = Publisher::new(&running.person);
    (running, publisher)
}

#[tokio::test]
async fn a_filter_is_published_listed_and_removed() {
    let (running, publisher) = server().await;
    let first = publication(&filter(), 1);
    let (status, pushed) = publisher.publish(first.clone(), Some(&filter())).await;
    assert_eq!(status, 201, "{pushed}");
    let expect = json!({"name": "block", "group": "default", "version": 1, "sequence": first.sequence,
        "digest": first.digest.to_string(), "revision": 1});
    assert_eq!(pushed, expect);
    // The answer was lost and the client asks again.
    assert_eq!(publisher.publish(first.clone(), Some(&filter())).await, (reqwest::StatusCode::OK, expect));

    let second = filter_noted("2");
    let later = publication(&second, 2);
    publisher.publish(later.clone(), Some(&second)).await;
    let list = running.person.get("/api/v1/filters").await;
    let item = &list["items"][0];
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!((&item["version"], &item["state"]), (&json!(2), &json!("active")));
    assert_eq!(item["config"], json!({"hosts": ["ads.example.com"]}));
    assert_eq!((&item["on_failure"], &item["isolation"]), (&json!("closed"), &json!("shared")));
    assert_eq!((&item["grants"], &item["match"]), (&json!(["log"]), &json!("")));
    assert_eq!(item["key_id"], publisher.key.public().id().as_str());
    assert_eq!(item["limits"]["cpu_ms"], 50);

    // Back to the first: its component is still here.
    let back = Publication { rollback: true, sequence: later.sequence + 10, ..first.clone() };
    assert_eq!(publisher.publish(back, None).await.0, 201);
    let one = running.person.get("/api/v1/filters/block").await;
    assert_eq!(one["version"], 1);
    let versions: Vec<_> = one["versions"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(versions, [json!(1), json!(2), json!(1)]);
    let oldest = STANDARD.decode(one["versions"][2]["statement"].as_str().unwrap()).unwrap();
    assert_eq!(Statement::parse(&oldest).unwrap(), Statement::Publish(Box::new(first.clone())));

    let (status, removed) = publisher.push(&removal(later.sequence + 20), None).await;
    assert_eq!((status.as_u16(), &removed["revision"], &removed["version"]), (201, &json!(4), &json!(null)));
    let one = running.person.get("/api/v1/filters/block").await;
    assert_eq!((&one["state"], &one["sequence"]), (&json!("removed"), &json!(later.sequence + 20)));
    assert_eq!(running.person.ask("/api/v1/filters/block?group=edge").await.0, 404);
    assert_eq!(running.person.ask("/api/v1/filters/..%2f..").await.0, 404);
    let (status, problem) = running.person.ask("/api/v1/filters/%ff").await;
    assert_eq!((status.as_u16(), &problem["type"]), (404, &json!("urn:weir:problem:not-found")));
}

#[tokio::test]
async fn nothing_goes_back_by_itself() {
    let (_running, publisher) = server().await;
    let first = publication(&filter(), 5);
    publisher.publish(first.clone(), Some(&filter())).await;
    let with = |version: u64, sequence: u64, rollback| Publication { version, sequence, rollback, ..first.clone() };
    for (statement, status) in [
        (with(6, first.sequence - 1, false), 409),
        (with(6, first.sequence, false), 409),
        (with(5, first.sequence + 1, false), 409),
        (with(4, first.sequence + 1, false), 409),
        (with(4, first.sequence - 1, true), 409),
        (Publication { expires: now_ms() / 1000 - 1, ..with(6, first.sequence + 1, false) }, 422),
        (with(6, now_ms() + 25 * 60 * 60 * 1000, false), 422),
        (with(4, first.sequence + 1, true), 201),
    ] {
        let (got, answer) = publisher.publish(statement.clone(), Some(&filter())).await;
        assert_eq!(got, status, "{statement:?}: {answer}");
    }
    assert_eq!(publisher.push(&removal(first.sequence), None).await.0, 409);
    let absent = Statement::Remove(weir_artifact::Removal {
        name: "absent".parse().unwrap(),
        group: "default".parse().unwrap(),
        sequence: now_ms(),
    });
    assert_eq!(publisher.push(&absent, None).await.0, 404);
}

#[tokio::test]
async fn a_component_that_no_agent_could_run_is_refused() {
    let (running, publisher) = server().await;
    let core = b"\0asm\x01\0\0\0".to_vec();
    let stale = exporting(&["weir:filter/lifecycle@0.2.0", "weir:filter/events@0.2.0"]);
    for (bytes, status, says) in [
        (b"GIF89a".to_vec(), 422, "not WebAssembly"),
        (vec![], 422, "not WebAssembly"),
        (core, 422, "core module"),
        (exporting(&[]), 422, "does not export weir:filter/lifecycle"),
        (exporting(&["weir:filter/lifecycle@0.1.0"]), 422, "does not export weir:filter/events"),
        (stale, 422, "does not export weir:filter/lifecycle"),
        (importing("wasi:cli/stdout@0.2.0"), 422, "imports `wasi:cli/stdout@0.2.0`"),
        (importing("weir:filter/files@0.1.0"), 422, "imports `weir:filter/files@0.1.0`"),
        (filter()[..filter().len() - 3].to_vec(), 422, "damaged"),
    ] {
        let (got, problem) = publisher.publish(publication(&bytes, 1), Some(&bytes)).await;
        assert_eq!(got, status, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    let logs = importing("weir:filter/log@0.1.0");
    let ungranted = Publication { grants: [].into(), ..publication(&logs, 1) };
    let (got, problem) = publisher.publish(ungranted, Some(&logs)).await;
    assert_eq!(got, 422);
    assert!(problem["detail"].as_str().unwrap().contains("does not grant"), "{problem}");
    // Refused means nothing was kept.
    assert_eq!(running.person.get("/api/v1/filters").await["items"], json!([]));
    assert_eq!(publisher.publish(publication(&logs, 1), Some(&logs)).await.0, 201);
    // The same component again, without the grant it needs.
    let stripped = Publication { grants: [].into(), version: 2, sequence: now_ms() + 50, ..publication(&logs, 2) };
    assert_eq!(publisher.publish(stripped, None).await.0, 422);
}

#[tokio::test]
async fn a_component_beyond_the_bound_is_too_large() {
    let dir = Home::new().await;
    let small = |args| weir_orchestrator::ServeArgs { max_component_bytes: Some(4096), ..args };
    let running = Running::start_in(dir, small).await;
    let publisher = Publisher::new(&running.person);
    let large = filter_noted(&"x".repeat(5000));
    assert_eq!(publisher.publish(publication(&large, 1), Some(&large)).await.0, 413);
    let larger = vec![0; 8 << 20];
    assert_eq!(publisher.publish(publication(&larger, 1), Some(&larger)).await.0, 413);
}

#[tokio::test]
async fn what_was_altered_after_signing_is_refused() {
    let (running, publisher) = server().await;
    let statement = Statement::Publish(Box::new(publication(&filter(), 1)));
    let good = publisher.body(&publisher.key.sign(&statement), Some(&filter()));
    let other = PublisherKey::generate();
    let change = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let bytes = String::from_utf8(statement.to_bytes()).unwrap();
    let tampered = STANDARD.encode(bytes.replace("\"priority\":10", "\"priority\":11"));
    for (body, status) in [
        (change("statement", json!(tampered)), 422),
        (change("signature", json!("")), 422),
        (change("signature", json!(STANDARD.encode([7; 64]))), 422),
        (change("key_id", json!("0000000000000000")), 422),
        (change("public_key", json!(other.public().to_text())), 422),
        (change("public_key", json!("x")), 422),
        (change("component", json!(STANDARD.encode(filter_noted("other")))), 422),
        (change("component", json!(null)), 422),
        (change("component", json!("not base64!")), 400),
        (change("statement", json!(7)), 400),
        (change("more", json!(7)), 400),
    ] {
        let (got, problem) = running.person.post("/api/v1/filters", &body).await;
        assert_eq!(got, status, "{problem}");
    }
    let (got, _) = running.person.post("/api/v1/filters", &good).await;
    assert_eq!(got, 201);
}

#[tokio::test]
async fn a_match_that_is_no_query_or_cannot_be_asked_of_a_request_is_refused() {
    let (_running, publisher) = server().await;
    for matching in ["hots:x", "(", "status:500"] {
        let wrong = Publication { matching: matching.into(), ..publication(&filter(), 1) };
        let (got, problem) = publisher.publish(wrong, Some(&filter())).await;
        assert_eq!(got, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with("match: "), "{problem}");
    }
}

#[tokio::test]
async fn an_endorsement_reaches_the_group_it_names() {
    let (running, publisher) = server().await;
    let key = PublisherKey::generate().public();
    let (key_id, group) = (key.id(), "default".parse().unwrap());
    let endorsement = Endorsement { key, key_id, group, sequence: now_ms(), expires: now_ms() / 1000 + 60 };
    let (status, pushed) = publisher.push(&Statement::Endorse(endorsement), None).await;
    assert_eq!(status, 201, "{pushed}");
    assert_eq!((&pushed["name"], &pushed["revision"]), (&json!(null), &json!(1)));
    let inside = running.agent().await.sync().await.unwrap().state().await.unwrap();
    let outside = running.agent_of("edge").await.sync().await.unwrap().state().await.unwrap();
    assert_eq!((inside.statements.len(), outside.statements.len()), (1, 0));
    assert_eq!(running.person.get("/api/v1/filters").await["items"], json!([]));
}

#[tokio::test]
async fn pushes_at_once_are_put_in_order() {
    let (running, publisher) = server().await;
    let component = filter();
    let base = publication(&component, 1);
    let bodies = (1..=12).map(|version| {
        let statement = Publication { version, sequence: base.sequence + version, ..base.clone() };
        let envelope = publisher.key.sign(&Statement::Publish(Box::new(statement)));
        push(running.person.clone(), publisher.body(&envelope, Some(&component)))
    });
    let answers = futures_util::future::join_all(bodies).await;
    let accepted = answers.iter().filter(|status| **status == 201).count();
    assert!(answers.iter().all(|status| *status == 201 || *status == 409), "{answers:?}");
    // Whatever came first, the newest won.
    let one = running.person.get("/api/v1/filters/block").await;
    assert_eq!(one["version"], 12);
    assert_eq!(one["versions"].as_array().unwrap().len(), accepted);
}

async fn push(person: Person, body: Value) -> u16 {
    person.post("/api/v1/filters", &body).await.0.as_u16()
}

#[tokio::test]
async fn who_sends_a_body_too_slowly_keeps_nobody_from_pushing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let dir = Home::new().await;
    let mut config = weir_orchestrator::ServeConfig::load(dir.args()).unwrap();
    config.limits.push_time = std::time::Duration::from_secs(3);
    let server = weir_orchestrator::Server::start(config).await.unwrap();
    let person = Person::new(server.rest, dir.path());
    let head = format!(
        "POST /api/v1/filters HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n{{",
        person.token
    );
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut connection = tokio::net::TcpStream::connect(server.rest).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        slow.push(connection);
    }
    let publisher = Publisher::new(&person);
    let component = filter();
    let pushed = publisher.publish(publication(&component, 1), Some(&component));
    let (status, _) = tokio::time::timeout(crate::harness::PATIENCE, pushed).await.expect("they hold every turn");
    assert_eq!(status, 201);
    let mut told = [0; 12];
    slow[0].read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 408");
    drop(slow);
    server.stop().await;
}

#[tokio::test]
async fn a_filter_says_its_place_in_the_chain_of_its_group() {
    let (running, publisher) = server().await;
    for (step, (name, group, priority)) in
        [("late", "default", 20), ("b", "default", 10), ("a", "default", 10), ("alone", "edge", 5)]
            .into_iter()
            .enumerate()
    {
        let one = publication(&filter(), 1);
        let sequence = one.sequence + step as u64;
        let (name, group) = (name.parse().unwrap(), group.parse().unwrap());
        let (status, pushed) =
            publisher.publish(Publication { name, group, priority, sequence, ..one }, Some(&filter())).await;
        assert_eq!(status, 201, "{pushed}");
    }
    let places = async || {
        let list = running.person.get("/api/v1/filters").await;
        let mut places: Vec<_> = list["items"].as_array().unwrap().to_vec();
        places.sort_by_key(|item| (item["group"].to_string(), item["place"].as_u64()));
        places
            .iter()
            .map(|item| (item["name"].as_str().unwrap().to_owned(), item["place"].as_u64()))
            .collect::<Vec<_>>()
    };
    let place = |name: &str, place| (name.to_owned(), place);
    let all = [place("a", Some(1)), place("b", Some(2)), place("late", Some(3)), place("alone", Some(1))];
    assert_eq!(places().await, all);
    assert_eq!(running.person.get("/api/v1/filters/late").await["place"], 3);
    let (name, group) = ("a".parse().unwrap(), "default".parse().unwrap());
    let gone = Statement::Remove(weir_artifact::Removal { name, group, sequence: now_ms() + 1000 });
    assert_eq!(publisher.push(&gone, None).await.0, 201);
    let all = [place("a", None), place("b", Some(1)), place("late", Some(2)), place("alone", Some(1))];
    assert_eq!(places().await, all);
}
