//! An agent that means harm, or is broken: refused, and nobody else notices.

use prost::bytes::Bytes;
use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Status,
    transport::{Certificate, ClientTlsConfig, Endpoint},
};
use uuid::Uuid;
use weir_artifact::{Configuration, Statement};
use weir_proto::v1::{
    AgentMessage, Applied, Body, Decided, Exchange, Field, FilterOutcome, Hello, Intervention, PausedList,
    RenewResponse, TrafficAck, TrafficBatch, agent_message::Message, answer::Answer, command::Command,
    control_client::ControlClient,
};

use crate::{
    breakpoints,
    compat::stream_after,
    harness::{Agent, Publisher, Running, connect, eventually, exchange, now_ms, pem},
};

#[tokio::test]
async fn what_is_no_exchange_is_left_out_and_the_rest_is_stored() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let good = exchange("good.example", "/", 200);
    let bad = [
        Exchange { id: Bytes::from_static(b"short"), ..good.clone() },
        Exchange { id: vec![0xff; 16].into(), ..good.clone() },
        Exchange { started_us: u64::MAX, id: new_id(), ..good.clone() },
        Exchange { request: None, id: new_id(), ..good.clone() },
        Exchange { id: new_id(), ..exchange("a", "/", 70_000) },
    ];
    let mut all = bad.to_vec();
    all.push(good);
    agent.record(all).await;
    let list = running.person.get("/api/v1/exchanges").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let metrics = running.person.http.get(format!("{}/metrics", running.person.base)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("weir_orchestrator_exchanges_total{kind=\"refused\"} 5"), "{metrics}");
    assert!(metrics.contains("weir_orchestrator_exchanges_total{kind=\"stored\"} 1"), "{metrics}");
}

#[tokio::test]
async fn odd_but_possible_exchanges_can_be_read() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut odd = exchange("[::1", "/\u{0}'\"; DROP TABLE exchanges; --", 999);
    odd.duration_us = 0;
    odd.outcome = 4711;
    odd.error = "\u{202e}\r\nSet-Cookie: x".into();
    let request = odd.request.as_mut().unwrap();
    request.body = Some(Body { data: Bytes::new(), size: u64::MAX, ..Body::default() });
    request.headers = vec![Field { name: "\r\n".into(), value: vec![0, 255].into() }];
    let response = odd.response.as_mut().unwrap();
    response.headers = vec![Field { name: "content-type".into(), value: b"text/html\r\nx: y"[..].into() }];
    let mut long = exchange("long.example", &"/long".repeat(100_000), 200);
    long.response.as_mut().unwrap().body =
        Some(Body { data: vec![7; 1 << 20].into(), size: 1 << 40, ..Body::default() });
    agent.record(vec![odd, long]).await;

    let list = running.person.get("/api/v1/exchanges").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(list["items"][1]["outcome"], "unknown");
    for item in list["items"].as_array().unwrap() {
        let path = format!("/api/v1/exchanges/{}", item["id"].as_str().unwrap());
        let one = running.person.get(&path).await;
        assert_eq!(one["id"], item["id"]);
        let body = running.person.request(reqwest::Method::GET, &format!("{path}/response/body")).send().await.unwrap();
        assert_eq!(body.status(), 200);
    }
    assert_eq!(list["items"][0]["path"].as_str().unwrap().len(), 8 << 10);
}

#[tokio::test]
async fn a_message_beyond_the_bound_ends_the_stream_only() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut traffic = agent.traffic().await.unwrap();
    let mut huge = exchange("a.example", "/", 200);
    huge.response.as_mut().unwrap().body =
        Some(Body { data: vec![0; 17 << 20].into(), size: 17 << 20, ..Body::default() });
    let _ = traffic.send.send(TrafficBatch { batch: 1, exchanges: vec![huge], ..TrafficBatch::default() }).await;
    assert!(traffic.acks.message().await.is_err());
    agent.record(vec![exchange("a.example", "/", 200)]).await;
    assert_eq!(running.person.ids("", 10).await.len(), 1);
}

/// Most that this process ever took, KiB; none where tests share one.
pub(crate) fn peak() -> Option<u64> {
    std::env::var_os("NEXTEST")?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    Some(line.trim().trim_end_matches(" kB").parse().unwrap())
}

