//! Breakpoints as agents hear of them, and what people hear of agents.

use serde_json::json;
use uuid::Uuid;
use weir_proto::v1::{
    Breakpoint, BreakpointState, Breakpoints, Decided, Field, Held, Hello, Intervention, PauseEnded, Paused,
    PausedList, Problem, ProblemKind, Request, SetBreakpoints, agent_message::Message, answer::Answer,
    command::Command, decide::Decision,
};

use crate::{
    harness::{Agent, Control, Running},
    sse::Stream,
};

pub(crate) fn able() -> Hello {
    let words = || vec!["breakpoints".to_owned()];
    Hello { version: "0.2.0".into(), commands: words(), allowed: words(), ..Agent::hello() }
}

pub(crate) async fn connected(agent: &Agent) -> Control {
    let mut control = agent.sync_as(able()).await.unwrap();
    control.state().await.unwrap();
    control
}

/// Takes breakpoints that are set.
pub(crate) async fn take(control: &Control, command: &weir_proto::v1::Command, set: &SetBreakpoints, refused: &str) {
    let state = |one: &Breakpoint| BreakpointState {
        id: one.id.clone(),
        refused: refused.to_owned(),
        ..BreakpointState::default()
    };
    let states = set.breakpoints.iter().map(state).collect();
    control.answer(command, Answer::Breakpoints(Breakpoints { states })).await;
}

/// Answers the next command, which sets breakpoints; those that it set.
pub(crate) async fn is_set(control: &mut Control, refused: &str) -> Vec<Breakpoint> {
    let command = control.command().await;
    let Some(Command::SetBreakpoints(set)) = command.command.clone() else { panic!("{command:?}") };
    take(control, &command, &set, refused).await;
    set.breakpoints
}

/// What comes of `asks` while the agent takes what it is told, and what it was told last.
pub(crate) async fn meanwhile<T>(
    control: &mut Control,
    refused: &str,
    asks: impl Future<Output = T>,
) -> (T, Vec<Breakpoint>) {
    let mut asks = std::pin::pin!(asks);
    let mut last = Vec::new();
    loop {
        tokio::select! {
            done = &mut asks => return (done, last),
            set = is_set(control, refused) => last = set,
        }
    }
}

/// Something that pauses, with more of everything than should be shown.
pub(crate) fn paused() -> Paused {
    let id = || Uuid::now_v7().into_bytes().to_vec().into();
    let request = Request {
        method: "GET".into(),
        scheme: "http".into(),
        authority: "a\u{1b}[2J".into(),
        path: format!("/{}", "x".repeat(10_000)),
        ..Request::default()
    };
    Paused { id: id(), breakpoint: id(), exchange: id(), request: Some(request), ..Paused::default() }
}

#[tokio::test]
async fn agents_hear_of_the_breakpoints_that_are_for_them() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let (mut first, mut second) = (connected(&one).await, connected(&two).await);
    let wanted = json!({ "query": "host:a", "at": "both", "agents": [one.id.to_string()], "timeout_s": 7, "on_timeout": "fail",
        "max_paused": 3, "body_bytes": 0, "lease_s": 600 });
    let (made, set) = meanwhile(&mut first, "", running.person.post("/api/v1/breakpoints", &wanted)).await;
    assert_eq!(made.0, 201, "{}", made.1);
    let made = made.1;
    assert_eq!(made["at_agents"].as_array().unwrap().len(), 1, "{made}");
    let [breakpoint] = &set[..] else { panic!("{set:?}") };
    assert_eq!(Uuid::from_slice(&breakpoint.id).unwrap().to_string(), made["id"].as_str().unwrap());
    assert_eq!((breakpoint.query.as_str(), breakpoint.at_request, breakpoint.at_response), ("host:a", true, true));
    assert_eq!((breakpoint.timeout_ms, breakpoint.fails, breakpoint.most, breakpoint.body_bytes), (7000, true, 3, 0));
    assert!(breakpoint.lease_ms <= 15_000, "an agent holds nothing for long: {breakpoint:?}");

    // Again and again, and once more when there is none.
    assert_eq!(is_set(&mut first, "").await.len(), 1);
    let path = format!("/api/v1/breakpoints/{}", made["id"].as_str().unwrap());
    let removal = async { running.person.request(reqwest::Method::DELETE, &path).send().await.unwrap().status() };
    assert_eq!(meanwhile(&mut first, "", removal).await, (reqwest::StatusCode::NO_CONTENT, vec![]));

    // For all: one agent refuses, one has it.
    let wanted = json!({ "query": "host:b" });
    let post = running.person.post("/api/v1/breakpoints", &wanted);
    let ((made, _), _) = meanwhile(&mut first, "", meanwhile(&mut second, "not\nhere", post)).await;
    assert_eq!(made.0, 201, "{}", made.1);
    let states = made.1["at_agents"].as_array().unwrap();
    assert_eq!(states[0]["state"], "set");
    assert_eq!((&states[1]["state"], &states[1]["reason"]), (&json!("refused"), &json!("not here")));
}

