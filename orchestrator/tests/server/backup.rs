//! A backup is taken while the server is used, and what is restored from it answers as the server did. What is not whole is not
//! restored, and leaves nothing.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use reqwest::Method;
use serde_json::{Value, json};
use weir_orchestrator::{BodyStoreArgs, ServeArgs, ServeConfig, Server};
use weir_proto::v1::{Body, Exchange};

use crate::{
    component::filter,
    harness::{Agent, Home, Person, Publisher, Running, binary, exchange, id, publication},
    sse::Stream,
};

/// A server with something of everything.
async fn full() -> (Running, Agent) {
    let running = Running::start().await;
    let person = &running.person;
    let publisher = Publisher::new(person);
    assert_eq!(publisher.publish(publication(&filter(), 1), Some(&filter())).await.0, 201);
    let anna = json!({"name": "anna", "role": "operator", "password": "korrekt horse bättery"});
    assert_eq!(person.post("/api/v1/users", &anna).await.0, 201);
    assert_eq!(
        person.post("/api/v1/tokens", &json!({"name": "ci", "role": "viewer", "areas": ["traffic"]})).await.0,
        201
    );
    let agent = running.agent().await;
    agent.record((0..300).map(|n| exchange("a.example", &format!("/{n}\u{e9}"), 200)).collect()).await;
    let mut noise = exchange("b.example", "/noise", 500);
    let data: Vec<u8> = (0..100_000).map(|_| rand::random()).collect();
    noise.response.as_mut().unwrap().body =
        Some(Body { size: data.len() as u64, data: data.into(), ..Body::default() });
    let last = exchange("b.example", "/last", 200);
    agent.record(vec![noise, last.clone()]).await;
    // The number that the newest had does not come again.
    let gone = person.request(Method::DELETE, &format!("/api/v1/exchanges/{}", id(&last)));
    assert_eq!(gone.send().await.unwrap().status(), 204);
    (running, agent)
}

/// All that REST tells, but for what is of the moment.
async fn told(person: &Person) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["filters", "users", "exchanges?limit=500", "audit?limit=500"] {
        all.push(person.get(&format!("/api/v1/{path}")).await);
    }
    for (path, moving) in [("tokens", "last_used"), ("agents", "state")] {
        let mut list = person.get(&format!("/api/v1/{path}")).await;
        for item in list["items"].as_array_mut().unwrap() {
            item.as_object_mut().unwrap().remove(moving);
        }
        all.push(list);
    }
    let noise = person.ids("host:b.example", 10).await;
    all.push(person.get(&format!("/api/v1/exchanges/{}", noise[0])).await);
    all
}

async fn backup(person: &Person, dir: &Path) -> PathBuf {
    let taken = person.request(Method::GET, "/api/v1/backup").send().await.unwrap();
    assert_eq!(taken.status(), 200);
    let file = dir.join("weir.backup");
    std::fs::write(&file, taken.bytes().await.unwrap()).unwrap();
    file
}

fn restoring(into: &Home, file: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("WEIR_DATABASE_URL", into.database_url());
    command.arg("restore").arg(file).arg("--data-dir").arg(into.path()).args(more);
    command
}

