//! The control stream: hello, desired state, news of it, what became of it.

use serde_json::{Value, json};
use tonic::Code;
use weir_proto::v1::{
    Applied, FetchRequest, FilterFigures, FilterOutcome, Heartbeat, agent_message::Message,
    control_client::ControlClient,
};

use crate::{
    component::{filter, filter_noted},
    harness::{Agent, Publisher, Running, eventually, publication, removal},
};

#[tokio::test]
async fn an_agent_is_told_what_to_run_and_of_each_change() {
    let running = Running::start().await;
    let publisher = Publisher::new(&running.person);
    let agent = running.agent().await;
    let mut control = agent.sync().await.unwrap();
    let state = control.state().await.unwrap();
    assert_eq!((state.revision, state.statements.len()), (0, 0));

    let first = publication(&filter(), 1);
    publisher.publish(first.clone(), Some(&filter())).await;
    let state = control.state().await.unwrap();
    assert_eq!((state.revision, state.statements.len()), (1, 1));
    // Byte for byte as it was signed.
    let signed = publisher.key.sign(&weir_artifact::Statement::Publish(Box::new(first.clone())));
    assert_eq!(state.statements[0].statement, signed.statement);
    assert_eq!(state.statements[0].signature, signed.signature);
    assert_eq!(state.statements[0].key_id, signed.key_id.as_str());

    let component = filter_noted("2");
    publisher.publish(publication(&component, 2), Some(&component)).await;
    let state = control.state().await.unwrap();
    assert_eq!((state.revision, state.statements.len()), (2, 1), "the newest statement only");

    publisher.push(&removal(first.sequence + 60_000), None).await;
    let state = control.state().await.unwrap();
    assert_eq!((state.revision, state.statements.len()), (3, 1), "a removal is a statement too");
}

#[tokio::test]
async fn no_publisher_hides_what_another_signed() {
    let running = Running::start().await;
    let (ours, stranger) = (Publisher::new(&running.person), Publisher::new(&running.person));
    let first = publication(&filter(), 1);
    ours.publish(first.clone(), Some(&filter())).await;
    let second = filter_noted("2");
    assert_eq!(stranger.publish(publication(&second, 2), Some(&second)).await.0, 201);
    assert_eq!(stranger.push(&removal(first.sequence + 60_000), None).await.0, 201);
    let state = running.agent().await.sync().await.unwrap().state().await.unwrap();
    let keys: Vec<_> = state.statements.iter().map(|statement| statement.key_id.clone()).collect();
    assert_eq!(keys, [ours.key.public().id().as_str(), stranger.key.public().id().as_str()], "the newest of each");
    assert_eq!(state.revision, 3);
}

#[tokio::test]
async fn what_became_of_it_can_be_read() {
    let running = Running::start().await;
    let publisher = Publisher::new(&running.person);
    publisher.publish(publication(&filter(), 1), Some(&filter())).await;
    let agent = running.agent().await;
    let mut control = agent.sync().await.unwrap();
    assert_eq!(control.state().await.unwrap().revision, 1);

    // It runs revision 1, it says; what it made of the filters it has not said yet.
    assert_eq!(running.person.get("/api/v1/agents").await["items"][0]["revision"], 0);
    let figures = |digest: &str| FilterFigures {
        name: "block".into(),
        digest: digest.into(),
        calls: 4,
        times: vec![3, 1],
        time_bounds_us: vec![10],
        failures: [("trap".to_owned(), 2)].into(),
        ..FilterFigures::default()
    };
    let heartbeat = Heartbeat {
        exchanges_total: 7,
        filters: vec![figures("sha256:y"), figures("sha256:x")],
        ..Heartbeat::default()
    };
    control.say(Message::Heartbeat(heartbeat)).await;
    let outcome = FilterOutcome {
        name: "block".into(),
        version: 1,
        digest: "sha256:x".into(),
        active: false,
        phase: "configure".into(),
        reason: "no\thosts".into(),
    };
    control
        .say(Message::Applied(Applied { revision: 1, filters: vec![outcome], took_us: 900, configuration: None }))
        .await;
    let item = |agents: Value| agents["items"][0].clone();
    let ask = || async { item(running.person.get("/api/v1/agents").await) };
    let seen = eventually(ask, |seen| seen["filters"] != json!([])).await;
    assert_eq!(seen["state"], "connected");
    assert_eq!(seen["revision"], 1);
    assert_eq!(seen["listen"], "127.0.0.1:8080");
    assert_eq!(seen["activity"]["exchanges_total"], 7);
    assert_eq!(seen["filters"][0]["reason"], "no hosts");

    let filters = running.person.get("/api/v1/filters").await;
    let outcome = &filters["items"][0]["agents"][0];
    assert_eq!((&outcome["name"], &outcome["phase"]), (&json!("edge-1"), &json!("configure")));
    assert_eq!(outcome["agent"], json!(agent.id));
    assert_eq!(outcome["figures"]["failures"], json!({"trap": 2}));
    assert_eq!(outcome["figures"]["times"], json!([{"up_to_us": 10, "calls": 3}, {"up_to_us": null, "calls": 1}]));
    // what it counted of another component is not of this one
    control.say(Message::Heartbeat(Heartbeat { filters: vec![figures("sha256:y")], ..Heartbeat::default() })).await;
    let figures = || async { running.person.get("/api/v1/filters").await["items"][0]["agents"][0]["figures"].clone() };
    eventually(figures, Value::is_null).await;

    drop(control);
    eventually(ask, |seen| seen["state"] == "disconnected").await;
}