#[tokio::test]
async fn what_agents_tell_of_pauses_is_in_the_stream_and_no_more() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut control = connected(&agent).await;
    let mut stream = Stream::open(&running.person, "/api/v1/events?kinds=exchange.*").await;
    let paused = paused();
    control.say(Message::Paused(Paused { id: vec![1; 15].into(), ..paused.clone() })).await;
    control.say(Message::PauseEnded(PauseEnded::default())).await;
    control.say(Message::Paused(paused.clone())).await;
    // Others on the same database may have said something before they were heard.
    let told = stream.told_but("missed").await;
    assert_eq!((&*told.event, &told.data["message"]), ("exchange.paused", &json!("request")));
    assert_eq!(told.data["paused"], Uuid::from_slice(&paused.id).unwrap().to_string());
    assert_eq!(told.data["agent"], agent.id.to_string());
    let url = told.data["url"].as_str().unwrap();
    assert!(url.starts_with("http://a [2J/xx") && url.len() <= 4096, "{url}");
    let how = Intervention { decision: "kill".into(), by: "user:ann".into(), waited_us: 5, ..Intervention::default() };
    control.say(Message::PauseEnded(PauseEnded { paused: Some(paused.clone()), how: Some(how) })).await;
    let told = stream.told_but("missed").await;
    assert_eq!((&*told.event, &told.data["decision"]), ("exchange.decided", &json!("kill")));
    assert_eq!(told.data["pause"]["paused"], Uuid::from_slice(&paused.id).unwrap().to_string());
    assert_eq!((&told.data["by"], &told.data["waited_us"]), (&json!("user:ann"), &json!(5)));
    let how = Intervention { decision: "\"} 1\nforged".into(), ..Intervention::default() };
    control.say(Message::PauseEnded(PauseEnded { paused: Some(paused.clone()), how: Some(how) })).await;
    stream.told_but("missed").await;
    let person = &running.person;
    let metrics = person.http.get(format!("{}/metrics", person.base)).send().await.unwrap().text().await.unwrap();
    for (end, count) in [("kill", 1), ("other", 1), ("continue", 0)] {
        let line = format!("weir_orchestrator_pauses_total{{end=\"{end}\"}} {count}");
        assert!(metrics.lines().any(|own| own == line), "{line} is not in {metrics}");
    }

    // The list is what the agent says now.
    let answer = async {
        let command = control.command().await;
        assert!(matches!(command.command, Some(Command::ListPaused(_))), "{command:?}");
        let list = PausedList { states: vec![], paused: vec![paused.clone()] };
        control.answer(&command, Answer::PausedList(list)).await;
    };
    let (list, ()) = tokio::join!(running.person.get("/api/v1/paused"), answer);
    assert_eq!((list["items"].as_array().unwrap().len(), &list["unanswered"]), (1, &json!([])));
    // Whoever comes too late is told so.
    let answer = async {
        let command = control.command().await;
        let gone = Problem { kind: ProblemKind::NotFound.into(), text: "gone".into() };
        control.answer(&command, Answer::Problem(gone)).await;
    };
    let path = format!("/api/v1/paused/{}", Uuid::from_slice(&paused.id).unwrap());
    let decision = json!({ "decision": "continue" });
    let (decided, ()) = tokio::join!(running.person.post(&path, &decision), answer);
    assert_eq!(decided.0, 409, "{}", decided.1);
}

