//! Identities at their edges: an orchestrator that forgot what it knew, a certificate that ended while nobody was there, one
//! identity on two machines.

use std::process::Command;

use reqwest::Method;
use tonic::{Code, Status};

use crate::harness::{Agent, Home, Person, Running, binary, connect, eventually, exchange};

async fn sync(agent: &Agent, grpc: std::net::SocketAddr) -> Result<u64, Status> {
    let channel = connect(grpc, &agent.ca, Some(agent.identity.clone())).await?;
    let mut control = Agent { channel, ..agent.clone() }.sync().await?;
    Ok(control.state().await?.revision)
}

async fn revoke(person: &Person, agent: &Agent) {
    let request = person.request(Method::DELETE, &format!("/api/v1/agents/{}", agent.id));
    assert_eq!(request.send().await.unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_from_a_backup_knows_whom_it_knew_then() {
    let running = Running::start().await;
    let (before, revoked) = (running.agent().await, running.agent().await);
    let taken = running.person.request(Method::GET, "/api/v1/backup").send().await.unwrap();
    let file = running.dir.path().join("weir.backup");
    std::fs::write(&file, taken.bytes().await.unwrap()).unwrap();
    revoke(&running.person, &revoked).await;
    assert_eq!(sync(&revoked, running.grpc).await.unwrap_err().code(), Code::Unauthenticated);
    let since = running.agent().await;

    let into = Home::new().await;
    for key in ["ca.key", "ca.pem", "token"] {
        std::fs::copy(running.dir.path().join(key), into.path().join(key)).unwrap();
    }
    let mut restore = Command::new(binary());
    restore.env("WEIR_DATABASE_URL", into.database_url()).arg("restore").arg(&file).arg("--data-dir").arg(into.path());
    let restored = restore.output().unwrap();
    let said = String::from_utf8(restored.stderr).unwrap();
    assert!(restored.status.success() && said.contains("revoke them again"), "{said}");
    running.stop().await;
    let running = Running::start_in(into, |args| args).await;

    assert_eq!(sync(&before, running.grpc).await.unwrap(), 0);
    let unknown = sync(&since, running.grpc).await.unwrap_err();
    assert!(unknown.code() == Code::Unauthenticated && unknown.message().contains("join again"), "{unknown}");
    // As `restore` said: what was taken away since was given back.
    sync(&revoked, running.grpc).await.unwrap();
    revoke(&running.person, &revoked).await;
    assert!(sync(&revoked, running.grpc).await.unwrap_err().message().contains("revoked"));
}

#[tokio::test]
async fn a_certificate_that_ends_while_its_agent_is_away_is_worth_nothing_and_people_see_it() {
    let running = Running::start_in(Home::new().await, |mut args| {
        args.agent_certificate = Some("15s".to_owned());
        args
    })
    .await;
    let agent = running.agent().await;
    sync(&agent, running.grpc).await.unwrap();
    // Not each time: what TLS says at its end is lost where the agent had said more by then.
    let says_why =
        |asked: &Result<u64, Status>| asked.as_ref().is_err_and(|why| why.to_string().contains("ertificate"));
    eventually(|| sync(&agent, running.grpc), says_why).await.unwrap_err();
    let table = || async {
        let mut command = tokio::process::Command::new(binary());
        command.arg("agents").env("WEIR_ORCHESTRATOR", &running.person.base).env("WEIR_TOKEN", &running.person.token);
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    };
    let shown = eventually(table, |shown| shown.contains(" ended ")).await;
    assert!(shown.contains("\nedge-1: its certificate ended at") && shown.contains("join-token"), "{shown}");
    // Another token, and it is there again, as another.
    let again = running.agent().await;
    assert_ne!(again.id, agent.id);
    sync(&again, running.grpc).await.unwrap();
}

#[tokio::test]
async fn two_machines_with_one_identity_take_turns_and_lose_nothing() {
    let running = Running::start().await;
    let one = running.agent().await;
    // A copy of the disk, and so of what was spooled there.
    let two = one.at(running.grpc).await;
    let spooled = exchange("a.example", "/spooled", 200);
    let mut last = one.sync().await.unwrap();
    last.state().await.unwrap();
    for turn in 0..4 {
        let other = if turn % 2 == 0 { &two } else { &one };
        let mut next = other.sync().await.unwrap();
        next.state().await.unwrap();
        assert_eq!(last.end().await.code(), Code::Aborted);
        last = next;
    }
    for (agent, path) in [(&one, "/one"), (&two, "/two")] {
        agent.record(vec![spooled.clone(), exchange("a.example", path, 200)]).await;
    }
    assert_eq!(running.person.ids("", 10).await.len(), 3);
    let listed = running.person.get("/api/v1/agents").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["state"], "connected");
    // Whichever of them renews, each has a certificate for a key of its own.
    one.renewed(running.grpc, &one.ca).await.unwrap();
    two.renewed(running.grpc, &one.ca).await.unwrap();
    // The identity is taken away from both.
    revoke(&running.person, &one).await;
    assert!(last.end().await.message().contains("revoked"));
    for agent in [&one, &two] {
        assert!(sync(agent, running.grpc).await.unwrap_err().message().contains("revoked"));
    }
}