#[tokio::test]
async fn the_newest_stream_of_an_agent_takes_over() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut first = agent.sync().await.unwrap();
    first.state().await.unwrap();
    let mut second = agent.sync().await.unwrap();
    second.state().await.unwrap();
    assert_eq!(first.end().await.code(), Code::Aborted);
    assert_eq!(running.person.get("/api/v1/agents").await["items"][0]["state"], "connected");
}

#[tokio::test]
async fn hello_comes_first_and_once() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();
    control.say(Message::Hello(weir_proto::v1::Hello::default())).await;
    assert_eq!(control.end().await.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_component_is_for_the_agents_of_its_group() {
    let running = Running::start().await;
    let publisher = Publisher::new(&running.person);
    let component = filter_noted(&"x".repeat(100));
    let group =
        |group: &str| weir_artifact::Publication { group: group.parse().unwrap(), ..publication(&component, 1) };
    let (status, pushed) = publisher.publish(group("edge"), Some(&component)).await;
    assert_eq!(status, 201, "{pushed}");
    let digest = pushed["digest"].as_str().unwrap().to_owned();

    let (inside, outside) = (running.agent_of("edge").await, running.agent_of("default").await);
    assert_eq!(fetch(&inside, &digest).await.unwrap(), component);
    let refused = fetch(&outside, &digest).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(fetch(&inside, "sha256:../../etc/passwd").await.unwrap_err().code(), Code::InvalidArgument);

    assert_eq!(outside.sync().await.unwrap().state().await.unwrap().statements.len(), 0);
    assert_eq!(inside.sync().await.unwrap().state().await.unwrap().statements.len(), 1);
}

async fn fetch(agent: &Agent, digest: &str) -> Result<Vec<u8>, tonic::Status> {
    let request = FetchRequest { digest: digest.to_owned() };
    let mut chunks = ControlClient::new(agent.channel.clone()).fetch(request).await?.into_inner();
    let mut bytes = Vec::new();
    let mut total = 0;
    while let Some(chunk) = chunks.message().await? {
        bytes.extend(chunk.data);
        total = chunk.total;
    }
    assert_eq!(bytes.len() as u64, total);
    Ok(bytes)
}

#[tokio::test]
async fn a_stop_ends_every_stream_in_words() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();
    let mut traffic = agent.traffic().await.unwrap();
    let stopping = tokio::spawn(running.stop());
    assert_eq!(control.end().await.code(), Code::Unavailable);
    assert_eq!(traffic.acks.message().await.unwrap_err().code(), Code::Unavailable);
    tokio::time::timeout(std::time::Duration::from_secs(8), stopping).await.expect("nothing is cut off").unwrap();
}
