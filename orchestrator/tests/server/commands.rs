//! What people ask of agents: it reaches the agent, once, and whoever asked hears what came of it, whatever comes between.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_proto::v1::{
    CloseConnections, Closed, Connections, Hello, ListConnections, LiveConnection, Problem, ProblemKind,
    answer::Answer, command::Command,
};

use crate::harness::{Agent, Control, Person, Running, eventually};

/// Of an agent that can be asked for its connections.
pub(crate) fn able(allowed: &[&str]) -> Hello {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Hello {
        version: "0.2.0".into(),
        commands: words(&["connections", "replay"]),
        allowed: words(allowed),
        ..Agent::hello()
    }
}

pub(crate) async fn connected(agent: &Agent, hello: Hello) -> Control {
    let mut control = agent.sync_as(hello).await.unwrap();
    control.state().await.unwrap();
    control
}

fn live(client: &str) -> LiveConnection {
    let id = Uuid::now_v7().into_bytes().to_vec().into();
    LiveConnection {
        id,
        client_address: client.into(),
        since_us: 1,
        received_bytes: 2,
        sent_bytes: 3,
        ..LiveConnection::default()
    }
}

impl Running {
    async fn delete(&self, path: &str) -> (u16, Value) {
        let response = self.person.request(Method::DELETE, path).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }
}

