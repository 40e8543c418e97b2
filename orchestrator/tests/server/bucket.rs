//! Bodies that lie in a bucket, on a server that speaks S3 and checks signatures: by REST, as objects, while it is away, and with
//! credentials that are none.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::json;
use weir_orchestrator::{BodyStoreArgs, ServeArgs, ServeConfig, Server};
use weir_proto::v1::{Exchange, TrafficBatch};
use weir_testkit::bucket::{Bucket, NAME, SECRET_KEY};

use crate::{
    harness::{Home, Running, eventually, id},
    stored::{noise, with},
};

/// Bodies are below this key.
const PREFIX: &str = "weir/production";

/// As `serve` takes it.
fn bodies(bucket: &Bucket, name: &str, secret: &str) -> BodyStoreArgs {
    BodyStoreArgs {
        body_store: Some(format!("s3://{name}/{PREFIX}")),
        body_store_from_bytes: Some(16 << 10),
        body_store_endpoint: Some(bucket.endpoint()),
        body_store_region: Some("eu-north-1".to_owned()),
        body_store_credentials: Some(bucket.credentials(secret).unwrap()),
    }
}

async fn running(root: &Path) -> (Running, Bucket) {
    let bucket = Bucket::start(root).await.unwrap();
    let bodies = bodies(&bucket, NAME, SECRET_KEY);
    (Running::start_in(Home::new().await, |args| ServeArgs { bodies, ..args }).await, bucket)
}

/// Objects of bodies, without the mark.
fn objects(bucket: &Bucket) -> usize {
    let all = bucket.objects();
    assert!(all.iter().all(|path| path.to_str().unwrap().contains(&format!("/{NAME}/{PREFIX}/"))), "{all:?}");
    assert!(all.iter().any(|path| path.ends_with("weir-body-store")), "{all:?}");
    all.len() - 1
}

fn body_of(exchange: &Exchange) -> String {
    format!("/api/v1/exchanges/{}/response/body", id(exchange))
}

#[tokio::test]
async fn a_bucket_has_bodies_as_long_as_an_exchange_needs_them() {
    let root = tempfile::tempdir().unwrap();
    let (running, bucket) = running(root.path()).await;
    let person = &running.person;
    let (plain, shared) = (noise(300_000), noise(40_000));
    let all = [with(&plain), with(&shared), with(&shared), with(&noise(9000))];
    running.agent().await.record(all.to_vec()).await;
    assert_eq!(objects(&bucket), 2, "each once, and small ones are in the database");
    let get = async |exchange: &Exchange, range: Option<&str>| {
        let mut request = person.request(Method::GET, &body_of(exchange));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap())
    };
    assert_eq!(get(&all[0], None).await, (200, plain.clone().into()));
    assert_eq!(get(&all[0], Some("bytes=1000-250000")).await, (206, plain[1000..=250_000].to_vec().into()));
    assert_eq!(get(&all[2], None).await, (200, shared.into()));
    assert_eq!(person.ids("-body~needle", 10).await.len(), 4, "a search reads them");

    // One of two that need it goes; then, by a rule, all that are left.
    let gone = person.request(Method::DELETE, &format!("/api/v1/exchanges/{}", id(&all[1])));
    assert_eq!(gone.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let rules = json!({"rules": [{"action": "drop", "query": "size:>100kB", "after_s": 0}]});
    let set = person.request(Method::PUT, "/api/v1/retention").json(&rules).send().await.unwrap();
    assert_eq!(set.status(), StatusCode::OK);
    eventually(async || objects(&bucket), |count| *count == 1).await;
    assert_eq!(get(&all[2], None).await.0, 200);
    assert_eq!(get(&all[0], None).await.0, 404);

    // The next one finds them, and knows that they are its own.
    let bodies = bodies(&bucket, NAME, SECRET_KEY);
    let running = Running::start_in(running.stop().await, |args| ServeArgs { bodies, ..args }).await;
    assert_eq!(running.person.request(Method::GET, &body_of(&all[2])).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_away_nothing_is_acknowledged_that_it_has_to_have() {
    let root = tempfile::tempdir().unwrap();
    let (running, mut bucket) = running(root.path()).await;
    let (person, agent) = (running.person.clone(), running.agent().await);
    let before = with(&noise(50_000));
    agent.record(vec![before.clone()]).await;
    bucket.go_away().await.unwrap();
    // What is small needs no bucket.
    let small = with(b"small");
    agent.record(vec![small.clone()]).await;
    assert_eq!(person.request(Method::GET, &body_of(&small)).send().await.unwrap().status(), StatusCode::OK);
    let (status, problem) = person.ask(&body_of(&before)).await;
    assert_eq!((status.as_u16(), &problem["type"]), (503, &"urn:weir:problem:unavailable".into()));
    let large = with(&noise(60_000));
    let mut traffic = agent.traffic().await.unwrap();
    let batch = TrafficBatch { batch: 1, exchanges: vec![large.clone()], ..TrafficBatch::default() };
    traffic.send.send(batch).await.unwrap();
    let refused = traffic.acks.message().await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    assert_eq!(person.ids("", 10).await.len(), 2);

    // Who asked in the meantime is answered when it is back, and agents send what they kept.
    let asked = person.request(Method::GET, &body_of(&before));
    let asked = tokio::spawn(async move { asked.send().await.unwrap().status() });
    bucket.come_back().await.unwrap();
    assert_eq!(asked.await.unwrap(), StatusCode::OK);
    agent.record(vec![large.clone()]).await;
    assert_eq!(person.request(Method::GET, &body_of(&large)).send().await.unwrap().status(), StatusCode::OK);
    running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_bucket_is_said_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let bucket = Bucket::start(root.path()).await.unwrap();
    let home = Home::new().await;
    let start = async |bodies: BodyStoreArgs| {
        let config = ServeConfig::load(ServeArgs { bodies, ..home.args() }).unwrap();
        Server::start(config).await.map(drop).unwrap_err().to_string()
    };
    let wrong = "not what it signs with";
    let said = start(bodies(&bucket, NAME, wrong)).await;
    assert!(
        said.contains("s3://weir-bodies/weir/production: the credentials are refused: SignatureDoesNotMatch"),
        "{said}"
    );
    assert!(!said.contains(wrong), "{said}");
    assert!(bucket.objects().is_empty());
}
