//! Lines that filters wrote, in and out.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_proto::v1::{FilterLine, TrafficBatch};

use crate::harness::{Agent, Running};

fn line(filter: &str, text: &str) -> FilterLine {
    FilterLine {
        id: Uuid::now_v7().into_bytes().to_vec().into(),
        at_us: 1_000_000,
        filter: filter.into(),
        version: 3,
        level: "warn".into(),
        text: text.into(),
        ..FilterLine::default()
    }
}

async fn tell(agent: &Agent, lines: Vec<FilterLine>) {
    let mut traffic = agent.traffic().await.unwrap();
    traffic.send.send(TrafficBatch { batch: 1, lines, ..TrafficBatch::default() }).await.unwrap();
    assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, 1);
}

fn texts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lines_are_listed_backwards_and_followed_forwards() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let path = "/api/v1/filters/block/logs";
    let nothing = running.person.get(path).await;
    assert_eq!((&nothing["items"], &nothing["next"]), (&json!([]), &json!(null)));
    let exchange = Uuid::now_v7();
    let about = FilterLine { exchange: exchange.into_bytes().to_vec().into(), ..line("block", "b") };
    tell(&one, vec![line("block", "a"), about.clone(), line("other", "x")]).await;
    tell(&two, vec![line("block", "c")]).await;
    tell(&one, vec![about]).await;
    let page = running.person.get(path).await;
    assert_eq!(texts(&page), ["c", "b", "a"]);
    let item = &page["items"][1];
    assert_eq!((&item["agent"], &item["exchange"], &item["level"]), (&json!(one.id), &json!(exchange), &json!("warn")));
    assert_eq!((&item["version"], &page["items"][0]["exchange"]), (&json!(3), &json!(null)));
    let followed = running.person.get(&format!("{path}?after={}", nothing["newest"].as_str().unwrap())).await;
    assert_eq!((texts(&followed), &followed["next"]), (vec!["a", "b", "c"], &json!(null)));
    let newest = followed["newest"].as_str().unwrap().to_owned();
    assert_eq!(page["newest"], newest.as_str());
    let none = running.person.get(&format!("{path}?after={newest}")).await;
    assert_eq!((&none["items"], &none["newest"]), (&json!([]), &json!(newest)));
    tell(&two, vec![line("block", "d")]).await;
    assert_eq!(texts(&running.person.get(&format!("{path}?after={newest}")).await), ["d"]);
    assert_eq!(texts(&running.person.get(&format!("{path}?agent={}", two.id)).await), ["d", "c"]);
    let first = running.person.get(&format!("{path}?limit=3")).await;
    let rest = running.person.get(&format!("{path}?cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((texts(&first), texts(&rest)), (vec!["d", "c", "b"], vec!["a"]));
    let both = format!("{path}?cursor={newest}&after={newest}");
    assert_eq!(running.person.ask(&both).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(running.person.ask("/api/v1/filters/NO_NAME/logs").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lines_of_a_hostile_agent_are_bounded() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let long = line("block", &"x\u{0}".repeat(1 << 20));
    let bad =
        [line("", "no name"), line("../block", "no name"), FilterLine { at_us: u64::MAX, ..line("block", "late") }];
    tell(&agent, [vec![long], bad.to_vec()].concat()).await;
    let page = running.person.get("/api/v1/filters/block/logs").await;
    let [only] = &texts(&page)[..] else { panic!("{page}") };
    assert!(only.len() < 32 << 10 && only.starts_with("x\u{fffd}x"), "{}", only.len());
}