/// What signs people in is hidden elsewhere: who looks at a message that has it leaves an entry, as with a recorded one.
#[tokio::test]
async fn who_looks_at_credentials_that_pause_is_in_the_trail() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut control = connected(&agent).await;
    let look = async |control: &mut Control, headers: Vec<Field>| {
        let mut paused = paused();
        paused.request.as_mut().unwrap().headers = headers;
        let path = format!("/api/v1/paused/{}", Uuid::from_slice(&paused.id).unwrap());
        let answer = async {
            let command = control.command().await;
            assert!(matches!(command.command, Some(Command::ReadPaused(_))), "{command:?}");
            control.answer(&command, Answer::Held(Held { paused: Some(paused), ..Held::default() })).await;
        };
        let (shown, ()) = tokio::join!(running.person.get(&path), answer);
        let trail = running.person.get("/api/v1/audit?limit=500").await["items"].as_array().unwrap().clone();
        let entry = trail.into_iter().find(|entry| entry["action"] == "reveal" && entry["object"] == path.as_str());
        (shown["request"]["headers"].clone(), entry)
    };
    let field = |name: &str, value: &'static str| Field { name: name.into(), value: value.into() };
    let (shown, entry) = look(&mut control, vec![field("Accept", "*/*")]).await;
    assert_eq!((shown, entry), (json!([["Accept", "*/*"]]), None));
    let (shown, entry) = look(&mut control, vec![field("Authorization", "Bearer secret")]).await;
    assert_eq!(shown, json!([["Authorization", "Bearer secret"]]));
    assert_eq!(entry.expect("it is told")["actor"], "admin");
}

#[tokio::test]
async fn a_decision_is_told_to_nobody_but_whom_it_is_for() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let (mut first, mut second) = (connected(&one).await, connected(&two).await);
    let paused = paused();
    let path = format!("/api/v1/paused/{}", Uuid::from_slice(&paused.id).unwrap());
    let decision = json!({ "decision": "modify", "headers": [["authorization", "Bearer mine"]] });
    let held = || Answer::Held(Held { paused: Some(paused.clone()), body: Default::default() });
    let gone = || Answer::Problem(Problem { kind: ProblemKind::NotFound.into(), text: "gone".into() });
    let reads = async |control: &mut Control, answer: Answer| {
        let command = control.command().await;
        assert!(matches!(command.command, Some(Command::ReadPaused(_))), "{command:?}");
        control.answer(&command, answer).await;
    };

    let has = async {
        reads(&mut first, held()).await;
        let command = first.command().await;
        let Some(Command::Decide(decide)) = &command.command else { panic!("{command:?}") };
        assert!(matches!(decide.decision, Some(Decision::Modify(_))));
        let how =
            Intervention { decision: "modify".into(), changed: vec!["headers".into()], ..Intervention::default() };
        first.answer(&command, Answer::Decided(Decided { paused: Some(paused.clone()), how: Some(how) })).await;
    };
    let (decided, (), ()) = tokio::join!(running.person.post(&path, &decision), has, reads(&mut second, gone()));
    assert_eq!((decided.0.as_u16(), &decided.1["changed"]), (200, &json!(["headers"])), "{}", decided.1);

    // One that says that it has what is another's gets nothing by it. The next command is the next question, and no decision.
    for _ in 0..2 {
        let both = async { tokio::join!(reads(&mut first, held()), reads(&mut second, held())) };
        let (refused, _) = tokio::join!(running.person.post(&path, &decision), both);
        assert_eq!(refused.0, 409, "{}", refused.1);
        assert!(refused.1["detail"].as_str().unwrap().contains("?agent="), "{}", refused.1);
    }
}
