//! Several orchestrators on one database: whatever is done at one is done at all.

use std::time::Duration;

use rcgen::KeyPair;
use serde_json::json;
use weir_orchestrator::{ServeConfig, Server};
use weir_proto::v1::{Closed, Decided, Held, Intervention, Problem, ProblemKind, agent_message, answer, command};

use crate::{
    breakpoints,
    commands::able,
    component::{filter, filter_noted},
    graphql::{look, socket::Socket},
    harness::{Home, Person, Publisher, Running, eventually, exchange, id, join, publication},
    lapse,
    metrics::report,
    sse::Stream,
};

/// Another orchestrator with the same database and authority.
async fn beside(one: &Running) -> Running {
    let dir = one.dir.beside(&["ca.key", "ca.pem"]);
    let server = Server::start(ServeConfig::load(dir.args()).unwrap()).await.unwrap();
    assert_eq!(server.new_token, None, "there is an admin token");
    let person = Person { base: format!("http://{}", server.rest), ..one.person.clone() };
    let grpc = server.grpc;
    Running { server: Some(server), person, grpc, dir }
}

#[tokio::test]
async fn what_is_pushed_at_one_reaches_the_agents_of_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut control = agent.sync().await.unwrap();
    assert_eq!(control.state().await.unwrap().revision, 0);
    let publisher = Publisher::new(&one.person);
    assert_eq!(publisher.publish(publication(&filter(), 1), Some(&filter())).await.0, 201);
    let told = tokio::time::timeout(Duration::from_secs(4), control.state()).await;
    assert_eq!(told.expect("it is notified, not found by a look").unwrap().revision, 1);
    // One sees that the agent is connected, to the other.
    let agents = || one.person.get("/api/v1/agents");
    eventually(agents, |agents| agents["items"][0]["state"] == "connected").await;
    drop(control);
    eventually(agents, |agents| agents["items"][0]["state"] == "disconnected").await;
}

#[tokio::test]
async fn who_follows_at_one_sees_each_exchange_of_both_once() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let mut stream = Stream::open(&one.person, "/api/v1/exchanges/stream?fields=id").await;
    let mut sent = Vec::new();
    let mut senders = Vec::new();
    for agent in [one.agent().await, two.agent().await] {
        let batches: Vec<Vec<_>> =
            (0..40).map(|n| (0..5).map(|m| exchange("a.example", &format!("/{n}/{m}"), 200)).collect()).collect();
        sent.extend(batches.iter().flatten().map(id));
        senders.push(tokio::spawn(async move {
            for batch in batches {
                agent.record(batch).await;
            }
        }));
    }
    let mut seen = Vec::new();
    while seen.len() < sent.len() {
        if seen.len() == 150 {
            // A place counts at every orchestrator.
            stream = Stream::go_on(&two.person, "/api/v1/exchanges/stream?fields=id", &stream.last).await;
        }
        let told = stream.told().await;
        assert_eq!(told.event, "exchange");
        seen.push(told.data["id"].as_str().unwrap().to_owned());
    }
    for sender in senders {
        sender.await.unwrap();
    }
    seen.sort();
    sent.sort();
    assert_eq!(seen, sent);
}

#[tokio::test]
async fn a_subscription_at_one_tells_what_comes_to_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut socket = Socket::ready(&one.person).await;
    socket.subscribe("x", "subscription { exchangeRecorded(query: \"status:5xx\") { id place agent { name } } }").await;
    socket.subscribe("m", "subscription { systemMetricsUpdated { agentId cpuUsagePercent } }").await;
    socket.subscribe("q", "{ __typename }").await;
    assert_eq!(socket.told().await["id"], "q");
    assert_eq!(socket.told().await["type"], "complete");
    let failed = exchange("a.example", "/", 500);
    agent.record(vec![exchange("a.example", "/", 200), failed.clone()]).await;
    let told = socket.told().await["payload"]["data"]["exchangeRecorded"].clone();
    assert_eq!((&told["id"], &told["agent"]["name"]), (&json!(id(&failed)), &json!("edge-1")));
    report(&agent, vec![look(0, 1)]).await;
    let looked = socket.told().await;
    assert_eq!(
        looked["payload"]["data"]["systemMetricsUpdated"],
        json!({"agentId": agent.id, "cpuUsagePercent": 12.5})
    );
    // And its place counts at the other.
    let later = exchange("a.example", "/", 502);
    agent.record(vec![later.clone()]).await;
    let mut there = Socket::ready(&two.person).await;
    there.subscribe("x", &format!("subscription {{ exchangeRecorded(after: {}) {{ id }} }}", told["place"])).await;
    assert_eq!(there.told().await["payload"]["data"]["exchangeRecorded"]["id"], id(&later));
}

