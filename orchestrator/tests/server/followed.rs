//! Connections told as they come, change and go.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_proto::v1::{Connections, LiveConnection, answer::Answer, command::Command};

use crate::{
    commands::{able, connected},
    harness::{Control, Running},
    sse::Stream,
};

fn live(number: u64, client: &str) -> LiveConnection {
    let id = Uuid::from_u128(u128::from(number) << 64 | 0x7000 << 64 | 0x8000 << 48);
    LiveConnection { id: id.as_bytes().to_vec().into(), client_address: client.into(), ..LiveConnection::default() }
}

/// The agent's answer to the next question about its connections.
async fn answers(agent: &mut Control, connections: Vec<LiveConnection>) {
    let command = agent.command().await;
    let Some(Command::ListConnections(list)) = &command.command else { panic!("{command:?}") };
    let behind = connections.into_iter().filter(|one| one.id > list.after);
    let mut connections: Vec<_> = behind.collect();
    let more = connections.len() > list.limit as usize;
    connections.truncate(list.limit as usize);
    let total = connections.len() as u64;
    agent.answer(&command, Answer::Connections(Connections { connections, more, total })).await;
}

#[tokio::test]
async fn what_comes_changes_and_goes_is_told_once() {
    let running = Running::start().await;
    let one = running.agent().await;
    let mut agent = connected(&one, able(&["connections"])).await;
    let (first, second) = (live(1, "192.0.2.1:1"), live(2, "192.0.2.2:2"));
    let (mut stream, ()) = tokio::join!(
        Stream::open(&running.person, "/api/v1/connections/stream"),
        answers(&mut agent, vec![first.clone()])
    );
    let told = stream.told().await;
    assert_eq!((told.event.as_str(), &told.data["client"]), ("opened", &json!("192.0.2.1:1")));

    // The same again says nothing.
    answers(&mut agent, vec![first.clone()]).await;
    answers(&mut agent, vec![first.clone(), second.clone()]).await;
    let told = stream.told().await;
    assert_eq!((told.event.as_str(), &told.data["client"]), ("opened", &json!("192.0.2.2:2")));
    let grown = LiveConnection { received_bytes: 7, stage: "http1".into(), ..first };
    answers(&mut agent, vec![grown.clone(), second]).await;
    let told = stream.told().await;
    assert_eq!((told.event.as_str(), &told.data["received_bytes"]), ("changed", &json!(7)));
    answers(&mut agent, vec![grown]).await;
    let told = stream.told().await;
    assert_eq!((told.event.as_str(), &told.data["agent"]), ("closed", &json!(one.id)));
    assert_eq!(told.data["id"], json!(Uuid::from_u128(2 << 64 | 0x7000 << 64 | 0x8000 << 48)));
}

#[tokio::test]
async fn more_than_is_followed_is_told_and_the_oldest_are() {
    let running = Running::start().await;
    let one = running.agent().await;
    let mut agent = connected(&one, able(&["connections"])).await;
    let many: Vec<_> = (0..2100).map(|number| live(0x1_0000 * (number + 1), "192.0.2.1:1")).collect();
    let pages = async {
        for _ in 0..4 {
            answers(&mut agent, many.clone()).await;
        }
    };
    let (mut stream, ()) = tokio::join!(Stream::open(&running.person, "/api/v1/connections/stream"), pages);
    for _ in 0..2000 {
        assert_eq!(stream.told().await.event, "opened");
    }
    let told = stream.told().await;
    assert_eq!((told.event.as_str(), &told.data["followed"]), ("cut", &json!(2000)));
}

#[tokio::test]
async fn an_agent_that_cannot_tell_is_named_and_one_that_is_not_there_refused() {
    let running = Running::start().await;
    let one = running.agent().await;
    let _agent = connected(&one, able(&[])).await;
    let mut stream = Stream::open(&running.person, "/api/v1/connections/stream").await;
    let told = stream.told().await;
    assert_eq!((told.event.as_str(), &told.data[0]["agent"]), ("unanswered", &json!(one.id)));
    let wrong = running.person.request(Method::GET, "/api/v1/connections/stream?agent=nobody");
    let answer = wrong.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], 404);
}
