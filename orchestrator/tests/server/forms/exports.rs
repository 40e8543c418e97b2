//! Archives of what was recorded: valid, of what was asked for, without secrets, and whole or cut off.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::Exchange;

use super::{export, traffic, validate};
use crate::harness::{Running, exchange, id};

#[tokio::test]
async fn an_archive_is_valid_and_tells_what_there_is() {
    let running = Running::start().await;
    let agent = running.agent().await;
    agent.record(traffic()).await;
    let text = export(&running.person, "/api/v1/exchanges/export").await;
    validate(&text);
    let archive: Value = serde_json::from_str(&text).unwrap();
    let log = &archive["log"];
    assert_eq!((&log["version"], &log["creator"]["name"]), (&json!("1.2"), &json!("Weir")));
    let [whole, cut, failed] = &log["entries"].as_array().unwrap()[..] else { panic!("{log}") };
    assert_eq!(whole["request"]["url"], "https://api.example.com/users?x=1&y=%20");
    assert_eq!(whole["request"]["queryString"], json!([{"name": "x", "value": "1"}, {"name": "y", "value": " "}]));
    assert_eq!(whole["request"]["postData"], json!({"mimeType": "application/json", "text": r#"{"a":"b"}"#}));
    assert_eq!(whole["time"], 1.5);
    assert_eq!((&whole["timings"]["wait"], &whole["timings"]["receive"]), (&json!(0.9), &json!(0.6)));
    assert_eq!(whole["serverIPAddress"], "2001:db8::9");
    let content = &whole["response"]["content"];
    assert_eq!((&content["text"], &content["size"]), (&json!("<h1>hello</h1>"), &json!(14)));
    assert_eq!(whole["response"]["redirectURL"], "/users/7");
    assert_eq!(whole["response"]["cookies"][0]["expires"], "2026-10-21T07:28:00.000Z");
    let extra = &whole["_weir"];
    assert_eq!(extra["agent"], json!({"id": agent.id, "name": "edge-1"}));
    assert_eq!((&extra["filters"][0]["name"], &extra["filters"][0]["changed"]), (&json!("block"), &json!(true)));
    assert_eq!(extra["filteredRequest"]["url"], "https://api.example.com/users");
    assert_eq!(extra["tags"], json!({"block.kind": "api"}));
    let content = &cut["response"]["content"];
    assert_eq!((&content["text"], &content["encoding"]), (&json!("iVBORw=="), &json!("base64")));
    assert_eq!((&content["size"], &content["comment"]), (&json!(70_000), &json!("4 of 70000 bytes captured")));
    assert_eq!(cut["response"]["_weir"]["captured"], 4);
    assert_eq!(
        (&failed["response"]["status"], &failed["response"]["_error"]),
        (&json!(0), &json!("connection refused"))
    );
}

#[tokio::test]
async fn secrets_are_hidden_unless_asked_for() {
    let running = Running::start().await;
    let traffic = traffic();
    running.agent().await.record(traffic.clone()).await;
    let one = format!("/api/v1/exchanges/{}/export", id(&traffic[0]));
    for form in ["har", "curl", "raw"] {
        for (path, reveal) in
            [(format!("/api/v1/exchanges/export?format={form}"), "&"), (format!("{one}?format={form}"), "&")]
        {
            let get = |path: String| {
                let request = running.person.request(Method::GET, &path);
                async { String::from_utf8_lossy(&request.send().await.unwrap().bytes().await.unwrap()).into_owned() }
            };
            let hidden = get(path.clone()).await;
            assert!(hidden.contains("[hidden]") && !hidden.contains("the-secret"), "{hidden}");
            assert!(hidden.contains("Bearer [hidden]") && hidden.contains("sid=[hidden]; theme=[hidden]"), "{hidden}");
            let shown = get(format!("{path}{reveal}reveal=true")).await;
            assert!(shown.contains("Bearer the-secret") && !shown.contains("[hidden]"), "{shown}");
        }
    }
}

#[tokio::test]
async fn exports_are_of_what_was_asked_for() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let many: Vec<Exchange> = (0..1203)
        .map(|n| exchange(if n % 2 == 0 { "even.example" } else { "odd.example" }, &format!("/{n}"), 200))
        .collect();
    for part in many.chunks(300) {
        agent.record(part.to_vec()).await;
    }
    let paths = |text: &str| -> Vec<String> {
        let archive: Value = serde_json::from_str(text).unwrap();
        let entries = archive["log"]["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["request"]["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    let get = |query: &str| {
        let (person, path) = (running.person.clone(), format!("/api/v1/exchanges/export{query}"));
        async move { export(&person, &path).await }
    };
    assert_eq!(paths(&get("").await), (0..1203).map(|n| n.to_string()).collect::<Vec<_>>(), "oldest first");
    let even: Vec<String> = (0..1203).step_by(2).map(|n| n.to_string()).collect();
    assert_eq!(paths(&get("?query=host:even.example").await), even);
    assert_eq!(paths(&get("?query=host:even.example&limit=550").await), even[even.len() - 550..]);
    assert_eq!(paths(&get("?query=host:none.example").await), [""; 0]);
    for wrong in ["?query=status:x", "?limit=0", "?limit=100001", "?format=pcap", "?quary=x"] {
        let (status, problem) = running.person.ask(&format!("/api/v1/exchanges/export{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong} {problem}");
    }
    // Whoever goes away frees his turn; there are few.
    for _ in 0..10 {
        let begun = running.person.request(Method::GET, "/api/v1/exchanges/export?format=curl").send().await.unwrap();
        assert!([200, 429].contains(&begun.status().as_u16()));
        drop(begun);
    }
    let freed = crate::harness::eventually(
        || running.person.request(Method::GET, "/api/v1/exchanges/export?query=path:/7").send(),
        |answer| answer.as_ref().unwrap().status() == StatusCode::OK,
    )
    .await;
    assert!(freed.is_ok());
}

#[tokio::test]
async fn an_export_that_cannot_go_on_is_cut_off() {
    let running = Running::start().await;
    running.agent().await.record(traffic()).await;
    // Not packed as it says it is.
    running.dir.sql("UPDATE exchanges SET coding = 1 WHERE coding = 0").await;
    let begun = running.person.request(Method::GET, "/api/v1/exchanges/export").send().await;
    let whole = match begun {
        Ok(begun) => begun.bytes().await,
        Err(error) => Err(error),
    };
    assert!(whole.is_err(), "nobody takes a part for the whole");
}