#[tokio::test]
async fn few_bytes_that_stand_for_many_are_refused_before_they_are_read() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let before = peak();
    // Six million empty exchanges; texts of no length; outcomes.
    let batch = [0x12, 0].repeat(6_000_000);
    let (_say, mut acks) = stream_after::<TrafficAck>(&agent, "/weir.v1.Traffic/Record", vec![batch]).await;
    assert_eq!(acks.message().await.unwrap_err().code(), Code::ResourceExhausted);
    let fields = [0x32, 0].repeat(6_000_000);
    let exchange = [&[0x32][..], &varint(fields.len())[..], &fields[..]].concat();
    let batch = [&[0x12][..], &varint(exchange.len())[..], &exchange[..]].concat();
    let (_say, mut acks) = stream_after::<TrafficAck>(&agent, "/weir.v1.Traffic/Record", vec![batch]).await;
    assert_eq!(acks.message().await.unwrap_err().code(), Code::ResourceExhausted);
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after < before + 100_000, "it took {} KiB more", after - before);
    }
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();
    let filters = vec![FilterOutcome::default(); 1001];
    control.say(Message::Applied(Applied { filters, ..Applied::default() })).await;
    assert_eq!(control.end().await.code(), Code::InvalidArgument);
    agent.record(vec![crate::harness::exchange("a.example", "/still", 200)]).await;
    assert_eq!(running.person.ids("", 10).await.len(), 1);
}

fn varint(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number as u64, &mut bytes);
    bytes
}

#[tokio::test]
async fn an_agent_has_so_many_streams_whatever_connections_it_opens() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut taken = Vec::new();
    for _ in 0..2 {
        taken.push(agent.at(running.grpc).await.traffic().await.unwrap());
    }
    let refused = agent.at(running.grpc).await.traffic().await.map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("another process use its identity"), "{refused}");
    // Nobody else is kept out, and a place that is given back can be had again.
    running.agent().await.record(vec![exchange("a.example", "/", 200)]).await;
    taken.pop();
    eventually(|| async { agent.traffic().await.map(drop) }, Result::is_ok).await.unwrap();
}

#[tokio::test]
async fn an_agent_has_so_many_connections_and_strangers_have_few_for_all() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let (again, ca) = (|| connect(running.grpc, &agent.ca, Some(agent.identity.clone())), agent.ca.clone());
    let mut own = Vec::new();
    while let Ok(channel) = works(again().await).await {
        own.push(channel);
        assert!(own.len() <= 16, "there is no end");
    }
    assert!(own.len() > 8, "{}", own.len());
    let turned_away = async |reason: &str| {
        let metrics = running.person.http.get(format!("{}/metrics", running.person.base)).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let line = format!("weir_orchestrator_connections_turned_away_total{{door=\"grpc\",reason=\"{reason}\"}} ");
        metrics.lines().find_map(|told| told.strip_prefix(&line)).unwrap().parse::<usize>().unwrap()
    };
    assert!(turned_away("agent").await > 0);
    // Of strangers those who came first make way: some of these find their connection closed before they said anything.
    let crowded = || async {
        let some = (0..80).map(|_| async { works(connect(running.grpc, &ca, None).await).await });
        let _strangers = futures_util::future::join_all(some).await;
        turned_away("crowded").await
    };
    eventually(crowded, |crowded| *crowded >= 16).await;
    // Who wants to join does, and agents that are known get in.
    let ticket = running.person.join_token("default").await;
    let joined = Agent::join(running.grpc, &ticket).await.unwrap();
    joined.at(running.grpc).await.record(vec![exchange("a.example", "/", 200)]).await;
}

/// Whether a call over it is answered at all: what is not let in finds its connection closed.
async fn works(channel: Result<tonic::transport::Channel, Status>) -> Result<tonic::transport::Channel, Status> {
    let channel = channel?;
    let asked = ControlClient::new(channel.clone()).renew(weir_proto::v1::RenewRequest::default()).await.unwrap_err();
    match asked.code() {
        Code::Unauthenticated | Code::InvalidArgument => Ok(channel),
        _ => Err(asked),
    }
}

#[tokio::test]
async fn of_a_stranger_nothing_is_read_but_what_joining_takes() {
    let running = Running::start().await;
    let ca = running.person.join_token("default").await.ca;
    let agent = running.agent().await;
    let stranger = Agent { id: Uuid::nil(), channel: connect(running.grpc, &ca, None).await.unwrap(), ..agent };
    // A request that never comes: were it waited for, the answer would be another.
    let mut client = tonic::client::Grpc::new(stranger.channel.clone());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/weir.v1.Control/Renew");
    let (_say, messages) = tokio::sync::mpsc::channel(1);
    let request = tonic::Request::new(ReceiverStream::new(messages));
    let codec = crate::compat::Later::<RenewResponse>::default();
    let asked = client.streaming(request, path, codec).await;
    let refused = match asked {
        Ok(mut answer) => answer.get_mut().message().await.map(drop).unwrap_err(),
        Err(refused) => refused,
    };
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
}

