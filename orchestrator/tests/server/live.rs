//! Streams: what happens in the fleet, told as it happens, and how a stream ends.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use weir_proto::v1::{Applied, Exchange, Field, FilterOutcome, Paused, agent_message::Message};

use crate::{
    harness::{Person, Running, exchange},
    sse::Stream,
};

async fn made(admin: &Person, body: serde_json::Value) -> (String, Person) {
    let (status, made) = admin.post("/api/v1/tokens", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let token = made["token"].as_str().unwrap().to_owned();
    (made["id"].as_str().unwrap().to_owned(), Person { token, ..admin.clone() })
}

#[tokio::test]
async fn what_happens_to_an_agent_is_told_as_it_happens() {
    let running = Running::start().await;
    let person = &running.person;
    let mut all = Stream::open(person, "/api/v1/events").await;
    let mut some = Stream::open(person, "/api/v1/events?kinds=revision.*,agent.revoked").await;
    let agent = running.agent().await;
    let control = agent.sync().await.unwrap();
    // Others on the same database may have said something before they were heard.
    let told = all.told_but("missed").await;
    assert_eq!((&*told.event, &told.data["kind"]), ("agent.connected", &json!("agent.connected")));
    assert_eq!((&told.data["agent"], &told.data["name"]), (&json!(agent.id.to_string()), &json!("edge-1")));
    assert!(told.data["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told:?}");
    let connected = told.id;

    let good = Applied { revision: 7, took_us: 12, ..Applied::default() };
    let failed = FilterOutcome {
        name: "block".into(),
        version: 3,
        phase: "load".into(),
        reason: "no\nsuch world".into(),
        ..FilterOutcome::default()
    };
    let bad = Applied { revision: 8, filters: vec![failed], ..Applied::default() };
    control.say(Message::Applied(good)).await;
    control.say(Message::Applied(bad)).await;
    for stream in [&mut all, &mut some] {
        let told = stream.told_but("missed").await;
        assert_eq!(told.event, "revision.applied");
        assert_eq!((&told.data["revision"], &told.data["took_us"]), (&json!(7), &json!(12)));
        let told = stream.told().await;
        assert_eq!((&*told.event, &told.data["revision"]), ("revision.failed", &json!(8)));
        let expect = json!([{"name": "block", "version": 3, "phase": "load", "reason": "no such world"}]);
        assert_eq!(told.data["filters"], expect);
    }
    let path = format!("/api/v1/agents/{}", agent.id);
    assert_eq!(person.request(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    // It may be gone before it is told why: another on the same database would have let go of it too.
    let mut told = [all.told().await.event, all.told().await.event];
    told.sort();
    assert_eq!(told, ["agent.disconnected", "agent.revoked"]);
    assert_eq!(some.told().await.event, "agent.revoked");

    // Whoever lost the connection goes on where it broke, by header or by parameter.
    let mut back = Stream::go_on(person, "/api/v1/events", &connected).await;
    assert_eq!(back.told().await.event, "revision.applied");
    let mut back = Stream::open(person, &format!("/api/v1/events?after={connected}&kinds=agent.*")).await;
    assert!(["agent.disconnected", "agent.revoked"].contains(&&*back.told().await.event));
}

#[tokio::test]
async fn a_place_of_another_life_is_one_where_something_was_missed() {
    let running = Running::start().await;
    let last = Stream::open(&running.person, "/api/v1/events").await.last;
    let dir = running.stop().await;
    let running = Running::start_in(dir, |args| args).await;
    let mut back = Stream::go_on(&running.person, "/api/v1/events", &last).await;
    assert_eq!(back.told().await.event, "missed");
    let (status, problem) = running.person.ask("/api/v1/events?after=nowhere").await;
    assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("urn:weir:problem:bad-request")));
    let (status, problem) = running.person.ask("/api/v1/events?kinds=agent.gone").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("agent.connected"), "{problem}");
}

#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let running = Running::start().await;
    let admin = &running.person;
    let (id, viewer) = made(admin, json!({"name": "v", "role": "viewer"})).await;
    let (_, brief) = made(admin, json!({"name": "w", "role": "viewer", "expires_in_s": 10})).await;
    let mut expired = Stream::open(&brief, "/api/v1/events").await;
    let mut revoked = Stream::open(&viewer, "/api/v1/events").await;
    let mut own = Stream::open(admin, "/api/v1/events").await;
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(admin.request(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    for stream in [&mut revoked, &mut expired] {
        let told = stream.told_but("missed").await;
        assert_eq!((&*told.event, &told.data["reason"]), ("end", &json!("unauthorized")));
        assert!(stream.next().await.is_none());
    }
    let goes_on = running.agent().await.sync().await.unwrap();
    assert_eq!(own.told_but("missed").await.event, "agent.connected");
    drop(goes_on);
    assert_eq!(viewer.ask("/api/v1/events").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn streams_end_at_a_stop_and_hold_it_up_for_no_time() {
    let running = Running::start().await;
    let mut stream = Stream::open(&running.person, "/api/v1/events").await;
    let began = std::time::Instant::now();
    running.stop().await;
    // What goes on then is waited for 10 s.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    let told = stream.told_but("missed").await;
    assert_eq!((&*told.event, &told.data["reason"]), ("end", &json!("stopping")));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn one_name_has_so_many_streams_and_the_others_have_theirs() {
    let running = Running::start().await;
    let admin = &running.person;
    let (_, viewer) = made(admin, json!({"name": "v", "role": "viewer"})).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Stream::open(&viewer, "/api/v1/events").await);
    }
    let (status, problem) = viewer.ask("/api/v1/events").await;
    assert_eq!((status, &problem["type"]), (StatusCode::TOO_MANY_REQUESTS, &json!("urn:weir:problem:busy")));
    drop(Stream::open(admin, "/api/v1/events").await);
    open.truncate(63);
    let again = || async { viewer.request(Method::GET, "/api/v1/events").send().await.unwrap().status() };
    crate::harness::eventually(again, |status| *status == StatusCode::OK).await;
}

fn with_header(mut exchange: Exchange, name: &str, value: &'static str) -> Exchange {
    let field = Field { name: name.into(), value: value.as_bytes().into() };
    exchange.response.as_mut().unwrap().headers.push(field);
    exchange
}

#[tokio::test]
async fn exchanges_are_told_as_they_come_and_nobody_who_comes_back_misses_any() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    agent.record(vec![exchange("before.example", "/", 500)]).await;
    // What columns say, and what only the whole message holds.
    let path = "/api/v1/exchanges/stream?query=status:5xx%20response.header.x-kind~^a&fields=id,url,status";
    let mut stream = Stream::open(person, path).await;
    let fits = |n: usize| with_header(exchange("a.example", &format!("/{n}"), 503), "X-Kind", "ab");
    agent
        .record(vec![
            fits(0),
            exchange("a.example", "/no", 503),
            with_header(exchange("a.example", "/no", 200), "X-Kind", "ab"),
            fits(1),
        ])
        .await;
    let told = stream.told().await;
    assert_eq!(told.event, "exchange");
    assert_eq!(told.data["url"], "https://a.example/0");
    assert_eq!(told.data.as_object().unwrap().len(), 3, "{told:?}");
    // What lies between them is not told.
    assert_eq!(stream.told().await.data["url"], "https://a.example/1");
    drop(stream);
    agent.record((2..=4).map(fits).collect()).await;
    let mut back = Stream::go_on(person, path, &told.id).await;
    for n in 1..=4 {
        assert_eq!(back.told().await.data["url"], format!("https://a.example/{n}"));
    }
    let mut back = Stream::open(person, &format!("{path}&after={}", told.id)).await;
    assert_eq!(back.told().await.data["url"], "https://a.example/1");
    for wrong in ["query=status:x", "fields=body", "after=x", "limit=1"] {
        let (status, problem) = person.ask(&format!("/api/v1/exchanges/stream?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong} {problem}");
    }
}

#[tokio::test]
async fn a_place_is_one_whatever_is_asked_and_one_that_is_not_there_yet_is_now() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let path = |query: &str| format!("/api/v1/exchanges/stream?fields=path&query={query}");
    let begin = Stream::open(person, &path("status:5xx")).await.last;
    agent.record((0..4).map(|n| exchange("a.example", &format!("/{n}"), 200 + 300 * (n % 2))).collect()).await;
    let mut failed = Stream::go_on(person, &path("status:5xx"), &begin).await;
    let second = failed.told().await;
    assert_eq!(second.data["path"], "/1");
    // Whoever asks for something else goes on from the same place.
    let mut fine = Stream::go_on(person, &path("status:2xx"), &second.id).await;
    assert_eq!(fine.told().await.data["path"], "/2");
    let mut all = Stream::go_on(person, &path(""), &begin).await;
    for n in 0..4 {
        assert_eq!(all.told().await.data["path"], format!("/{n}"));
    }
    // Of a database as it was before it was restored, or made up; an event's is none here either, but is a place.
    let event = Stream::open(person, "/api/v1/events").await.last;
    let beyond = ["AAAAAAAAAAB__________w", "_____________________w", &event];
    let mut streams = Vec::new();
    for place in beyond {
        let stream = Stream::go_on(person, &path(""), place).await;
        assert_eq!(stream.last, all.last, "{place}");
        streams.push(stream);
    }
    agent.record(vec![exchange("a.example", "/next", 200)]).await;
    for mut stream in streams {
        assert_eq!(stream.told().await.data["path"], "/next");
    }
    for wrong in ["AAAA", "AAAAAAAAAAB__________w=", "%20", "AAAAAAAAAAB__________wAA"] {
        let (status, problem) = person.ask(&format!("{}&after={wrong}", path(""))).await;
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::BAD_REQUEST, &json!("urn:weir:problem:bad-request")),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn who_is_behind_is_told_so_and_gets_everything() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let path = "/api/v1/exchanges/stream?fields=path";
    let begin = Stream::open(person, path).await.last;
    let all = (0..2500).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    agent.record(all).await;
    let mut stream = Stream::go_on(person, path, &begin).await;
    let (mut paths, mut behind) = (Vec::new(), Vec::new());
    while paths.len() < 2500 {
        let told = stream.told().await;
        match &*told.event {
            "exchange" => paths.push(told.data["path"].as_str().unwrap().to_owned()),
            "behind" => behind.push((told.data["waiting"].as_u64().unwrap(), 2500 - paths.len() as u64)),
            other => panic!("{other}"),
        }
    }
    assert_eq!(paths, (0..2500).map(|n| format!("/{n}")).collect::<Vec<_>>());
    let [(waiting, are_behind)] = behind[..] else { panic!("not once: {behind:?}") };
    assert_eq!(waiting, are_behind);
    // Retention was quicker than another one.
    running.dir.sql("DELETE FROM exchanges WHERE path <> '/2499'").await;
    let mut late = Stream::go_on(person, path, &begin).await;
    let told = late.told().await;
    assert_eq!((&*told.event, &told.data), ("skipped", &json!({"exchanges": 2499})));
    assert_eq!(late.told().await.data["path"], "/2499");
}

#[tokio::test]
async fn a_reader_that_reads_nothing_holds_nobody_up() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let mut deaf = tokio::net::TcpStream::connect(running.server.as_ref().unwrap().rest).await.unwrap();
    let ask =
        format!("GET /api/v1/exchanges/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", person.token);
    deaf.write_all(ask.as_bytes()).await.unwrap();
    let mut stream = Stream::open(person, "/api/v1/exchanges/stream?fields=path").await;
    let long = "x".repeat(4000);
    for part in 0..4 {
        agent.record((0..500).map(|n| exchange("a.example", &format!("/{part}/{n}/{long}"), 200)).collect()).await;
    }
    for n in 0..2000 {
        let told = stream.told_but("behind").await;
        let begin = format!("/{}/{}/", n / 500, n % 500);
        assert!(told.data["path"].as_str().unwrap().starts_with(&begin), "{begin}");
    }
    // What it reads then begins where it was.
    let mut text = [0; 4096];
    let length = deaf.read(&mut text).await.unwrap();
    let text = String::from_utf8_lossy(&text[..length]).into_owned();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    running.stop().await;
}

#[tokio::test]
async fn pauses_without_end_drive_out_no_other_events() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let begin = Stream::open(person, "/api/v1/events").await.last;
    let control = agent.sync().await.unwrap();
    let applied = |revision| Message::Applied(Applied { revision, ..Applied::default() });
    control.say(applied(7)).await;
    let mut newest = Stream::open(person, "/api/v1/events?kinds=revision.*").await;
    for number in 0..9000_u128 {
        let id = || number.to_be_bytes().to_vec().into();
        control.say(Message::Paused(Paused { id: id(), breakpoint: id(), exchange: id(), ..Paused::default() })).await;
    }
    control.say(applied(8)).await;
    while newest.told_but("missed").await.data["revision"] != 8 {}
    // Who comes back is told what happened meanwhile, in order; of the pauses some are gone.
    let mut some = Stream::go_on(person, "/api/v1/events?kinds=agent.*,revision.*", &begin).await;
    let connected = some.told_but("missed").await;
    assert_eq!((&*connected.event, &connected.data["agent"]), ("agent.connected", &json!(agent.id.to_string())));
    for revision in [7, 8] {
        assert_eq!(some.told_but("missed").await.data["revision"], revision);
    }
    let mut all = Stream::go_on(person, "/api/v1/events", &begin).await;
    assert_eq!(all.told().await.event, "missed");
    let mut kept = 0;
    loop {
        let told = all.told().await;
        match &*told.event {
            // A gap is kept like a pause: what others on the same database say may not have been heard for a while.
            "exchange.paused" | "missed" => kept += 1,
            "revision.applied" if told.data["revision"] == 8 => break,
            _ => {}
        }
    }
    assert_eq!(kept, 8192);
}
