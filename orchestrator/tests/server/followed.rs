//! Connections told as they come, change and go.

use std::{pin::pin, time::Duration};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;
use weir_proto::v1::{Connections, LiveConnection, Problem, ProblemKind, answer::Answer, command::Command};

use crate::{
    commands::{able, connected},
    harness::{Control, PATIENCE, Running},
    sse::{Stream, Told},
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

const STREAM: &str = "/api/v1/connections/stream";

/// The agent's answer to the next question: that it cannot.
async fn cannot(agent: &mut Control) {
    let command = agent.command().await;
    let problem = Problem { kind: ProblemKind::Busy.into(), text: "not now".into() };
    agent.answer(&command, Answer::Problem(problem)).await;
}

/// The next event, while the agent answers whatever it is asked with these.
async fn told_by(stream: &mut Stream, agent: &mut Control, connections: &[LiveConnection]) -> Told {
    let mut told = pin!(stream.told());
    loop {
        tokio::select! {
            told = &mut told => return told,
            () = answers(agent, connections.to_vec()) => {}
        }
    }
}

#[tokio::test]
async fn a_named_agent_that_goes_is_told_as_such_and_its_connections_stay_known() {
    let running = Running::start().await;
    let one = running.agent().await;
    let mut agent = connected(&one, able(&["connections"])).await;
    let (first, second) = (live(1, "192.0.2.1:1"), live(2, "192.0.2.2:2"));
    let mut stream = Stream::open(&running.person, &format!("{STREAM}?agent={}", one.id)).await;
    assert_eq!(told_by(&mut stream, &mut agent, std::slice::from_ref(&first)).await.event, "opened");

    drop(agent);
    let told = loop {
        let told = stream.told().await;
        assert_eq!((told.event.as_str(), &told.data[0]["agent"]), ("unanswered", &json!(one.id)));
        // It may have gone in the midst of a question.
        if told.data[0]["reason"] == "the agent is not connected" {
            break told;
        }
    };
    assert_eq!(told.data[0]["agent_name"], "edge-1");

    // It is back without the first, and with another: only now is it known what became of it.
    let mut agent = one.sync_as(able(&["connections"])).await.unwrap();
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(told_by(&mut stream, &mut agent, std::slice::from_ref(&second)).await.event);
    }
    assert_eq!(kinds, ["opened", "closed", "unanswered"]);
    // An agent without an identity does not come back.
    let path = format!("/api/v1/agents/{}", one.id);
    assert_eq!(running.person.request(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let told = stream.told_but("unanswered").await;
    assert_eq!((told.event.as_str(), &told.data["reason"]), ("end", &json!("gone")));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_agent_that_is_away_has_not_closed_its_connections() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let mut first = connected(&one, able(&["connections"])).await;
    let mut second = connected(&two, able(&["connections"])).await;
    let mut stream = Stream::open(&running.person, STREAM).await;
    let (mine, theirs) = (live(1, "192.0.2.1:1"), live(2, "192.0.2.2:2"));
    tokio::join!(answers(&mut first, vec![mine.clone()]), answers(&mut second, vec![theirs.clone()]));
    for _ in 0..2 {
        assert_eq!(stream.told().await.event, "opened");
    }
    drop(first);
    loop {
        let told = told_by(&mut stream, &mut second, std::slice::from_ref(&theirs)).await;
        assert_eq!((told.event.as_str(), &told.data[0]["agent"]), ("unanswered", &json!(one.id)));
        if told.data[0]["reason"] == "the agent is not connected" {
            break;
        }
    }
    // What the other tells goes on meanwhile.
    let told = told_by(&mut stream, &mut second, &[]).await;
    assert_eq!((told.event.as_str(), &told.data["agent"]), ("closed", &json!(two.id)));
    // Whoever comes now knows nothing of it, and is not told of agents that have been gone for long.
    let mut other = Stream::open(&running.person, STREAM).await;
    let told = told_by(&mut other, &mut second, std::slice::from_ref(&theirs)).await;
    assert_eq!((told.event.as_str(), &told.data["agent"]), ("opened", &json!(two.id)));
    // Of an agent without an identity nobody says what becomes of them.
    let path = format!("/api/v1/agents/{}", one.id);
    assert_eq!(running.person.request(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let told = told_by(&mut stream, &mut second, std::slice::from_ref(&theirs)).await;
        kinds.push((told.event, told.data["agent"].clone()));
    }
    let expect = [("opened", json!(two.id)), ("unfollowed", json!(one.id)), ("unanswered", json!(null))];
    assert_eq!(kinds, expect.map(|(event, agent)| (event.to_owned(), agent)));
}

#[tokio::test]
async fn agents_are_asked_once_for_all_who_follow() {
    let running = Running::start().await;
    let one = running.agent().await;
    let mut agent = connected(&one, able(&["connections"])).await;
    let (first, second) = (live(1, "192.0.2.1:1"), live(2, "192.0.2.2:2"));
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(Stream::open(&running.person, STREAM).await);
    }
    answers(&mut agent, vec![first.clone()]).await;
    for stream in &mut streams {
        assert_eq!(stream.told().await.event, "opened");
    }
    // Each of the answers is for all, and those of one client are told from it.
    let mut of_client = Stream::open(&running.person, &format!("{STREAM}?client=192.0.2.2")).await;
    answers(&mut agent, vec![second.clone()]).await;
    for stream in &mut streams {
        let kinds = [stream.told().await.event, stream.told().await.event];
        assert_eq!(kinds, ["opened", "closed"]);
    }
    let told = of_client.told().await;
    assert_eq!((told.event.as_str(), &told.data["client"]), ("opened", &json!("192.0.2.2:2")));
    // Nobody follows, and nobody is asked.
    drop((streams, of_client));
    let quiet = Duration::from_millis(2500);
    let ends = async { while timeout(quiet, answers(&mut agent, Vec::new())).await.is_ok() {} };
    timeout(PATIENCE, ends).await.expect("the agent is asked no more");
}

#[tokio::test]
async fn nobody_is_asked_for_who_has_no_seat() {
    let running = Running::start().await;
    let one = running.agent().await;
    let mut agent = connected(&one, able(&["connections"])).await;
    let mut seats = Vec::new();
    for _ in 0..64 {
        seats.push(Stream::open(&running.person, "/api/v1/events").await);
    }
    let refused = running.person.request(Method::GET, STREAM).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    // What the agent is asked first is the listing that comes after.
    let path = format!("/api/v1/connections?limit=7&agent={}", one.id);
    let listing = running.person.get(&path);
    let first = async {
        let command = agent.command().await;
        let Some(Command::ListConnections(list)) = &command.command else { panic!("{command:?}") };
        assert_eq!(list.limit, 7);
        agent.answer(&command, Answer::Connections(Connections::default())).await;
    };
    tokio::join!(listing, first);
}

/// Of two agents one has said what it has on the first page, and says nothing on the second.
#[tokio::test]
async fn silence_in_a_later_page_closes_nothing() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let mut first = connected(&one, able(&["connections"])).await;
    let mut second = connected(&two, able(&["connections"])).await;
    // by turns, 400 of each
    let all: Vec<_> = (0..800).map(|number| live(0x1_0000 * (number + 1), "192.0.2.1:1")).collect();
    let of = |which: usize| all.iter().skip(which).step_by(2).cloned().collect::<Vec<_>>();
    let mut stream = Stream::open(&running.person, STREAM).await;
    let looks = async {
        for is_silent in [false, true] {
            tokio::join!(answers(&mut first, of(0)), answers(&mut second, of(1)));
            let second_page = async {
                match is_silent {
                    true => cannot(&mut second).await,
                    false => answers(&mut second, of(1)).await,
                }
            };
            tokio::join!(answers(&mut first, of(0)), second_page);
        }
    };
    let told = async {
        for _ in 0..800 {
            assert_eq!(stream.told().await.event, "opened");
        }
        let told = stream.told().await;
        assert_eq!((told.event.as_str(), &told.data[0]["agent"]), ("unanswered", &json!(two.id)));
        assert_eq!(told.data[0]["reason"], "not now");
    };
    tokio::join!(told, looks);
    // It answers again: nothing was lost, and nothing is told anew.
    let again = async {
        for _ in 0..2 {
            tokio::join!(answers(&mut first, of(0)), answers(&mut second, of(1)));
        }
    };
    let told = async {
        let told = stream.told().await;
        assert_eq!((told.event.as_str(), &told.data), ("unanswered", &json!([])));
    };
    tokio::join!(told, again);
}