#[tokio::test]
async fn agents_are_asked_who_is_connected() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let mut first = connected(&one, able(&["connections"])).await;
    let mut second = connected(&two, able(&["connections"])).await;
    let ask = running.person.get("/api/v1/connections?client=192.0.2.1&limit=1");
    let mut clients = [live("192.0.2.1:1"), live("192.0.2.1:2")];
    clients.sort_by_key(|client| client.id.clone());
    let told = LiveConnection {
        entry: "connect".into(),
        stage: "http2".into(),
        target: "a.example:443".into(),
        intercepted: true,
        tls_version: "TLS 1.3".into(),
        upstream_address: "192.0.2.7:443".into(),
        upstream_alpn: "h2".into(),
        exchanges: 9,
        exchanges_active: 4,
        ..clients[0].clone()
    };
    clients[0] = told;
    let answers = async {
        for (control, client) in [(&mut first, &clients[1]), (&mut second, &clients[0])] {
            let command = control.command().await;
            assert_eq!(command.id.len(), 16);
            assert!((1..=60_000).contains(&command.within_ms), "{command:?}");
            let list = ListConnections { client: "192.0.2.1".into(), limit: 1, ..ListConnections::default() };
            assert_eq!(command.command, Some(Command::ListConnections(list)));
            let connections = Connections { connections: vec![client.clone()], more: false, total: 7 };
            control.answer(&command, Answer::Connections(connections)).await;
        }
    };
    let (page, ()) = tokio::join!(ask, answers);
    let item = &page["items"][0];
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!((&item["client"], &item["agent"]), (&json!("192.0.2.1:1"), &json!(two.id)));
    assert_eq!((&item["received_bytes"], &item["sent_bytes"]), (&json!(2), &json!(3)));
    assert_eq!((&page["unanswered"], &page["total"]), (&json!([]), &json!(14)));
    assert_eq!((&item["stage"], &item["target"]), (&json!("http2"), &json!("a.example:443")));
    assert_eq!(item["tls"], json!({"version": "TLS 1.3", "cipher_suite": "", "alpn": null}));
    assert_eq!(item["upstream"], json!({"address": "192.0.2.7:443", "tls_version": null, "alpn": "h2"}));
    assert_eq!((&item["exchanges"], &item["exchanges_active"], &item["user"]), (&json!(9), &json!(4), &Value::Null));
    // The page after it begins behind it.
    let next = page["next"].as_str().unwrap();
    let path = format!("/api/v1/connections?agent={}&cursor={next}", one.id);
    let answers = async {
        let command = first.command().await;
        let Some(Command::ListConnections(list)) = &command.command else { panic!("{command:?}") };
        assert_eq!(list.after, clients[0].id);
        first.answer(&command, Answer::Connections(Connections::default())).await;
    };
    let (page, ()) = tokio::join!(running.person.get(&path), answers);
    assert_eq!((&page["items"], &page["next"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn who_only_looks_keeps_nobody_from_doing_something() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut control = connected(&agent, able(&["connections"])).await;
    let viewer = running.person.of_role("viewer").await;
    let look = |viewer: Person| async move { viewer.ask("/api/v1/connections").await };
    let looks: Vec<_> = (0..80).map(|_| tokio::spawn(look(viewer.clone()))).collect();
    // As many as may wait for an agent that does not answer.
    for _ in 0..32 {
        let command = control.command().await;
        assert!(matches!(command.command, Some(Command::ListConnections(_))), "{command:?}");
    }
    let path = format!("/api/v1/connections?agent={}", agent.id);
    let closes = async {
        loop {
            let command = control.command().await;
            if let Some(Command::CloseConnections(_)) = &command.command {
                return control.answer(&command, Answer::Closed(Closed { count: 7 })).await;
            }
        }
    };
    let ((status, closed), ()) = tokio::join!(running.delete(&path), closes);
    assert_eq!((status, &closed["closed"]), (200, &json!(7)), "{closed}");
    looks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn one_connection_is_closed_wherever_it_is() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let mut first = connected(&one, able(&["connections"])).await;
    let mut second = connected(&two, able(&["connections"])).await;
    let id = Uuid::now_v7();
    let path = format!("/api/v1/connections/{id}");
    for (count, status) in [(1, 204), (0, 404)] {
        let answers = async {
            for (control, count) in [(&mut first, 0), (&mut second, count)] {
                let command = control.command().await;
                let Some(Command::CloseConnections(close)) = &command.command else { panic!("{command:?}") };
                assert_eq!((&close.ids[..], close.all), (&[id.as_bytes().to_vec().into()][..], false));
                control.answer(&command, Answer::Closed(Closed { count })).await;
            }
        };
        let ((got, body), ()) = tokio::join!(running.delete(&path), answers);
        assert_eq!(got, status, "{body}");
    }
    assert_eq!(running.delete("/api/v1/connections").await.0, 400, "not all of all");
    assert_eq!(running.delete("/api/v1/connections?agent=nobody").await.0, 404);
    assert_eq!(running.delete("/api/v1/connections?client=here").await.0, 400);
    let answers = async {
        let command = first.command().await;
        let all = CloseConnections { all: true, ..CloseConnections::default() };
        assert_eq!(command.command, Some(Command::CloseConnections(all)));
        first.answer(&command, Answer::Closed(Closed { count: 7 })).await;
    };
    let path = format!("/api/v1/connections?agent={}", one.id);
    let ((status, body), ()) = tokio::join!(running.delete(&path), answers);
    assert_eq!((status, body), (200, json!({"closed": 7, "unanswered": []})));
    let trail = running.person.get("/api/v1/audit").await;
    let entry = &trail["items"][0];
    assert_eq!((&entry["object"], &entry["status"]), (&json!(path), &json!(200)));
}

#[tokio::test]
async fn whoever_asks_is_told_why_not() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let path = format!("/api/v1/connections?agent={}", agent.id);
    let refused = |status: u16, kind: &'static str| {
        let (running, path) = (&running, &path);
        async move {
            let (got, body) = running.person.ask(path).await;
            assert_eq!((got.as_u16(), body["type"].as_str().unwrap()), (status, &*format!("urn:weir:problem:{kind}")));
            body["detail"].as_str().unwrap().to_owned()
        }
    };
    refused(409, "agent-not-connected").await;
    // An agent of a version that has no commands, and reads nothing it does not know.
    let old = connected(&agent, Agent::hello()).await;
    assert!(refused(501, "agent-too-old").await.contains("upgrade"));
    drop(old);
    // Its operator does not allow it: it is not even asked.
    let strict = connected(&agent, able(&["replay"])).await;
    assert!(refused(409, "agent-does-not-allow").await.contains("--allow replay,connections"));
    let agents = running.person.get("/api/v1/agents").await;
    assert_eq!(agents["items"][0]["allowed"], json!(["replay"]));
    assert_eq!(agents["items"][0]["commands"], json!(["connections", "replay"]));
    // With nobody named, the others are shown all the same.
    let all = running.person.get("/api/v1/connections").await;
    assert!(all["unanswered"][0]["reason"].as_str().unwrap().contains("--allow"), "{all}");
    drop(strict);

    let mut able = connected(&agent, able(&["connections"])).await;
    let answers = async {
        let command = able.command().await;
        let problem = Problem { kind: ProblemKind::Busy.into(), text: "not\nnow".into() };
        able.answer(&command, Answer::Problem(problem)).await;
        let command = able.command().await;
        let problem = Problem { kind: 4711, text: "of a later version".into() };
        able.answer(&command, Answer::Problem(problem)).await;
        let command = able.command().await;
        able.answer(&command, Answer::Closed(Closed { count: 1 })).await;
    };
    let asks = async {
        assert_eq!(refused(429, "busy").await, "not now");
        assert_eq!(refused(502, "agent-failed").await, "of a later version");
        let odd = running.person.get(&path).await;
        assert!(odd["unanswered"][0]["reason"].as_str().unwrap().contains("something else"), "{odd}");
    };
    tokio::join!(asks, answers);
    // It says nothing within the time that it was given; and it goes in the midst of it.
    let silent = async {
        let command = able.command().await;
        assert_eq!(command.within_ms, 5000);
    };
    let (late, ()) = tokio::join!(refused(504, "agent-too-slow"), silent);
    assert!(late.contains("5s"), "{late}");
    let gone = async {
        able.command().await;
        drop(able);
    };
    tokio::join!(refused(502, "agent-lost"), gone);
}

#[tokio::test]
async fn an_agents_answers_are_for_what_it_was_asked() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let mut first = connected(&one, able(&["connections"])).await;
    let second = connected(&two, able(&["connections"])).await;
    let path = format!("/api/v1/connections?agent={}", one.id);
    let answers = async {
        let command = first.command().await;
        // Another agent knows the id, and answers in its place: nobody waits for that.
        let forged = Connections { connections: vec![live("192.0.2.9:9")], ..Connections::default() };
        second.answer(&command, Answer::Connections(forged)).await;
        let heartbeat = weir_proto::v1::Heartbeat { exchanges_total: 5, ..Default::default() };
        second.say(weir_proto::v1::agent_message::Message::Heartbeat(heartbeat)).await;
        // What came before the heartbeat has been heard.
        let heard = || running.person.get("/api/v1/agents");
        let of = |agents: &Value| {
            let items = agents["items"].as_array().unwrap().iter();
            items.filter(|agent| agent["activity"]["exchanges_total"] == 5).count()
        };
        eventually(heard, |agents| of(agents) == 1).await;
        first.answer(&command, Answer::Connections(Connections::default())).await;
    };
    let (page, ()) = tokio::join!(running.person.get(&path), answers);
    assert_eq!(page["items"], json!([]), "{page}");
}
