//! Who used what, counted once.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::{Body, Connection, Exchange, Response};

use crate::harness::{Running, exchange};

fn by(user: &str, path: &str, status: u32, bytes: u64) -> Exchange {
    let mut exchange = exchange("a.example", path, status);
    exchange.duration_us = 1000;
    exchange.connection = Some(Connection { user: user.into(), ..exchange.connection.take().unwrap_or_default() });
    let body = Some(Body { size: bytes, ..Body::default() });
    exchange.response = Some(Response { body, ..exchange.response.take().unwrap() });
    exchange
}

fn rows(report: &Value, name: &str) -> Vec<(Value, u64, u64, u64)> {
    let number = |item: &Value, of: &str| item[of].as_u64().unwrap();
    let of = |item: &Value| {
        (item[name].clone(), number(item, "exchanges"), number(item, "failed"), number(item, "response_bytes"))
    };
    report["items"].as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn users_agents_and_hours_are_counted_and_each_exchange_once() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let first = by("ann", "/1", 200, 10);
    one.record(vec![first.clone(), by("ann", "/2", 503, 5), by("", "/3", 404, 1)]).await;
    let all = running.person.get("/api/v1/usage").await;
    assert_eq!(rows(&all, "user"), [(json!("ann"), 2, 1, 15), (json!(null), 1, 0, 1)]);
    assert_eq!(all["items"][0]["duration_us"], 2000);
    assert_eq!(all["more"], false);

    // delivered twice, and more of another
    one.record(vec![first]).await;
    two.record(vec![by("bob", "/4", 200, 7), by("bob", "/5", 200, 7), by("bob", "/6", 200, 7)]).await;
    let users = running.person.get("/api/v1/usage?by=user&limit=1").await;
    assert_eq!((rows(&users, "user"), &users["more"]), (vec![(json!("bob"), 3, 0, 21)], &json!(true)));
    let agents = running.person.get("/api/v1/usage?by=agent").await;
    let told: Vec<_> = rows(&agents, "agent").into_iter().map(|row| (row.0, row.1)).collect();
    let mut expect = [(json!(one.id), 3), (json!(two.id), 3)];
    expect.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(told, expect);
    let own = running.person.get(&format!("/api/v1/usage?by=day&user=ann&agent={}", one.id)).await;
    let days = rows(&own, "at");
    assert_eq!(days.iter().map(|day| day.1).sum::<u64>(), 2, "{own}");
    assert!(days[0].0.as_str().unwrap().contains("T00:00:00"), "{own}");
    let nobody = running.person.get("/api/v1/usage?user=").await;
    assert_eq!(rows(&nobody, "user"), [(json!(null), 1, 0, 1)]);
}

#[tokio::test]
async fn what_is_absurd_is_counted_and_what_is_deleted_stays_counted() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let absurd = |path| Exchange { duration_us: 200_000_000_000_000_000, ..by("ann", path, 200, u64::MAX) };
    // A clock of the year 1970, and one far ahead.
    let late = Exchange { started_us: 1, ..by("ann", "/3", 200, 0) };
    let early = Exchange { started_us: 200_000_000_000_000_000, ..by("ann", "/4", 200, 0) };
    agent.record(vec![absurd("/1"), absurd("/2"), late, early]).await;
    let all = running.person.get("/api/v1/usage?by=hour").await;
    assert_eq!(rows(&all, "at").iter().map(|hour| hour.1).sum::<u64>(), 4, "{all}");
    assert_eq!(
        all["items"].as_array().unwrap().iter().map(|hour| hour["response_bytes"].as_u64().unwrap()).max(),
        Some(2 << 40)
    );
    for id in running.person.ids("", 10).await {
        let delete = running.person.request(Method::DELETE, &format!("/api/v1/exchanges/{id}"));
        assert_eq!(delete.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    let same = running.person.get("/api/v1/usage?by=hour").await;
    assert_eq!(same["items"], all["items"]);
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_told() {
    let running = Running::start().await;
    for wrong in [
        "by=week",
        "limit=0",
        "limit=1001",
        "from=yesterday",
        "agent=7",
        "from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z",
    ] {
        let (status, problem) = running.person.ask(&format!("/api/v1/usage?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {problem}");
    }
}

/// An agent that invents users has room for so many of them in an hour; no sum is less for it.
#[tokio::test]
async fn users_beyond_ten_thousand_of_an_agent_and_hour_have_one_name() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    // All in one hour, however long this takes.
    let started = by("", "/", 200, 0).started_us;
    for some in 0..11 {
        let users = some * 1000..(some * 1000 + 1000).min(10_003);
        let batch: Vec<Exchange> =
            users.map(|n| Exchange { started_us: started, ..by(&format!("user-{n}"), "/", 200, 2) }).collect();
        one.record(batch).await;
    }
    let first = running.person.get("/api/v1/usage?user=(others)").await;
    assert_eq!(rows(&first, "user"), [(json!("(others)"), 3, 0, 6)]);
    // All that came so far is counted: there is no room for one more, and whoever has some keeps it.
    let late = Exchange { started_us: started, ..by("late", "/", 200, 2) };
    let known = Exchange { started_us: started, ..by("user-0", "/", 200, 2) };
    one.record(vec![late.clone(), known]).await;
    two.record(vec![Exchange { id: by("", "", 200, 0).id, ..late }]).await;
    let others = running.person.get("/api/v1/usage?user=(others)").await;
    assert_eq!(rows(&others, "user"), [(json!("(others)"), 4, 0, 8)]);
    let users = running.person.get("/api/v1/usage?limit=2").await;
    assert_eq!(rows(&users, "user"), [(json!("(others)"), 4, 0, 8), (json!("user-0"), 2, 0, 4)]);
    let late = running.person.get("/api/v1/usage?user=late").await;
    assert_eq!(rows(&late, "user"), [(json!("late"), 1, 0, 2)], "another agent has room of its own");
    let agents = running.person.get("/api/v1/usage?by=agent").await;
    assert_eq!(rows(&agents, "agent").iter().map(|agent| agent.1).sum::<u64>(), 10_003 + 3, "{agents}");
}
