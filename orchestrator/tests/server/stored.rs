//! Bodies that lie in the body store, from outside: by REST, in the folder, and when they are damaged.

use std::{fs, path::PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_artifact::Digest;
use weir_orchestrator::{BodyStoreArgs, ServeArgs};
use weir_proto::v1::{Body, Exchange, Field};

use crate::{
    harness::{Home, Running, eventually, exchange, id},
    sse::Stream,
};

/// With a body store in the directory, whatever the database.
async fn running() -> (Running, PathBuf) {
    let dir = Home::new().await;
    let folder = dir.path().join("large");
    let body_store = Some(format!("file://{}", folder.display()));
    let bodies = BodyStoreArgs { body_store, body_store_from_bytes: Some(16 << 10), ..<_>::default() };
    let change = |args| ServeArgs { bodies, ..args };
    (Running::start_in(dir, change).await, folder)
}

pub(crate) fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|_| rand::random()).collect()
}

pub(crate) fn with(data: &[u8]) -> Exchange {
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
    // What asks for no body is answered, and it can be deleted.
    assert_eq!(person.ids("status:200", 5).await, [id(&broken)]);
    person.get(&format!("/api/v1/exchanges/{}", id(&broken))).await;
    let gone = person.request(Method::DELETE, &format!("/api/v1/exchanges/{}", id(&broken))).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_body_that_vanished_is_there_again_when_its_bytes_come_again() {
    let (running, folder) = running().await;
    let (person, agent) = (&running.person, running.agent().await);
    let data = noise(50_000);
    let [first, unread, again] = [with(&data), with(&data), with(&data)];
    agent.record(vec![first.clone()]).await;
    fs::remove_file(&files(&folder)[0]).unwrap();
    // Nobody knows yet that it is gone: it is taken for present.
    agent.record(vec![unread.clone()]).await;
    assert!(files(&folder).is_empty());
    let body = async |exchange: &Exchange| {
        let path = format!("/api/v1/exchanges/{}/response/body", id(exchange));
        let answer = person.request(Method::GET, &path).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    };
    assert_eq!(body(&first).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    // Twice at once, as one agent may send them.
    agent.record(vec![again.clone(), with(&data)]).await;
    assert_eq!(files(&folder).len(), 1);
    for exchange in [&first, &unread, &again] {
        let (status, bytes) = body(exchange).await;
        assert!(status == StatusCode::OK && bytes == data);
    }
}

#[tokio::test]
async fn one_damaged_body_stands_in_the_way_of_no_other() {
    let (running, folder) = running().await;
    let (person, agent) = (&running.person, running.agent().await);
    let needle = |length: usize| [&noise(length)[..], b"a needle in it"].concat();
    let broken = with(&needle(50_000));
    agent.record(vec![broken.clone()]).await;
    fs::remove_file(&files(&folder)[0]).unwrap();
    let all = [with(&needle(40_000)), broken, with(&needle(9000)), with(b"a haystack")];
    agent.record(vec![all[0].clone(), all[2].clone(), all[3].clone()]).await;
    let broken = id(&all[1]);

    // A search leaves it out and says so, page by page once.
    let page = person.get("/api/v1/exchanges?query=body~needle").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!((&page["unread"]["count"], &page["unread"]["first"][0]["id"]), (&1.into(), &broken.clone().into()));
    let reason = page["unread"]["first"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("is missing in the body store"), "{reason}");
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page = person.get(&format!("/api/v1/exchanges?query=body~needle&limit=1{cursor}")).await;
        count += page["unread"]["count"].as_u64().unwrap_or(0);
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(count, 1);
    assert_eq!(
        person.get("/api/v1/exchanges").await["unread"],
        Value::Null,
        "who does not ask for bodies is told of none"
    );
    let (status, answer) = person
        .post("/graphql", &json!({"query": "{ exchanges(query: \"body~needle\") { edges { node { id } } } }"}))
        .await;
    assert_eq!((status.as_u16(), answer["data"]["exchanges"]["edges"].as_array().unwrap().len()), (200, 2));
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains(&broken), "{answer}");
    let bodies = "{ exchanges { edges { node { id response { body { size } } } } } }";
    let (_, answer) = person.post("/graphql", &json!({"query": bodies})).await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");

    // An export has it without its body.
    let export = async |more: &str| {
        let answer = person.request(Method::GET, &format!("/api/v1/exchanges/export?{more}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned()
    };
    let har: Value = serde_json::from_str(&export("").await).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    let said: Vec<_> = entries.iter().filter_map(|entry| entry["comment"].as_str()).collect();
    assert!(entries.len() == 4 && said.len() == 1 && said[0].contains("is missing in the body store"), "{said:?}");
    assert_eq!(export("format=curl").await.matches("\n# the stored body sha256:").count(), 1);
    assert_eq!(export("format=raw").await.matches("\r\nweir-body-damaged: the stored body sha256:").count(), 1);
    for more in ["query=body~needle", "query=body~needle&limit=9"] {
        let har: Value = serde_json::from_str(&export(more).await).unwrap();
        assert_eq!(har["log"]["entries"].as_array().unwrap().len(), 2);
        assert_eq!(har["log"]["comment"], "1 exchanges that may fit were left out: a body of theirs is damaged");
    }
    assert!(export("query=body~needle&format=curl").await.ends_with("a body of theirs is damaged\n"));

    // Who follows is told, and told of the others.
    let first = "A".repeat(22);
    let mut stream = Stream::go_on(person, "/api/v1/exchanges/stream?query=body~needle", &first).await;
    let told = stream.told().await;
    assert_eq!((&*told.event, &told.data["count"]), ("unread", &1.into()));
    assert_eq!(stream.told().await.event, "exchange");

    // Rules go on; what they cannot look into stays. So it does when somebody deletes by such a query.
    let delete = person.request(Method::DELETE, "/api/v1/exchanges?query=body~haystack").send().await.unwrap();
    assert_eq!(delete.json::<Value>().await.unwrap(), json!({"deleted": 1, "unread": 1, "next": null}));
    let rules = json!({"rules": [{"action": "drop", "query": "body~needle", "after_s": 0}]});
    assert_eq!(person.request(Method::PUT, "/api/v1/retention").json(&rules).send().await.unwrap().status(), 200);
    let left = eventually(|| person.ids("", 10), |ids| ids.len() < 2).await;
    assert_eq!(left, [broken]);
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
    // Whole, they were 720 MiB. Each thread that unpacks keeps some of what it had.
    assert!(grown < 360 << 20, "24 readers of 30 MiB took {} MiB", grown >> 20);
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