/// Of a connection that takes little, and nothing of it is read.
#[tokio::test]
async fn an_agent_that_takes_nothing_is_let_go_all_the_same() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem(&agent.ca)));
    let tls = tls.domain_name("weir-orchestrator").identity(agent.identity.clone());
    let endpoint = Endpoint::from_shared(format!("https://{}", running.grpc)).unwrap().tls_config(tls).unwrap();
    let channel = endpoint.initial_stream_window_size(1024).connect().await.unwrap();
    let hello = AgentMessage { message: Some(Message::Hello(Agent::hello())) };
    let (say, messages) = tokio::sync::mpsc::channel(4);
    say.send(hello).await.unwrap();
    let _unread = ControlClient::new(channel).sync(ReceiverStream::new(messages)).await.unwrap();
    let gauge = || async {
        let metrics = running.person.http.get(format!("{}/metrics", running.person.base)).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        metrics.lines().find_map(|line| line.strip_prefix("weir_orchestrator_agents_connected ")?.parse::<i64>().ok())
    };
    eventually(gauge, |connected| *connected == Some(1)).await;
    // Each is more than the agent takes, and all of them more than waits for it.
    let publisher = Publisher::new(&running.person);
    for version in 1..=15 {
        let configuration = Configuration {
            version,
            group: "default".parse().unwrap(),
            sequence: now_ms() + version * 1000,
            expires: now_ms() / 1000 + 3600,
            restores: None,
            text: format!("# {}\n", "x".repeat(60_000)),
        };
        let envelope = publisher.key.sign(&Statement::Configure(configuration));
        let (status, said) = running.person.post("/api/v1/configurations", &publisher.body(&envelope, None)).await;
        assert_eq!(status, 201, "{said}");
    }
    let revoke = running.person.request(reqwest::Method::DELETE, &format!("/api/v1/agents/{}", agent.id));
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    eventually(gauge, |connected| *connected == Some(0)).await;
}

#[tokio::test]
async fn what_is_decided_about_one_agents_exchange_no_other_hears() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    let mut first = breakpoints::connected(&one).await;
    let second = breakpoints::connected(&two).await;
    let paused = breakpoints::paused();
    let path = format!("/api/v1/paused/{}", Uuid::from_slice(&paused.id).unwrap());
    let secret = json!({ "decision": "modify", "headers": [["authorization", "Bearer of-a-person"]] });
    // Both are called the same: the second chose its name.
    let (status, refused) = running.person.post(&format!("{path}?agent=edge-1"), &secret).await;
    assert!(status == 409 && refused["detail"].as_str().unwrap().contains("by its id"), "{refused}");
    // It may choose an id, too.
    drop(second);
    let mut second = two.sync_as(Hello { name: one.id.to_string(), ..breakpoints::able() }).await.unwrap();
    second.state().await.unwrap();
    let by_id = format!("{path}?agent={}", one.id);
    let decides = running.person.post(&by_id, &secret);
    let has_it = async {
        let command = first.command().await;
        assert!(matches!(command.command, Some(Command::Decide(_))), "{command:?}");
        let how =
            Intervention { decision: "modify".into(), changed: vec!["headers".into()], ..Intervention::default() };
        first.answer(&command, Answer::Decided(Decided { paused: Some(paused.clone()), how: Some(how) })).await;
    };
    let (decided, ()) = tokio::join!(decides, has_it);
    assert_eq!((decided.0.as_u16(), &decided.1["decision"]), (200, &json!("modify")), "{}", decided.1);
    // What the other is told first is what it is asked after that.
    let asks = running.person.get("/api/v1/paused");
    let both = async {
        for control in [&mut first, &mut second] {
            let command = control.command().await;
            assert!(matches!(command.command, Some(Command::ListPaused(_))), "it heard of it: {command:?}");
            control.answer(&command, Answer::PausedList(PausedList::default())).await;
        }
    };
    let (list, ()) = tokio::join!(asks, both);
    assert_eq!((&list["items"], &list["unanswered"]), (&json!([]), &json!([])));
}

fn new_id() -> Bytes {
    uuid::Uuid::now_v7().into_bytes().to_vec().into()
}