#[tokio::test]
async fn what_is_delivered_to_both_is_stored_once() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let (here, there) = (one.agent().await, two.agent().await);
    let exchanges: Vec<_> = (0..300).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    let backwards = exchanges.iter().rev().cloned().collect();
    tokio::join!(here.record(exchanges.clone()), there.record(backwards));
    assert_eq!(one.person.ids("", 500).await.len(), 300);
}

#[tokio::test]
async fn a_join_token_is_good_for_one_agent_wherever_it_is_spent() {
    let one = Running::start().await;
    let two = beside(&one).await;
    for _ in 0..10 {
        let ticket = one.person.join_token("default").await;
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (here, there) = tokio::join!(join(one.grpc, &ticket, &key), join(two.grpc, &ticket, &other));
        assert!(here.is_ok() != there.is_ok(), "{here:?} {there:?}");
    }
    assert_eq!(two.person.get("/api/v1/agents").await["items"].as_array().unwrap().len(), 10);
}

/// One that was started before the tables had ids of join tokens goes on beside those that were started after.
#[tokio::test]
async fn join_tokens_that_an_earlier_version_makes_beside_are_listed_and_revoked() {
    let running = Running::start().await;
    let person = &running.person;
    person.join_token("default").await;
    // As it writes them.
    let insert = "INSERT INTO tokens (hash, kind, grp, created_us, expires_us) \
                  VALUES ('\\x01', 'join', 'edge', 1000000, 4000000000000000)";
    running.dir.sql(insert).await;
    let theirs = async || {
        let listed = person.get("/api/v1/join-tokens").await;
        let items = listed["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{listed}");
        items.iter().find(|item| item["group"] == "edge").unwrap().clone()
    };
    let made = theirs().await;
    assert_eq!((&made["state"], &made["created_by"]), (&json!("open"), &json!(null)));
    let id: uuid::Uuid = made["id"].as_str().unwrap().parse().unwrap();
    assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122), "of its time");
    let revoked = person.request(reqwest::Method::DELETE, &format!("/api/v1/join-tokens/{id}")).send().await.unwrap();
    assert_eq!(revoked.status().as_u16(), 204);
    // An earlier version asks when it expires, and nothing else.
    let revoked = theirs().await;
    assert_eq!((&revoked["state"], &revoked["expires"]), (&json!("revoked"), &revoked["revoked"]));
}

#[tokio::test]
async fn statements_that_race_have_one_order() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let publisher = Publisher::new(&one.person);
    let elsewhere = Publisher::new(&two.person);
    let mut control = two.agent().await.sync().await.unwrap();
    let mut newest = 0;
    for version in (1..20).step_by(2) {
        let (a, b) = (filter_noted(&format!("{version}")), filter_noted(&format!("{version}+")));
        let (first, second) = (publication(&a, version), publication(&b, version + 1));
        let (here, there) = tokio::join!(publisher.publish(first, Some(&a)), elsewhere.publish(second, Some(&b)));
        // The older one may have come too late; the newer one never does.
        assert!([201, 409].contains(&here.0.as_u16()) && there.0 == 201, "{here:?} {there:?}");
        let revisions = [&here.1["revision"], &there.1["revision"]].map(|revision| revision.as_u64().unwrap_or(0));
        assert!(revisions[0] != revisions[1] && revisions.iter().all(|r| *r == 0 || *r > newest), "{revisions:?}");
        newest = revisions[0].max(revisions[1]);
        while control.state().await.unwrap().revision != revisions[1] {}
    }
}

#[tokio::test]
async fn a_new_admin_token_counts_at_all() {
    let one = Running::start().await;
    let two = beside(&one).await;
    two.person.get("/api/v1/agents").await;
    let fresh = |args| weir_orchestrator::ServeArgs { new_token: true, ..args };
    let three = Running::start_in(one.dir.beside(&["ca.key", "ca.pem"]), fresh).await;
    let old = || async { two.person.ask("/api/v1/agents").await.0.as_u16() };
    eventually(old, |status| *status == 401).await;
    let person = Person { token: three.person.token.clone(), ..two.person.clone() };
    person.get("/api/v1/agents").await;
}

#[tokio::test]
async fn an_agent_that_is_revoked_at_one_is_let_go_by_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();
    let revoke = one.person.request(reqwest::Method::DELETE, &format!("/api/v1/agents/{}", agent.id));
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    assert!(control.end().await.message().contains("revoked"));
}

#[tokio::test]
async fn another_authority_is_not_let_in() {
    let one = Running::start().await;
    let start = |dir: &Home| Server::start(ServeConfig::load(dir.args()).unwrap());
    let stranger = one.dir.beside(&[]);
    let refused = start(&stranger).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("copy ca.key and ca.pem"), "{refused}");
}

