//! Settings that a publisher pushes: to the agents of a group, as they were signed, in their order; and what agents say of them.

use std::{path::Path, process::Output};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;
use weir_artifact::{Configuration, Digest, Envelope, Statement, TrustedKeys};
use weir_proto::v1::{Applied, ConfigurationOutcome, DesiredState, agent_message::Message};

use crate::{
    component::filter,
    harness::{Control, Publisher, Running, binary, eventually, now_ms, publication},
};

pub(crate) fn configuration(version: u64, text: &str) -> Configuration {
    Configuration {
        version,
        group: "default".parse().unwrap(),
        sequence: now_ms() + version,
        expires: now_ms() / 1000 + 3600,
        restores: None,
        text: text.to_owned(),
    }
}

impl Publisher {
    async fn configure(&self, configuration: &Configuration) -> (StatusCode, Value) {
        self.send(&self.key.sign(&Statement::Configure(configuration.clone()))).await
    }

    async fn send(&self, envelope: &Envelope) -> (StatusCode, Value) {
        self.person.post("/api/v1/configurations", &self.body(envelope, None)).await
    }
}

/// Of the newest configuration in the state.
fn outcome(state: &DesiredState) -> ConfigurationOutcome {
    let newest = state.statements.iter().filter_map(|one| match Statement::parse(&one.statement).unwrap() {
        Statement::Configure(configuration) => Some((configuration.version, Digest::of(&one.statement))),
        _ => None,
    });
    let (version, digest) = newest.last().unwrap();
    ConfigurationOutcome { version, digest: digest.to_string(), ..ConfigurationOutcome::default() }
}

fn takes(state: &DesiredState) -> ConfigurationOutcome {
    let outcome = outcome(state);
    ConfigurationOutcome { active: true, in_force: outcome.version, ..outcome }
}

async fn answer(control: &Control, state: &DesiredState, configuration: ConfigurationOutcome) {
    let applied =
        Applied { revision: state.revision, took_us: 700, configuration: Some(configuration), filters: vec![] };
    control.say(Message::Applied(applied)).await;
}

#[tokio::test]
async fn a_configuration_reaches_its_group_and_every_agent_answers() {
    let running = Running::start().await;
    let publisher = Publisher::new(&running.person);
    let (one, two, elsewhere) = (running.agent().await, running.agent().await, running.agent_of("edge").await);
    let mut controls = [one.sync().await.unwrap(), two.sync().await.unwrap()];
    let mut other = elsewhere.sync().await.unwrap();
    for control in controls.iter_mut().chain([&mut other]) {
        assert_eq!(control.state().await.unwrap().statements.len(), 0);
    }

    let first = configuration(1, "[capture]\nbody_bytes = \"16KiB\"\n[client]\nheaders = 77\n");
    let (status, pushed) = publisher.configure(&first).await;
    assert_eq!(status, 201, "{pushed}");
    let expect = json!({"name": null, "group": "default", "version": 1, "sequence": first.sequence, "digest": null,
        "revision": pushed["revision"]});
    assert_eq!(pushed, expect);
    let mut states = Vec::new();
    for control in &mut controls {
        let state = control.state().await.unwrap();
        // Byte for byte as it was signed.
        let signed = publisher.key.sign(&Statement::Configure(first.clone()));
        assert_eq!(
            (&state.statements[0].statement[..], &state.statements[0].signature[..]),
            (&signed.statement[..], &signed.signature[..])
        );
        let envelope = Envelope { key_id: signed.key_id, statement: signed.statement, signature: signed.signature };
        assert!(TrustedKeys::new([publisher.key.public()]).open(&envelope).is_ok());
        states.push(state);
    }
    answer(&controls[0], &states[0], takes(&states[0])).await;
    let pinned = ConfigurationOutcome { pinned: vec!["client.headers".into()], ..takes(&states[1]) };
    answer(&controls[1], &states[1], pinned).await;
    let shown = || running.person.get("/api/v1/configurations/default");
    let both = eventually(shown, |shown| shown["agents"].as_array().is_some_and(|agents| agents.len() == 2)).await;
    assert_eq!((&both["version"], &both["text"]), (&json!(1), &json!(first.text)));
    let agents = both["agents"].as_array().unwrap();
    assert!(agents.iter().all(|agent| agent["active"] == true && agent["in_force"] == 1), "{both}");
    assert_eq!(agents[1]["pinned"], json!(["client.headers"]));

    // One takes the next, the other cannot, and goes on with what it had.
    let (status, pushed) = publisher.configure(&configuration(2, "capture.body_bytes = \"1MiB\"\n")).await;
    assert_eq!(status, 201, "{pushed}");
    let state = controls[0].state().await.unwrap();
    assert_eq!(state.statements.len(), 1, "the newest takes the place of the one before");
    answer(&controls[0], &state, takes(&state)).await;
    let state = controls[1].state().await.unwrap();
    let nack = ConfigurationOutcome {
        phase: "content".into(),
        reason: "line 1: capture.body_bytes: does\nnot fit".into(),
        in_force: 1,
        ..outcome(&state)
    };
    answer(&controls[1], &state, nack).await;
    let listed = || running.person.get("/api/v1/agents");
    let listed = eventually(listed, |listed| listed["items"][1]["configuration"]["phase"] == "content").await;
    let said = &listed["items"][1]["configuration"];
    assert_eq!((&said["version"], &said["in_force"], &said["active"]), (&json!(2), &json!(1), &json!(false)));
    assert_eq!(said["reason"], "line 1: capture.body_bytes: does not fit");
    eventually(shown, |shown| shown["agents"][0]["in_force"] == 2).await;
    assert_eq!(listed["items"][2]["configuration"], json!(null), "another group's agent never heard of it");

    // Whoever comes later is told the newest, and another group nothing.
    let late = running.agent().await.sync().await.unwrap().state().await.unwrap();
    assert_eq!(outcome(&late).version, 2);
    assert_eq!(running.person.get("/api/v1/configurations?group=edge").await["items"], json!([]));
    assert_eq!(running.person.ask("/api/v1/configurations/edge").await.0, 404);
    let edge = Configuration { group: "edge".parse().unwrap(), ..configuration(1, "") };
    assert_eq!(publisher.configure(&edge).await.0, 201);
    assert_eq!(outcome(&other.state().await.unwrap()).version, 1);
}

