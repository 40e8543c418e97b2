//! How many exchanges a second the server takes from two agents, acknowledged on disk, while somebody reads:
//! `cargo bench -p weir-orchestrator --bench ingest --profile dev -- [SECONDS] [postgres] [plain]`; and what searches for rare ones
//! take then. `plain`: without the search index. Clients share the machine.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    unused_imports,
    reason = "a measurement that cannot go on has failed"
)]

#[path = "../tests/server/harness/mod.rs"]
mod harness;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use harness::{Agent, Running, exchange};
use weir_proto::v1::{Body, Field, TrafficBatch};

const BATCH: usize = 100;
const BODY: usize = 2048;

fn on_postgres() -> bool {
    std::env::args().any(|arg| arg == "postgres")
}

fn main() {
    let seconds = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(10);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(Duration::from_secs(seconds)));
}

async fn measure(time: Duration) {
    let running = Running::start().await;
    if std::env::args().any(|arg| arg == "plain") {
        // As a later version's: it is left alone.
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.dir.sql("UPDATE search_index SET format = 1000").await;
    }
    let stored = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..2 {
        senders.push(tokio::spawn(send(running.agent().await, Arc::clone(&stored), time)));
    }
    let (mut reads, mut slowest) = (0_u32, Duration::ZERO);
    while began.elapsed() < time {
        let asked = Instant::now();
        running.person.get("/api/v1/exchanges?limit=100&query=status:200").await;
        slowest = slowest.max(asked.elapsed());
        reads += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let took = began.elapsed().as_secs_f64();
    let count = stored.load(Relaxed);
    let bytes = running.dir.bytes().await;
    println!("exchanges acknowledged    {count}");
    println!("per second                {:.0}", count as f64 / took);
    println!("CPU µs each, clients too   {:.0}", cpu_us() as f64 / count as f64);
    println!("bytes on disk each        {:.0}", bytes as f64 / count as f64);
    println!("listings meanwhile        {reads}, slowest {slowest:?}");
    // Whatever is still to be indexed.
    tokio::time::sleep(Duration::from_secs(3)).await;
    search(&running, count).await;
}

/// How long searches take for what few or none of so many have, and for what all have.
async fn search(running: &Running, count: u64) {
    let batch = count / BATCH as u64 / 2 / 3;
    for query in [
        format!("path:/items/{batch}/77"),
        format!("items/{batch}/77%3F"),
        "header.x-none:value".to_owned(),
        "user:ann".to_owned(),
        "path~%5E/items/%5B0-9%5D%2B/none".to_owned(),
        "method:GET".to_owned(),
    ] {
        let mut times = Vec::new();
        let mut page = serde_json::Value::Null;
        for _ in 0..7 {
            let asked = Instant::now();
            page = running.person.get(&format!("/api/v1/exchanges?limit=100&query={query}")).await;
            times.push(asked.elapsed());
        }
        times.sort();
        let found = page["items"].as_array().map_or(0, Vec::len);
        let goes_on = if page["next"].is_null() { "" } else { ", and perhaps more" };
        println!("{query:<32} {:?} to {:?}: {found}{goes_on}", times[0], times[6]);
    }
}

/// Of this process so far, in the kernel's ticks of 10 ms (proc(5)).
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    behind_name.split_ascii_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap() * 10_000).sum()
}

async fn send(agent: Agent, stored: Arc<AtomicU64>, time: Duration) {
    let mut traffic = agent.traffic().await.unwrap();
    let send = traffic.send.clone();
    tokio::spawn(async move {
        let noise: Vec<u8> = (0..BODY * 2).map(|_| rand::random()).collect();
        let until = Instant::now() + time;
        for batch in 0.. {
            let exchanges = (0..BATCH).map(|n| {
                let mut exchange = exchange("api.example.com:8443", &format!("/items/{batch}/{n}?page=2"), 200);
                let fields = (0..12).map(|n| Field { name: format!("x-field-{n}"), value: b"some value"[..].into() });
                exchange.request.as_mut().unwrap().headers = fields.collect();
                let from = rand::random_range(0..BODY);
                let data = noise[from..from + BODY].to_vec().into();
                exchange.response.as_mut().unwrap().body = Some(Body { data, size: BODY as u64, ..Body::default() });
                exchange
            });
            let exchanges = exchanges.collect();
            if Instant::now() > until
                || send.send(TrafficBatch { batch, exchanges, ..TrafficBatch::default() }).await.is_err()
            {
                return;
            }
        }
    });
    drop(std::mem::replace(&mut traffic.send, tokio::sync::mpsc::channel(1).0));
    while let Some(_ack) = traffic.acks.message().await.unwrap() {
        stored.fetch_add(BATCH as u64, Relaxed);
    }
}