fn restore(into: &Home, file: &Path, more: &[&str]) -> Result<String, String> {
    let output = restoring(into, file, more).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// Restores into a database that holds nothing, and compares what is told.
async fn moves(running: &Running, agent: &Agent, into: Home) {
    let file = backup(&running.person, running.dir.path()).await;
    let before = told(&running.person).await;
    for key in ["ca.key", "ca.pem"] {
        std::fs::copy(running.dir.path().join(key), into.path().join(key)).unwrap();
    }
    restore(&into, &file, &[]).unwrap();
    let server = Server::start(ServeConfig::load(into.args()).unwrap()).await.unwrap();
    assert_eq!(server.new_token, None, "the admin token counts on");
    let person = Person { base: format!("http://{}", server.rest), ..running.person.clone() };
    for (now, before) in told(&person).await.into_iter().zip(before) {
        assert_eq!(now, before);
    }
    // The agent's certificate counts on, and what it records next has the next place.
    let path = "/api/v1/exchanges/stream?fields=path";
    let place = Stream::open(&person, path).await.last;
    let there = agent_at(agent, server.grpc).await;
    there.record(vec![exchange("a.example", "/after", 200)]).await;
    let came = Stream::go_on(&person, path, &place).await.told().await;
    assert_eq!((&*came.event, &came.data["path"]), ("exchange", &json!("/after")));
    let said = restore(&into, &file, &[]).unwrap_err();
    assert!(said.contains("another orchestrator is using it"), "{said}");
    server.stop().await;
    let said = restore(&into, &file, &[]).unwrap_err();
    assert!(said.contains("nothing was restored: "), "{said}");
}

async fn agent_at(agent: &Agent, grpc: std::net::SocketAddr) -> Agent {
    let channel = crate::harness::connect(grpc, &agent.ca, Some(agent.identity.clone())).await.unwrap();
    Agent { channel, ..agent.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_is_what_was() {
    let (running, agent) = full().await;
    moves(&running, &agent, Home::new().await).await;
    // From one database to the other, whichever this is.
    moves(&running, &agent, Home::other().await).await;
}

fn with(length: usize) -> Exchange {
    let mut exchange = exchange("large.example", "/", 200);
    let data: Vec<u8> = (0..length).map(|_| rand::random()).collect();
    exchange.response.as_mut().unwrap().body =
        Some(Body { size: data.len() as u64, data: data.into(), ..Body::default() });
    exchange
}

/// A folder of its own for large bodies.
fn stored_in(folder: &Path) -> BodyStoreArgs {
    let body_store = Some(format!("file://{}", folder.display()));
    BodyStoreArgs { body_store, body_store_from_bytes: Some(16 << 10), ..<_>::default() }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir());
    folders.flat_map(|it| std::fs::read_dir(it).unwrap().map(|it| it.unwrap().path())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_body_store_is_in_the_backup_and_comes_back() {
    let dir = Home::new().await;
    let folder = dir.path().join("large");
    let bodies = stored_in(&folder);
    let running = Running::start_in(dir, |args| ServeArgs { bodies, ..args }).await;
    let all = [with(300_000), with(20_000), with(5000), with(30_000)];
    let agent = running.agent().await;
    agent.record(all[3..].to_vec()).await;
    let lost = files(&folder).remove(0);
    agent.record(all[..3].to_vec()).await;
    std::fs::remove_file(lost).unwrap();
    let file = backup(&running.person, running.dir.path()).await;
    let said = Command::new(binary()).env_clear().arg("restore").arg(&file).arg("--check").output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("damaged: 1 bodies"), "{said}");

    // Into a folder, into the other database with a folder, and into one where all is in the database.
    for (place, into) in [("a", Home::new().await), ("b", Home::other().await), ("", Home::new().await)] {
        let large = into.path().join(place);
        let bodies = match place {
            "" => BodyStoreArgs { body_store: Some("database".to_owned()), ..<_>::default() },
            _ => stored_in(&large),
        };
        let url = bodies.body_store.clone().unwrap();
        let more = ["--new-authority", "--body-store", &url, "--body-store-from-bytes", "16384"];
        if !place.is_empty() {
            // A folder of another database is not touched.
            std::fs::create_dir(&large).unwrap();
            std::fs::write(large.join("weir-body-store"), "another").unwrap();
            let said = restore(&into, &file, &more).unwrap_err();
            assert!(said.contains("belongs to another database") && said.contains("nothing was restored"), "{said}");
            std::fs::remove_file(large.join("weir-body-store")).unwrap();
        }
        let said = restore(&into, &file, &more).unwrap();
        assert!(said.contains("damaged: 1 bodies") && said.contains("4 bodies"), "{said}");
        let server = Server::start(ServeConfig::load(ServeArgs { bodies, ..into.args() }).unwrap()).await.unwrap();
        let person = Person { base: format!("http://{}", server.rest), ..running.person.clone() };
        for (exchange, is_there) in all.iter().zip([true, true, true, false]) {
            let path = format!("/api/v1/exchanges/{}/response/body", id(exchange));
            let answer = person.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(answer.status(), if is_there { 200 } else { 500 });
            if is_there {
                assert!(
                    answer.bytes().await.unwrap() == exchange.response.as_ref().unwrap().body.as_ref().unwrap().data
                );
            } else {
                assert!(answer.text().await.unwrap().contains("the database does not have it"));
            }
        }
        if !place.is_empty() {
            assert_eq!(files(&large).len(), 2);
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_store_that_one_backup_is_being_restored_into_is_not_taken_by_another() {
    let dir = Home::new().await;
    let bodies = stored_in(&dir.path().join("large"));
    let running = Running::start_in(dir, |args| ServeArgs { bodies, ..args }).await;
    let agent = running.agent().await;
    agent.record(vec![with(300_000), with(20_000)]).await;
    let keep = |file: &Path, name: &str| {
        let kept = running.dir.path().join(name);
        std::fs::copy(file, &kept).unwrap();
        kept
    };
    let first = keep(&backup(&running.person, running.dir.path()).await, "first");
    agent.record(vec![with(40_000)]).await;
    let second = keep(&backup(&running.person, running.dir.path()).await, "second");
    // It breaks off when its bodies are there.
    let whole = std::fs::read(&first).unwrap();
    let cut = running.dir.path().join("cut");
    std::fs::write(&cut, &whole[..whole.len() - 1]).unwrap();

    let large = running.dir.path().join("restored");
    let url = stored_in(&large).body_store.unwrap();
    let more = ["--new-authority", "--body-store", &url, "--body-store-from-bytes", "16384"];
    let into = Home::new().await;
    let said = restore(&into, &cut, &more).unwrap_err();
    assert!(said.contains("ends before its end"), "{said}");
    let mark = std::fs::read_to_string(large.join("weir-body-store")).unwrap();
    assert!(mark.contains(" restoring ") && files(&large).len() == 2, "{mark}");

    let another = Home::new().await;
    let said = restore(&another, &second, &more).unwrap_err();
    for part in ["another backup is being restored into it", "restore that one to its end", "delete `weir-body-store`"]
    {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(std::fs::read_to_string(large.join("weir-body-store")).unwrap(), mark);
    // The one that broke off goes on, into the same database.
    let said = restore(&into, &first, &more).unwrap();
    assert!(said.contains("2 bodies"), "{said}");
    let said = restore(&another, &second, &more).unwrap_err();
    assert!(said.contains("belongs to another database"), "{said}");
    let bodies = stored_in(&large);
    let server = Server::start(ServeConfig::load(ServeArgs { bodies, ..into.args() }).unwrap()).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_while_traffic_comes_is_of_one_moment() {
    let (running, agent) = full().await;
    let writes = tokio::spawn({
        let agent = agent.clone();
        async move {
            for round in 0..100 {
                let some = (0..20).map(|n| exchange("c.example", &format!("/{round}/{n}"), 200)).collect();
                agent.record(some).await;
            }
        }
    });
    let mut counts = Vec::new();
    while !writes.is_finished() {
        let file = backup(&running.person, running.dir.path()).await;
        let into = Home::new().await;
        restore(&into, &file, &["--new-authority"]).unwrap();
        let server = Server::start(ServeConfig::load(into.args()).unwrap()).await.unwrap();
        let person = Person { base: format!("http://{}", server.rest), ..running.person.clone() };
        let paths = person.ids("host:c.example", 500).await.len();
        assert_eq!(paths % 20, 0, "a batch is there whole or not at all");
        counts.push(paths);
        server.stop().await;
    }
    writes.await.unwrap();
    assert!(counts.is_sorted(), "{counts:?}");
}

#[tokio::test]
async fn what_is_not_whole_is_not_restored_and_leaves_nothing() {
    let (running, _agent) = full().await;
    let file = backup(&running.person, running.dir.path()).await;
    let whole = std::fs::read(&file).unwrap();
    let into = Home::new().await;
    let damaged = running.dir.path().join("damaged");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (bytes, says) in [
        (&whole[..whole.len() - 1], "ends before its end"),
        (&whole[..whole.len() / 2], "ends before its end"),
        (&flipped, "damaged"),
        (b"PGDMP", "no backup"),
        (b"", "no backup"),
    ] {
        std::fs::write(&damaged, bytes).unwrap();
        let said = restore(&into, &damaged, &["--new-authority"]).unwrap_err();
        assert!(said.contains(says), "{said}");
        assert!(!into.path().join("weir.db").exists() && !into.path().join("weir.db.restoring").exists());
    }
    // The authority that its agents joined is asked for.
    let said = restore(&into, &file, &[]).unwrap_err();
    assert!(said.contains("--keys") && said.contains("--new-authority"), "{said}");
    // Killed in the middle: a part of the file was taken, and no more comes.
    let fifo = running.dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut child = restoring(&into, &fifo, &["--new-authority"]).stderr(Stdio::null()).spawn().unwrap();
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    pipe.write_all(&whole[..whole.len() * 3 / 4]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(pipe);
    assert!(!into.path().join("weir.db").exists());
    let said = restore(&into, &file, &["--new-authority"]).unwrap();
    assert!(said.contains("301 exchanges"), "{said}");
    assert!(!into.path().join("weir.db.restoring").exists());
}

#[tokio::test]
async fn an_older_orchestrator_does_not_open_a_newer_database() {
    let running = Running::start().await;
    let (status, _) = running.person.ask("/api/v1/agents").await;
    assert_eq!(status, 200);
    let dir = running.stop().await;
    dir.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    let refused = Server::start(ServeConfig::load(dir.args()).unwrap()).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("written by a newer orchestrator (schema 9999"), "{refused}");
    assert!(refused.contains("run that version, or restore a backup"), "{refused}");
}