#[tokio::test]
async fn versions_go_up_and_an_old_one_comes_back_as_a_new_one() {
    let running = Running::start().await;
    let publisher = Publisher::new(&running.person);
    let first = configuration(1, "client.headers = 20\n");
    let second = Configuration { sequence: first.sequence + 10, ..configuration(2, "client.headers = 30\n") };
    let (status, pushed) = publisher.configure(&first).await;
    assert_eq!(status, 201, "{pushed}");
    assert_eq!(publisher.configure(&first).await, (StatusCode::OK, pushed), "the answer was lost: asked again");
    assert_eq!(publisher.configure(&second).await.0, 201);
    let replayed = Configuration { version: 3, sequence: first.sequence + 1, ..first.clone() };
    let same_version = Configuration { sequence: second.sequence + 1, text: String::new(), ..second.clone() };
    let same_moment = Configuration { version: 3, text: String::new(), ..second.clone() };
    for refused in [&replayed, &same_version, &same_moment] {
        let (status, problem) = publisher.configure(refused).await;
        assert_eq!(status, 409, "{problem}");
    }
    let back = Configuration { version: 3, sequence: second.sequence + 20, restores: Some(1), ..first.clone() };
    assert_eq!(publisher.configure(&back).await.0, 201);
    let one = running.person.get("/api/v1/configurations/default").await;
    assert_eq!((&one["version"], &one["restores"], &one["text"]), (&json!(3), &json!(1), &json!(first.text)));
    let versions: Vec<_> = one["versions"].as_array().unwrap().iter().map(|one| one["version"].clone()).collect();
    assert_eq!(versions, [json!(3), json!(2), json!(1)]);

    // It lasts: another start knows all of them, and what comes next has to be newer still.
    let running = Running::start_in(running.stop().await, |args| args).await;
    let publisher = Publisher { person: running.person.clone(), ..publisher };
    assert_eq!(running.person.get("/api/v1/configurations/default").await, one);
    assert_eq!(publisher.configure(&Configuration { sequence: back.sequence + 1, ..back.clone() }).await.0, 409);
}

