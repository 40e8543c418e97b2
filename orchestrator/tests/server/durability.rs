//! What was acknowledged is there, whatever became of the process.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use weir_proto::v1::{Body, TrafficBatch};

use crate::harness::{Agent, Home, Person, binary, exchange, id};

struct Process {
    child: Child,
    rest: SocketAddr,
    grpc: SocketAddr,
}

impl Process {
    fn start(dir: &Home) -> Self {
        let mut command = Command::new(binary());
        command.args(["serve", "--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data-dir"]).arg(dir.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_")) {
            command.env_remove(name);
        }
        command.env("WEIR_DATABASE_URL", dir.database_url());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| line.unwrap().strip_prefix("orchestrator ready: REST ").map(str::to_owned));
        let ready = ready.expect("it becomes ready");
        let (rest, grpc) = ready.split_once(", gRPC ").unwrap();
        Self { child, rest: rest.parse().unwrap(), grpc: grpc.parse().unwrap() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn killed_in_the_middle_nothing_acknowledged_is_lost() {
    let dir = Home::new().await;
    let mut acknowledged = HashSet::new();
    for round in 1..=3 {
        let mut process = Process::start(&dir);
        let person = Person::new(process.rest, dir.path());
        let agent = Agent::join(process.grpc, &person.join_token("default").await).await.unwrap();
        let mut traffic = agent.traffic().await.unwrap();
        let send = traffic.send.clone();
        let (sent, mut batches) = tokio::sync::mpsc::unbounded_channel();
        let sender = tokio::spawn(async move {
            for batch in 0.. {
                let mut exchanges: Vec<_> = (0..20).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
                for exchange in &mut exchanges {
                    let data: Vec<u8> = (0..2048).map(|_| rand::random()).collect();
                    exchange.response.as_mut().unwrap().body =
                        Some(Body { data: data.into(), size: 2048, ..Body::default() });
                }
                let ids: Vec<String> = exchanges.iter().map(id).collect();
                sent.send((batch, ids)).unwrap();
                if send.send(TrafficBatch { batch, exchanges, ..TrafficBatch::default() }).await.is_err() {
                    return;
                }
            }
        });
        let enough = 40 * round;
        let mut acks = 0;
        while let Ok(Some(ack)) = traffic.acks.message().await {
            let (batch, ids) = batches.recv().await.unwrap();
            assert_eq!(batch, ack.batch);
            acknowledged.extend(ids);
            acks += 1;
            if acks == enough {
                // SIGKILL, with batches on their way.
                process.child.kill().unwrap();
            }
        }
        assert!(acks >= enough);
        sender.abort();
    }
    let process = Process::start(&dir);
    let stored: HashSet<String> = Person::new(process.rest, dir.path()).ids("", 500).await.into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged exchanges are lost", lost.len(), acknowledged.len());
}

#[tokio::test]
async fn a_signal_ends_it_in_order() {
    let dir = Home::new().await;
    let mut process = Process::start(&dir);
    let sent = Command::new("kill").args(["-TERM", &process.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(process.child.wait().unwrap().success());
}