#[tokio::test]
async fn both_may_start_first() {
    for _ in 0..3 {
        let home = Home::new().await;
        let made = Server::start(ServeConfig::load(crate::harness::args(home.path(), None)).unwrap()).await.unwrap();
        made.stop().await;
        std::fs::remove_file(home.path().join("token")).unwrap();
        let homes = [home.beside(&["ca.key", "ca.pem"]), home.beside(&["ca.key", "ca.pem"])];
        let [one, two] = homes.each_ref().map(|home| Server::start(ServeConfig::load(home.args()).unwrap()));
        let (one, two) = tokio::join!(one, two);
        let (one, two) = (one.unwrap(), two.unwrap());
        let tokens = [&one.new_token, &two.new_token];
        assert_eq!(tokens.iter().filter(|token| token.is_some()).count(), 1, "{tokens:?}");
        let holder = homes.iter().find(|home| home.path().join("token").exists()).unwrap();
        for server in [&one, &two] {
            assert_eq!(Person::new(server.rest, holder.path()).get("/api/v1/agents").await["items"], json!([]));
        }
        one.stop().await;
        two.stop().await;
    }
}

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
    for count in 1..=20 {
        let answers = async {
            let command = control.command().await;
            control.answer(&command, answer::Answer::Closed(Closed { count })).await;
        };
        let close = one.person.request(reqwest::Method::DELETE, &path).send();
        let began = std::time::Instant::now();
        let (response, ()) = tokio::join!(close, answers);
        let body: serde_json::Value = response.unwrap().json().await.unwrap();
        assert_eq!(body, json!({"closed": count, "unanswered": []}));
        assert!(began.elapsed() < Duration::from_secs(4), "it is notified, not found by a look");
    }
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
    assert_eq!(stream.told().await.event, "agent.disconnected");
    // A place of one is none at the other: there the list has to be read anew.
    let mut elsewhere = Stream::go_on(&two.person, "/api/v1/events", &stream.last).await;
    assert_eq!(elsewhere.told().await.event, "missed");
}

/// A token that is revoked at one, and an admin token that another takes the place of, end what they asked for at the other.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_one_ends_with_a_credential_that_ends_at_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    lapse::record_much(&one).await;
    let (person, token) = lapse::somebody(&two.person, "viewer", 3600).await;
    let mut stream = Stream::open(&person, "/api/v1/exchanges/stream").await;
    let mut socket = Socket::ready(&person).await;
    let export = lapse::Begun::of(&person, "/api/v1/exchanges/export").await;
    lapse::revoke(&one.person, &token).await;
    let told = stream.told().await;
    assert_eq!((&*told.event, &told.data["reason"]), ("end", &json!("unauthorized")));
    assert_eq!(socket.closed().await, 4403);
    export.breaks_off().await;

    let mut stream = Stream::open(&two.person, "/api/v1/exchanges/stream").await;
    let export = lapse::Begun::of(&two.person, "/api/v1/exchanges/export").await;
    let dir = one.stop().await;
    let _one = Running::start_in(dir, |args| weir_orchestrator::ServeArgs { new_token: true, ..args }).await;
    let told = stream.told().await;
    assert_eq!((&*told.event, &told.data["reason"]), ("end", &json!("unauthorized")));
    export.breaks_off().await;
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

/// Whichever of them a request reaches, and when: it is carried out once.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_to_all_is_carried_out_once() {
    let one = Running::start().await;
    let two = beside(&one).await;
    for round in 0..5 {
        let (key, body) = (uuid::Uuid::new_v4().to_string(), json!({"name": format!("at-{round}"), "role": "viewer"}));
        let all = (0..10).map(|n| {
            let person = if n % 2 == 0 { &one.person } else { &two.person };
            let request = person.request(reqwest::Method::POST, "/api/v1/tokens");
            request.header("idempotency-key", &key).json(&body).send()
        });
        let mut made = Vec::new();
        for answer in futures_util::future::join_all(all).await {
            let answer = answer.unwrap();
            match answer.status().as_u16() {
                201 => made.push(answer.json::<serde_json::Value>().await.unwrap()["token"].clone()),
                status => assert_eq!(status, 409),
            }
        }
        assert!(!made.is_empty() && made.iter().all(|token| *token == made[0]), "{made:?}");
        let listed = two.person.get("/api/v1/tokens").await;
        assert_eq!(listed["items"].as_array().unwrap().len(), round + 1);
    }
}

/// Whichever of them a change reaches, what it changes is what its sender saw.
#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_saw_the_same_one_changes_it_at_any() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let people = [&one.person, &two.person];
    crate::retention::race(&people).await;
    crate::once::race(&one, &people).await;
    crate::annotations::race(&one, &people).await;
}
