//! Archives that are read: our own, those of browsers, those of other versions, and those with a fault.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::Intervention;

use super::{export, traffic, validate};
use crate::harness::{Person, Running, exchange};

async fn import(person: &Person, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let request = person.request(Method::POST, "/api/v1/exchanges/import");
    let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// Without what is another's after an import.
fn bare(text: &str) -> Value {
    let mut archive: Value = serde_json::from_str(text).unwrap();
    for entry in archive["log"]["entries"].as_array_mut().unwrap() {
        let extra = entry["_weir"].as_object_mut().unwrap();
        extra.remove("id");
        extra["agent"].as_object_mut().unwrap().remove("id");
    }
    archive
}

#[tokio::test]
async fn what_was_exported_is_imported_elsewhere_the_same() {
    let running = Running::start().await;
    running.agent().await.record(traffic()).await;
    let first = export(&running.person, "/api/v1/exchanges/export?reveal=true").await;
    let other = Running::start().await;
    let (status, answer) = import(&other.person, first.clone()).await;
    assert_eq!((status, &answer["imported"], &answer["known"]), (StatusCode::OK, &json!(3), &json!(0)), "{answer}");
    let second = export(&other.person, "/api/v1/exchanges/export?reveal=true").await;
    assert_eq!(bare(&second), bare(&first));
    // The same file again brings nothing new.
    let (_, answer) = import(&other.person, first).await;
    assert_eq!((&answer["imported"], &answer["known"]), (&json!(0), &json!(3)), "{answer}");
    // They say that they were imported.
    assert_eq!(other.person.ids("agent:import", 10).await.len(), 3);
    assert_eq!(other.person.ids("tag:_import.agent=edge-1", 10).await.len(), 3);
    let agents = other.person.get("/api/v1/agents").await;
    assert_eq!((&agents["items"][0]["kind"], &agents["items"][0]["id"]), (&json!("import"), &answer["agent"]));
}

/// Members of its own that a later version, or somebody's editor, wrote otherwise are no reason to refuse a file.
#[tokio::test]
async fn members_beyond_the_format_that_cannot_be_read_are_told_in_the_answer() {
    let running = Running::start().await;
    let mut recorded = exchange("a.example", "/", 200);
    recorded.interventions = vec![Intervention {
        at_response: true,
        decision: "modify".to_owned(),
        by: "ann".to_owned(),
        changed: vec!["body".to_owned()],
        waited_us: 7,
        failed: false,
    }];
    let body = recorded.response.as_mut().unwrap().body.get_or_insert_default();
    (body.size, body.digest) = (body.data.len() as u64 + 9, vec![0xab; 32].into());
    running.agent().await.record(vec![recorded]).await;
    let first = export(&running.person, "/api/v1/exchanges/export?reveal=true").await;
    validate(&first);
    let mut archive: Value = serde_json::from_str(&first).unwrap();
    let entry = &mut archive["log"]["entries"][0];
    assert_eq!(entry["_weir"]["interventions"][0]["by"], "ann");
    assert_eq!(entry["response"]["_weir"]["digest"], "ab".repeat(32));
    entry["_weir"]["filters"] = json!({"odd": true});
    let other = Running::start().await;
    let (status, answer) = import(&other.person, archive.to_string().into_bytes()).await;
    assert_eq!((status, &answer["imported"]), (StatusCode::OK, &json!(1)), "{answer}");
    let note = answer["notes"][0].as_str().unwrap();
    assert!(
        note.starts_with("1 members beyond the format") && note.contains("log.entries[0]._weir.filters: "),
        "{note}"
    );
    let again = export(&other.person, "/api/v1/exchanges/export?reveal=true").await;
    let again: Value = serde_json::from_str(&again).unwrap();
    let entry = &again["log"]["entries"][0];
    assert_eq!(entry["_weir"]["interventions"], archive["log"]["entries"][0]["_weir"]["interventions"]);
    assert_eq!(entry["response"]["_weir"]["digest"], "ab".repeat(32));
    assert_eq!(other.person.ids("is:edited", 10).await.len(), 1);
}

#[tokio::test]
async fn files_of_browsers_are_imported_and_come_out_valid() {
    let running = Running::start().await;
    let person = &running.person;
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../har/testdata");
    for (name, count) in [("chrome", 4), ("firefox", 3), ("safari", 2), ("charles", 2)] {
        let (status, answer) = import(person, std::fs::read(testdata.join(format!("{name}.har"))).unwrap()).await;
        assert_eq!((status, &answer["imported"]), (StatusCode::OK, &json!(count)), "{name}: {answer}");
        if name == "chrome" {
            assert_eq!(answer["creator"], "WebInspector 537.36");
            assert_eq!(answer["messages"], 2, "{answer}");
            assert_eq!(answer["notes"].as_array().unwrap().len(), 1, "{answer}");
        }
    }
    assert_eq!(person.ids("agent:import", 50).await.len(), 11);
    assert_eq!(person.ids("tag:_import.creator=Firefox*", 50).await.len(), 3);
    assert_eq!(person.ids("host:shop.example status:200", 50).await.len(), 1);
    let first = export(person, "/api/v1/exchanges/export?reveal=true").await;
    validate(&first);
    let other = Running::start().await;
    assert_eq!(import(&other.person, first.clone()).await.0, StatusCode::OK);
    let second = export(&other.person, "/api/v1/exchanges/export?reveal=true").await;
    assert_eq!(bare(&second), bare(&first));
}

#[tokio::test]
async fn a_file_with_a_fault_leaves_nothing_behind() {
    let running = Running::start().await;
    let person = &running.person;
    let good =
        json!({"startedDateTime": "2026-11-20T09:00:00Z", "request": {"method": "GET", "url": "http://a.example/"}});
    let mut entries = vec![good; 700];
    entries[650]["request"]["url"] = json!(7);
    let archive = json!({"log": {"entries": entries}}).to_string();
    let (status, problem) = import(person, archive).await;
    assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("urn:weir:problem:entry")));
    assert_eq!(problem["errors"][0]["pointer"], "/log/entries/650/request/url");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("nothing was imported: log.entries[650].request.url: invalid type"), "{detail}");
    let (status, problem) = import(person, "{}").await;
    assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("urn:weir:problem:archive")));
    assert!(person.ids("", 10).await.is_empty());
    let request = person.request(Method::POST, "/api/v1/exchanges/import").header("content-type", "text/html");
    assert_eq!(request.body("{}").send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let left: Vec<_> = std::fs::read_dir(running.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("tmp")), "{left:?}");
}
