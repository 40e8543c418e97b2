//! PostgreSQL is gone for a while, in order or not: what was acknowledged is there, and all comes back by itself.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use weir_orchestrator::{ServeConfig, Server};
use weir_proto::v1::TrafficBatch;
use weir_testkit::{gate::Gate, postgres, scratch::Scratch};

use crate::harness::{Agent, PATIENCE, Person, Running, args, eventually, exchange, id};

struct Setup {
    postgres: postgres::Server,
    server: Server,
    person: Person,
    agent: Agent,
    _scratch: Scratch,
}

impl Setup {
    async fn start(name: &str) -> Self {
        let scratch = Scratch::new(name).unwrap();
        let postgres = postgres::Server::start(scratch.path()).await.unwrap();
        let dir = scratch.join("data");
        let server = Server::start(ServeConfig::load(args(&dir, Some(postgres.url()))).unwrap()).await.unwrap();
        let person = Person::new(server.rest, &dir);
        let agent = Agent::join(server.grpc, &person.join_token("default").await).await.unwrap();
        Self { postgres, server, person, agent, _scratch: scratch }
    }

    async fn ready(&self) -> StatusCode {
        let ready = self.person.http.get(format!("{}/readyz", self.person.base)).send().await.unwrap();
        let status = ready.status();
        if status != StatusCode::OK {
            assert_eq!(ready.headers()["content-type"], "application/problem+json");
        }
        status
    }
}

#[tokio::test]
async fn while_it_is_away_agents_wait_and_people_are_told() {
    let mut setup = Setup::start("postgres-away").await;
    setup.agent.record(vec![exchange("a.example", "/before", 200)]).await;
    setup.postgres.stop().unwrap();
    assert_eq!(setup.ready().await, StatusCode::SERVICE_UNAVAILABLE);
    let (status, problem) = setup.person.ask("/api/v1/exchanges").await;
    assert_eq!((status.as_u16(), &problem["type"]), (503, &"urn:weir:problem:unavailable".into()));
    let health = setup.person.http.get(format!("{}/healthz", setup.person.base)).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    setup.postgres = setup.postgres.restart().await.unwrap();
    let person = setup.person.clone();
    eventually(|| setup.ready(), |status| *status == StatusCode::OK).await;
    setup.agent.record(vec![exchange("a.example", "/after", 200)]).await;
    assert_eq!(person.ids("", 10).await.len(), 2);
    setup.server.stop().await;
}

#[tokio::test]
async fn killed_in_the_middle_it_has_all_that_was_acknowledged() {
    const BATCHES: u64 = 600;
    let mut setup = Setup::start("postgres-killed").await;
    let mut traffic = setup.agent.traffic().await.unwrap();
    let send = traffic.send.clone();
    let (sent, mut batches) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for batch in 0..BATCHES {
            let exchanges: Vec<_> = (0..20).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
            sent.send((batch, exchanges.iter().map(id).collect::<Vec<_>>())).unwrap();
            send.send(TrafficBatch { batch, exchanges, ..TrafficBatch::default() }).await.unwrap();
        }
    });
    let mut acknowledged = HashSet::new();
    for expect in 0..BATCHES {
        let ack = traffic.acks.message().await.unwrap().unwrap();
        let (batch, ids) = batches.recv().await.unwrap();
        assert_eq!((ack.batch, batch), (expect, expect));
        acknowledged.extend(ids);
        if [100, 250, 400].contains(&expect) {
            // SIGKILL, with batches on their way; their answers wait until it is back.
            setup.postgres.kill().unwrap();
            setup.postgres = setup.postgres.restart().await.unwrap();
        }
    }
    let stored = setup.person.ids("", 500).await;
    assert_eq!(stored.len(), acknowledged.len(), "each once");
    assert!(stored.iter().all(|id| acknowledged.contains(id)));
    setup.server.stop().await;
}

#[tokio::test]
async fn a_server_stops_though_its_database_is_away() {
    let mut setup = Setup::start("postgres-stop").await;
    let mut traffic = setup.agent.traffic().await.unwrap();
    setup.postgres.kill().unwrap();
    let exchanges = vec![exchange("a.example", "/", 200)];
    traffic.send.send(TrafficBatch { batch: 1, exchanges, ..TrafficBatch::default() }).await.unwrap();
    tokio::time::timeout(PATIENCE, setup.server.stop()).await.expect("it ends");
    assert!(traffic.acks.message().await.is_err(), "it was never acknowledged");
}