#[tokio::test]
async fn what_no_agent_would_take_is_refused_with_line_and_key() {
    let running = Running::start().await;
    let publisher = Publisher::new(&running.person);
    let wrong = configuration(1, "listen = \"0.0.0.0:1\"\n[client]\nheaders = 1\n\n[nothing]\nat_all = 1\n");
    let (status, problem) = publisher.configure(&wrong).await;
    assert_eq!((status.as_u16(), &problem["type"]), (422, &json!("urn:weir:problem:configuration")), "{problem}");
    let errors = problem["errors"].as_array().unwrap();
    let begins = [
        ("/listen", "line 1: this is decided where the agent runs"),
        ("/client/headers", "line 3: 1 is out of range"),
        ("/nothing/at_all", "line 6: there is no such key"),
    ];
    assert_eq!(errors.len(), begins.len(), "{problem}");
    for (error, (pointer, begin)) in errors.iter().zip(begins) {
        assert_eq!(error["pointer"], pointer, "{error}");
        assert!(error["detail"].as_str().unwrap().starts_with(begin), "{error}");
    }
    let right = configuration(1, "client.headers = 20\n");
    let signed = publisher.key.sign(&Statement::Configure(right.clone()));
    let mut altered = signed.clone();
    *altered.statement.iter_mut().rev().find(|byte| **byte == b'2').unwrap() = b'9';
    let (status, problem) = publisher.send(&altered).await;
    assert_eq!((status.as_u16(), &problem["type"]), (422, &json!("urn:weir:problem:signature")), "{problem}");
    let (status, problem) = publisher.push(&Statement::Configure(right.clone()), None).await;
    assert!(status == 422 && problem["detail"].as_str().unwrap().contains("/api/v1/configurations"), "{problem}");
    let filters = Statement::Publish(Box::new(publication(&filter(), 1)));
    let (status, problem) = publisher.send(&publisher.key.sign(&filters)).await;
    assert!(status == 422 && problem["detail"].as_str().unwrap().contains("/api/v1/filters"), "{problem}");
    let (status, problem) = publisher.configure(&configuration(1, &"#".repeat((64 << 10) + 1))).await;
    assert_eq!(status, 413, "{problem}");
    for late in [
        Configuration { expires: now_ms() / 1000 - 1, ..right.clone() },
        Configuration { sequence: now_ms() + 25 * 60 * 60 * 1000, ..right.clone() },
    ] {
        let (status, problem) = publisher.configure(&late).await;
        assert_eq!((status.as_u16(), &problem["type"]), (422, &json!("urn:weir:problem:not-current")), "{problem}");
    }
    assert_eq!(running.person.get("/api/v1/configurations").await["items"], json!([]), "nothing of it was stored");
    assert_eq!(publisher.configure(&right).await.0, 201);
}

/// `orchestrator config` with the keys of a folder.
async fn config(running: &Running, keys: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("config").args(arguments).arg("--key-dir").arg(keys);
    command.env("WEIR_ORCHESTRATOR", &running.person.base).env("WEIR_TOKEN", &running.person.token);
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Answers the next configuration while the command waits for that.
async fn answered(control: &mut Control, command: impl Future<Output = Output>, refuses: bool) -> Output {
    let answers = async {
        let state = control.state().await.unwrap();
        let outcome = if refuses {
            let (phase, reason) =
                ("sequence".into(), "version 3 is not above 5 and the statement is no rollback".into());
            ConfigurationOutcome { phase, reason, in_force: 5, ..outcome(&state) }
        } else {
            takes(&state)
        };
        answer(control, &state, outcome).await;
    };
    tokio::join!(command, answers).0
}

#[tokio::test]
async fn the_command_shows_what_is_new_pushes_waits_and_goes_back() {
    let running = Running::start().await;
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    let made = Command::new(binary()).args(["keys", "generate", "--key-dir"]).arg(&keys).output().await.unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let file = dir.path().join("edge.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "capture.body_bytes = 10\n").unwrap();
    let agent = running.agent().await;
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();

    let diff = config(&running, &keys, &["diff", path]).await;
    assert_eq!(said(&diff), "+ capture.body_bytes = 10\n");
    let pushed = answered(&mut control, config(&running, &keys, &["push", path, "--yes"]), false).await;
    let text = said(&pushed);
    assert!(pushed.status.success() && text.contains("configuration 1 of group default"), "{text}");
    assert!(text.contains("edge-1: in force after"), "{text}");
    let again = config(&running, &keys, &["push", path, "--yes"]).await;
    assert!(said(&again).contains("has this configuration already, as version 1"), "{}", said(&again));
    std::fs::write(&file, "capture.body_bytes = 20\n").unwrap();
    let pushed = answered(&mut control, config(&running, &keys, &["push", path, "--yes"]), false).await;
    assert!(said(&pushed).contains("~ capture.body_bytes = 10 -> 20"), "{}", said(&pushed));

    // The agent knows more than this orchestrator, which was restored from a backup: what it refuses can be pushed above that.
    let rollback = config(&running, &keys, &["rollback", "1", "--yes"]);
    let refused = answered(&mut control, rollback, true).await;
    assert!(!refused.status.success() && said(&refused).contains("version 3 is not above 5"), "{}", said(&refused));
    let rollback = config(&running, &keys, &["rollback", "1", "--yes", "--as-version", "6"]);
    let pushed = answered(&mut control, rollback, false).await;
    assert!(pushed.status.success() && said(&pushed).contains("configuration 6 of group default"), "{}", said(&pushed));
    let history = config(&running, &keys, &["history", "--format", "json"]).await;
    let history: Value = serde_json::from_slice(&history.stdout).unwrap();
    let told: Vec<_> = history.as_array().unwrap().iter().map(|one| (&one["version"], &one["restores"])).collect();
    let (one, null) = (json!(1), Value::Null);
    let versions = [json!(6), json!(3), json!(2), json!(1)];
    assert_eq!(told, [(&versions[0], &one), (&versions[1], &one), (&versions[2], &null), (&versions[3], &null)]);
    let shown = config(&running, &keys, &["show"]).await;
    assert!(said(&shown).contains("capture.body_bytes = 10") && said(&shown).contains("in force"), "{}", said(&shown));
}
