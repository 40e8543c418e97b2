//! Agents of one orchestrator are reached from the other, and go on with it when theirs ends.

use std::time::Duration;

use serde_json::json;
use weir_proto::v1::{Closed, Decided, Held, Intervention, Problem, ProblemKind, agent_message, answer, command};

use super::beside;
use crate::{
    breakpoints,
    commands::able,
    harness::{Running, eventually, exchange},
    sse::Stream,
};

#[tokio::test]
async fn an_agent_goes_on_with_the_other_when_one_ends() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = one.agent().await;
    agent.record(vec![exchange("a.example", "/one", 200)]).await;
    let _dir = one.stop().await;
    agent.at(two.grpc).await.record(vec![exchange("a.example", "/two", 200)]).await;
    assert_eq!(two.person.ids("", 10).await.len(), 2);
}

#[tokio::test]
async fn who_is_asked_at_one_is_found_at_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut control = agent.sync_as(able(&["connections"])).await.unwrap();
    let path = format!("/api/v1/connections?agent={}", agent.id);
    let agents = || one.person.get("/api/v1/agents");
    eventually(agents, |agents| agents["items"][0]["state"] == "connected").await;
    let began = std::time::Instant::now();
    for count in 1..=20 {
        let answers = async {
            let command = control.command().await;
            control.answer(&command, answer::Answer::Closed(Closed { count })).await;
        };
        let close = one.person.request(reqwest::Method::DELETE, &path).send();
        let (response, ()) = tokio::join!(close, answers);
        let body: serde_json::Value = response.unwrap().json().await.unwrap();
        assert_eq!(body, json!({"closed": count, "unanswered": []}));
    }
    // With a look every 5 s each of them would take 5 s.
    assert!(began.elapsed() < Duration::from_secs(60), "it is notified, not found by a look: {:?}", began.elapsed());
    // The agent's own problem comes through as it is, and so does its end.
    let answers = async {
        let command = control.command().await;
        let problem = Problem { kind: ProblemKind::Busy.into(), text: "not now".into() };
        control.answer(&command, answer::Answer::Problem(problem)).await;
        control.command().await;
        drop(control);
    };
    let asks = async {
        let (status, busy) = one.person.ask(&path).await;
        assert_eq!((status.as_u16(), &busy["detail"]), (429, &json!("not now")));
        let (status, lost) = one.person.ask(&path).await;
        assert_eq!((status.as_u16(), &lost["type"]), (502, &json!("urn:weir:problem:agent-lost")));
    };
    tokio::join!(asks, answers);
    eventually(agents, |agents| agents["items"][0]["state"] == "disconnected").await;
    let (status, _) = one.person.ask(&path).await;
    assert_eq!(status.as_u16(), 409);
}

#[tokio::test]
async fn what_happens_at_one_is_told_at_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let mut stream = Stream::open(&one.person, "/api/v1/events?kinds=agent.*").await;
    let agent = two.agent().await;
    let control = agent.sync().await.unwrap();
    let told = stream.told_but("missed").await;
    assert_eq!((&*told.event, &told.data["agent"]), ("agent.connected", &json!(agent.id.to_string())));
    drop(control);
    assert_eq!(stream.told_but("missed").await.event, "agent.disconnected");
    // A place of one is none at the other: there the list has to be read anew.
    let mut elsewhere = Stream::go_on(&two.person, "/api/v1/events", &stream.last).await;
    assert_eq!(elsewhere.told().await.event, "missed");
}

#[tokio::test]
async fn breakpoints_of_one_are_set_and_decided_at_the_agents_of_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut control = breakpoints::connected(&agent).await;
    let agents = || one.person.get("/api/v1/agents");
    eventually(agents, |agents| agents["items"][0]["state"] == "connected").await;
    let mut stream = Stream::open(&one.person, "/api/v1/events?kinds=exchange.*").await;
    let wanted = json!({ "query": "host:a" });
    let post = one.person.post("/api/v1/breakpoints", &wanted);
    let (made, set) = breakpoints::meanwhile(&mut control, "", post).await;
    assert_eq!((made.0.as_u16(), set.len()), (201, 1), "{}", made.1);
    assert_eq!(made.1["at_agents"][0]["state"], "set");
    // Whoever has the agent sets it again, and the other one knows it.
    assert_eq!(breakpoints::is_set(&mut control, "").await.len(), 1);

    let paused = breakpoints::paused();
    control.say(agent_message::Message::Paused(paused.clone())).await;
    assert_eq!(stream.told_but("missed").await.event, "exchange.paused");
    let path = format!("/api/v1/paused/{}", uuid::Uuid::from_slice(&paused.id).unwrap());
    let answers = async {
        loop {
            let command = control.command().await;
            match command.command.clone() {
                Some(command::Command::Decide(decide)) => {
                    assert_eq!((&decide.id, decide.by.as_str()), (&paused.id, "admin"));
                    let how = Intervention { decision: "continue".into(), ..Intervention::default() };
                    let decided = Decided { paused: Some(paused.clone()), how: Some(how) };
                    return control.answer(&command, answer::Answer::Decided(decided)).await;
                }
                Some(command::Command::SetBreakpoints(set)) => breakpoints::take(&control, &command, &set, "").await,
                Some(command::Command::ReadPaused(_)) => {
                    let held = Held { paused: Some(paused.clone()), ..Held::default() };
                    control.answer(&command, answer::Answer::Held(held)).await;
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let decision = json!({ "decision": "continue" });
    let (decided, ()) = tokio::join!(one.person.post(&path, &decision), answers);
    assert_eq!((decided.0.as_u16(), &decided.1["decision"]), (200, &json!("continue")));

    // Removed at one, it is gone at the other.
    let path = format!("/api/v1/breakpoints/{}", made.1["id"].as_str().unwrap());
    let removal = async { two.person.request(reqwest::Method::DELETE, &path).send().await.unwrap().status() };
    let removed = breakpoints::meanwhile(&mut control, "", removal).await;
    assert_eq!(removed, (reqwest::StatusCode::NO_CONTENT, vec![]));
    assert_eq!(one.person.get("/api/v1/breakpoints").await["items"], json!([]));
}