/// Batches that come while others are written share a transaction, which may be more than a slow database gets through in its time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_one_transaction_is_stored_in_parts() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); \
        IF (SELECT count(*) FROM added) > 10 THEN RAISE EXCEPTION 'too much' USING ERRCODE = 'query_canceled'; END IF; \
        RETURN NULL; END $$; CREATE TRIGGER slow AFTER INSERT ON exchanges REFERENCING NEW TABLE AS added \
        FOR EACH STATEMENT EXECUTE FUNCTION slow()";
    running.dir.sql(slow).await;
    let failures = async || {
        let told = running.person.http.get(format!("{}/metrics", running.person.base)).send().await.unwrap();
        let text = told.text().await.unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("weir_orchestrator_commit_failures_total "));
        count.unwrap_or_else(|| panic!("{text}")).parse::<u64>().unwrap()
    };
    let mut traffic = agent.traffic().await.unwrap();
    let mut batch = 0;
    while failures().await == 0 {
        assert!(batch < 400, "they never share a transaction");
        for _ in 0..8 {
            batch += 1;
            let exchanges = (0..5).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
            traffic.send.send(TrafficBatch { batch, exchanges, ..TrafficBatch::default() }).await.unwrap();
        }
        for expect in batch - 7..=batch {
            let ack = tokio::time::timeout(PATIENCE, traffic.acks.message()).await.expect("it is tried for ever");
            assert_eq!(ack.unwrap().unwrap().batch, expect);
        }
    }
    assert_eq!(running.person.ids("", 500).await.len() as u64, batch * 5);
}

/// A server that reaches its PostgreSQL through a gate.
async fn behind_a_gate(scratch: &str) -> (Scratch, postgres::Server, Gate, Server, Person) {
    let scratch = Scratch::new(scratch).unwrap();
    let postgres = postgres::Server::start(scratch.path()).await.unwrap();
    let gate = Gate::to(([127, 0, 0, 1], postgres.port()).into()).await.unwrap();
    let url = postgres.url().replace(&format!(":{}/", postgres.port()), &format!(":{}/", gate.address().port()));
    let dir = scratch.join("data");
    let server = Server::start(ServeConfig::load(args(&dir, Some(url))).unwrap()).await.unwrap();
    let person = Person::new(server.rest, &dir);
    (scratch, postgres, gate, server, person)
}

/// Nobody is told that the connections are worth nothing: no reset, no end.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_vanishes_without_a_word_is_known_in_seconds() {
    let (scratch, postgres, gate, server, person) = behind_a_gate("postgres-vanished").await;
    let agent = Agent::join(server.grpc, &person.join_token("default").await).await.unwrap();
    let setup = Setup { postgres, server, person, agent, _scratch: scratch };
    setup.agent.record(vec![exchange("a.example", "/before", 200)]).await;
    assert_eq!(setup.ready().await, StatusCode::OK);

    let mut traffic = setup.agent.traffic().await.unwrap();
    traffic.send.send(TrafficBatch { batch: 0, ..TrafficBatch::default() }).await.unwrap();
    assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, 0);
    gate.cut();
    let began = Instant::now();
    let exchanges = vec![exchange("a.example", "/meanwhile", 200)];
    traffic.send.send(TrafficBatch { batch: 1, exchanges, ..TrafficBatch::default() }).await.unwrap();
    eventually(|| setup.ready(), |status| *status == StatusCode::SERVICE_UNAVAILABLE).await;
    // TCP itself would take a quarter of an hour.
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    let health = setup.person.http.get(format!("{}/healthz", setup.person.base)).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);

    // New connections lead somewhere again. What was on its way is not lost: its old connection is given up.
    gate.mend();
    let acknowledged = tokio::time::timeout(Duration::from_secs(120), traffic.acks.message()).await;
    assert_eq!(acknowledged.expect("it is given up").unwrap().unwrap().batch, 1);
    eventually(|| setup.ready(), |status| *status == StatusCode::OK).await;
    assert_eq!(setup.person.ids("", 10).await.len(), 2);
    setup.server.stop().await;
}

/// Whoever was in the middle of a change when it vanished keeps no connection from those that come after.
#[tokio::test(flavor = "multi_thread")]
async fn changes_under_way_when_a_server_vanishes_are_given_up() {
    let (_scratch, _postgres, gate, server, person) = behind_a_gate("postgres-changes").await;
    let make = |person: Person| async move { person.post("/api/v1/join-tokens", &serde_json::json!({})).await.0 };
    let changing: Vec<_> = (0..8)
        .map(|_| {
            let person = person.clone();
            tokio::spawn(async move { while make(person.clone()).await == StatusCode::CREATED {} })
        })
        .collect();
    eventually(|| person.get("/api/v1/join-tokens?limit=500"), |made| made["items"].as_array().unwrap().len() > 50)
        .await;
    // They wait for answers that never come, and whoever comes after them for a connection.
    gate.cut();
    let ready = || async { person.http.get(format!("{}/readyz", person.base)).send().await.unwrap().status() };
    eventually(ready, |status| *status == StatusCode::SERVICE_UNAVAILABLE).await;
    // New connections lead somewhere again.
    gate.mend();
    let again = tokio::time::timeout(Duration::from_secs(180), async {
        while make(person.clone()).await != StatusCode::CREATED {}
    });
    again.await.expect("its connections are given up");
    changing.iter().for_each(tokio::task::JoinHandle::abort);
    server.stop().await;
}
