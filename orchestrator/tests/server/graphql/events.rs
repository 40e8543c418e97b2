//! Subscriptions as Server-Sent Events (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{PATIENCE, Person, Running, exchange, id};

/// What is told, an event at a time.
struct Told {
    response: Response,
    text: String,
}

impl Told {
    async fn of(person: &Person, query: &str) -> Self {
        let request = person.request(Method::POST, "/graphql").header("accept", "text/event-stream");
        Self::in_answer(request.json(&json!({ "query": query })).send().await.unwrap())
    }

    fn in_answer(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event and its data; none when the answer is over.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                let (name, data) = event.split_once("\ndata:").unwrap();
                let data = if data.is_empty() { json!(null) } else { data.parse().unwrap() };
                return Some((name.strip_prefix("event: ").unwrap().to_owned(), data));
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn answer(&mut self) -> Value {
        let (name, answer) = self.next().await.unwrap();
        assert_eq!(name, "next");
        answer
    }

    async fn ends(mut self) {
        assert_eq!(self.next().await, Some(("complete".to_owned(), json!(null))));
        assert_eq!(self.next().await, None);
    }
}

#[tokio::test]
async fn a_subscription_is_followed_by_http_alone() {
    let running = Running::start().await;
    let (viewer, agent) = (running.person.of_role("viewer").await, running.agent().await);
    agent.record(vec![exchange("a.example", "/0", 500)]).await;
    let first = running.person.data("{ exchanges { edges { node { id } } } }").await;
    let follow = |after: &Value| {
        let after = if after.is_null() { String::new() } else { format!(", after: {after}") };
        format!("subscription {{ exchangeRecorded(query: \"status:5xx\"{after}) {{ id place request {{ url }} }} }}")
    };
    let mut told = Told::of(&viewer, &follow(&json!(null))).await;
    let (one, two) = (exchange("a.example", "/1", 500), exchange("a.example", "/2", 502));
    agent.record(vec![exchange("a.example", "/no", 200), one.clone(), two.clone()]).await;
    let mut places = Vec::new();
    for exchange in [&one, &two] {
        let answer = told.answer().await["data"]["exchangeRecorded"].clone();
        assert_eq!(answer["id"], id(exchange));
        assert_ne!(answer["id"], first["exchanges"]["edges"][0]["node"]["id"]);
        places.push(answer["place"].clone());
    }
    let mut back = Told::of(&viewer, &follow(&places[0])).await;
    assert_eq!(back.answer().await["data"]["exchangeRecorded"]["request"]["url"], "https://a.example/2");
    let tokens = running.person.get("/api/v1/tokens").await;
    let path = format!("/api/v1/tokens/{}", tokens["items"][0]["id"].as_str().unwrap());
    running.person.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(back.answer().await["errors"][0]["extensions"]["code"], "UNAUTHORIZED");
    back.ends().await;
}

#[tokio::test]
async fn a_question_and_a_fault_are_one_event_and_the_end() {
    let running = Running::start().await;
    let mut told = Told::of(&running.person, "{ __typename }").await;
    assert_eq!(told.answer().await, json!({"data": {"__typename": "Query"}}));
    told.ends().await;
    for (query, code) in [
        ("subscription { exchangeRecorded(query: \"status:x\") { id } }", "BAD_QUERY"),
        ("subscription { a: exchangeRecorded { id } b: exchangeRecorded { id } }", "BAD_REQUEST"),
    ] {
        let mut told = Told::of(&running.person, query).await;
        assert_eq!(told.answer().await["errors"][0]["extensions"]["code"], code, "{query}");
        told.ends().await;
    }
    let path = "/graphql?query=subscription%7BsystemMetricsUpdated%7Btimestamp%7D%7D";
    let request = running.person.request(Method::GET, path).header("accept", "text/event-stream");
    let mut told = Told::in_answer(request.send().await.unwrap());
    running.stop().await;
    assert_eq!(told.answer().await["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    told.ends().await;
}
