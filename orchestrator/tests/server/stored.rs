//! Bodies that lie in the body store, from outside: by REST, in the folder, and when they are damaged.

use std::{fs, path::PathBuf};

use reqwest::{Method, StatusCode};
use weir_artifact::Digest;
use weir_orchestrator::{BodyStoreArgs, ServeArgs};
use weir_proto::v1::{Body, Exchange, Field};

use crate::harness::{Home, Running, exchange, id};

/// With a body store in the directory, whatever the database.
async fn running() -> (Running, PathBuf) {
    let dir = Home::new().await;
    let folder = dir.path().join("large");
    let body_store = Some(format!("file://{}", folder.display()));
    let bodies = BodyStoreArgs { body_store, body_store_from_bytes: Some(16 << 10), ..<_>::default() };
    let change = |args| ServeArgs { bodies, ..args };
    (Running::start_in(dir, change).await, folder)
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|_| rand::random()).collect()
}

fn with(data: &[u8]) -> Exchange {
    let mut exchange = exchange("a.example", "/", 200);
    exchange.response.as_mut().unwrap().body =
        Some(Body { data: data.to_vec().into(), size: data.len() as u64, ..Body::default() });
    exchange
}

fn files(folder: &PathBuf) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir());
    folders.flat_map(|it| fs::read_dir(it).unwrap().map(|it| it.unwrap().path())).collect()
}

#[tokio::test]
async fn a_large_body_is_the_same_wherever_it_lies() {
    let (running, folder) = running().await;
    let agent = running.agent().await;
    let plain = noise(300_000);
    let mut coded = with(&zstd::encode_all(&plain[..], 1).unwrap());
    let field = Field { name: "content-encoding".into(), value: b"zstd"[..].into() };
    coded.response.as_mut().unwrap().headers.push(field);
    let whole = with(&plain);
    let mut cut = with(&plain);
    let body = cut.response.as_mut().unwrap().body.as_mut().unwrap();
    (body.size, body.digest) = (1 << 30, vec![7; 32].into());
    agent.record(vec![whole.clone(), coded.clone(), cut.clone()]).await;
    // Two have the same.
    assert_eq!(files(&folder).len(), 2);

    let person = &running.person;
    let detail = person.get(&format!("/api/v1/exchanges/{}", id(&whole))).await;
    let told = &detail["response"]["body"];
    assert_eq!((&told["size"], &told["captured"]), (&300_000.into(), &300_000.into()));
    assert_eq!((&told["digest"], &told["whole_digest"]), (&Digest::of(&plain).to_string().into(), &None::<u8>.into()));
    let detail = person.get(&format!("/api/v1/exchanges/{}", id(&cut))).await;
    assert_eq!(detail["response"]["body"]["whole_digest"], format!("sha256:{}", "07".repeat(32)));

    let get = async |exchange: &Exchange, rest: &str, range: Option<&str>| {
        let path = format!("/api/v1/exchanges/{}/response/body{rest}", id(exchange));
        let mut request = person.request(Method::GET, &path);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let response = request.send().await.unwrap();
        let length = response.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap();
        let bytes = response.bytes().await.unwrap();
        assert_eq!(bytes.len(), length);
        bytes
    };
    assert!(get(&whole, "", None).await == plain);
    assert!(get(&coded, "?decoded", None).await == plain);
    assert!(get(&coded, "?decoded", Some("bytes=100000-250000")).await == plain[100_000..=250_000]);
    assert!(get(&whole, "", Some("bytes=-5")).await == plain[299_995..]);
    let found = person.get("/api/v1/exchanges?query=is:truncated").await;
    assert_eq!(found["items"][0]["id"], id(&cut));
}

#[tokio::test]
async fn a_damaged_body_is_an_error_that_says_so() {
    let (running, folder) = running().await;
    let broken = with(&noise(50_000));
    running.agent().await.record(vec![broken.clone()]).await;
    fs::remove_file(&files(&folder)[0]).unwrap();
    let person = &running.person;
    for path in ["/response/body", "/response/body?decoded", "/export", "/export?format=raw"] {
        let (status, problem) = person.ask(&format!("/api/v1/exchanges/{}{path}", id(&broken))).await;
        assert_eq!((status, &problem["type"]), (StatusCode::INTERNAL_SERVER_ERROR, &"urn:weir:problem:damaged".into()));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&id(&broken)) && detail.contains("is missing in the body store"), "{detail}");
    }
    let (status, _) = person.ask("/api/v1/exchanges?query=body~x").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    // What asks for no body is answered, and it can be deleted.
    assert_eq!(person.ids("status:200", 5).await, [id(&broken)]);
    person.get(&format!("/api/v1/exchanges/{}", id(&broken))).await;
    let gone = person.request(Method::DELETE, &format!("/api/v1/exchanges/{}", id(&broken))).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn many_slow_readers_of_large_bodies_cost_no_memory_each() {
    let (running, _) = running().await;
    let mut large = with(&zstd::encode_all(&vec![7; 30 << 20][..], 1).unwrap());
    let field = Field { name: "content-encoding".into(), value: b"zstd"[..].into() };
    large.response.as_mut().unwrap().headers.push(field);
    running.agent().await.record(vec![large.clone()]).await;
    let path = format!("/api/v1/exchanges/{}/response/body?decoded", id(&large));
    // Read once, what stays of it stays anyway.
    let first = running.person.request(Method::GET, &path).send().await.unwrap().bytes().await.unwrap();
    assert!(first.len() == 30 << 20);
    drop(first);
    let before = resident();
    let mut slow = Vec::new();
    for _ in 0..24 {
        slow.push(running.person.request(Method::GET, &path).send().await.unwrap());
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 200 << 20, "24 readers of 30 MiB took {} MiB", grown >> 20);
    for mut response in slow {
        assert!(response.chunk().await.unwrap().is_some());
    }
}

/// Bytes of this process, in which the server runs too.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
