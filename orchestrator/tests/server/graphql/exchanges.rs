//! Exchanges, page by page and one in full; filters.

use reqwest::Method;
use serde_json::json;
use weir_proto::v1::{Body, Field};

use crate::{
    component::filter,
    harness::{Publisher, Running, exchange, id, publication},
};

#[tokio::test]
async fn exchanges_page_by_page_and_one_in_full() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let mut all: Vec<_> = (0..25).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    let response = all[24].response.as_mut().unwrap();
    response.headers = vec![Field { name: "Content-Type".into(), value: b"text/plain"[..].into() }];
    response.body = Some(Body { data: "grüß".as_bytes().into(), size: 9, redacted: true, ..Body::default() });
    agent.record(all.clone()).await;
    agent.record(vec![exchange("b.example", "/", 500)]).await;
    let page = |after: &str| {
        format!(
            "{{ exchanges(query: \"host:a.example\", first: 10{after}) {{ edges {{ cursor node {{ id path status agent {{ id }} \
            request {{ method }} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        )
    };
    let (mut paths, mut after) = (Vec::new(), String::new());
    loop {
        let data = person.data(&page(&after)).await;
        let edges = data["exchanges"]["edges"].as_array().unwrap();
        assert!(
            edges.iter().all(
                |edge| edge["node"]["agent"]["id"] == json!(agent.id) && edge["node"]["request"]["method"] == "GET"
            )
        );
        paths.extend(edges.iter().map(|edge| edge["node"]["path"].as_str().unwrap().to_owned()));
        let info = &data["exchanges"]["pageInfo"];
        if info["hasNextPage"] == false {
            break;
        }
        after = format!(", after: {}", info["endCursor"]);
    }
    assert_eq!(paths, (0..25).rev().map(|n| format!("/{n}")).collect::<Vec<_>>());
    let said = json!({"note": "look here", "tags": {"incident": true}});
    let annotated = person.request(Method::PATCH, &format!("/api/v1/exchanges/{}", id(&all[24]))).json(&said);
    assert_eq!(annotated.send().await.unwrap().status(), 200);
    let one = format!(
        "{{ exchange(id: \"{}\") {{ url outcome durationMs connection {{ entry }} filteredRequest {{ url }} response {{ status headers {{ name value }} \
        body {{ size captured truncated redacted text base64 }} cut: body(limit: 4) {{ truncated text }} }} receipts {{ name }} note tags {{ name value }} }} }}",
        id(&all[24])
    );
    let expect = json!({"url": "https://a.example/24", "outcome": "complete", "durationMs": 1.5, "connection": null, "filteredRequest": null,
        "response": {"status": 200, "headers": [{"name": "Content-Type", "value": "text/plain"}],
            "body": {"size": "9", "captured": "6", "truncated": false, "redacted": true, "text": "grüß", "base64": "Z3LDvMOf"},
            "cut": {"truncated": true, "text": "grü"}},
        "receipts": [], "note": "look here", "tags": [{"name": "incident", "value": "true"}]});
    assert_eq!(person.data(&one).await["exchange"], expect);
    let answer = person.question("{ exchanges(query: \"host:a status:x\") { edges { cursor } } }").await;
    let error = &answer["errors"][0];
    assert_eq!(
        (&error["extensions"]["code"], &error["extensions"]["column"], &error["path"]),
        (&json!("BAD_QUERY"), &json!(15), &json!(["exchanges"]))
    );
    assert_eq!(person.code("{ exchanges(after: \"x\") { edges { cursor } } }").await, "BAD_REQUEST");
    assert_eq!(
        person.data(&format!("{{ exchange(id: \"{}\") {{ id }} }}", uuid::Uuid::nil())).await["exchange"],
        json!(null)
    );
    let publisher = Publisher::new(person);
    assert_eq!(publisher.publish(publication(&filter(), 1), Some(&filter())).await.0, 201);
    let data = person.data("{ filters(group: \"default\") { name version group match removed } }").await;
    assert_eq!(
        data["filters"],
        json!([{"name": "block", "version": "1", "group": "default", "match": "", "removed": false}])
    );
}
